#!/usr/bin/env node
/** @file Starts the check of docs/reproduce.md's table of functions, see fidelity/fidelity.ts. */
import { runTypeScript } from './typescript/run.mjs';

await runTypeScript(new URL('./fidelity/fidelity.ts', import.meta.url));
