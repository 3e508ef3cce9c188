#!/usr/bin/env node
/** @file Starts the writing of the pages that follow from the code, see docs/write-docs.ts. */
import { runTypeScript } from './typescript/run.mjs';

await runTypeScript(new URL('./docs/write-docs.ts', import.meta.url));
