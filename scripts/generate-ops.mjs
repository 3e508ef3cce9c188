#!/usr/bin/env node
/** @file Starts the writing of typed operators, see operators/generate-operators.ts. */
import { runTypeScript } from './typescript/run.mjs';

await runTypeScript(new URL('./operators/generate-operators.ts', import.meta.url));
