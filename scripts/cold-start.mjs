#!/usr/bin/env node
/** @file Starts the making of the demo's small model, see cold-start/cold-start.ts. */
import { runTypeScript } from './typescript/run.mjs';

await runTypeScript(new URL('./cold-start/cold-start.ts', import.meta.url));
