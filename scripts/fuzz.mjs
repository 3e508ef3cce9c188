#!/usr/bin/env node
/** @file Starts the fuzzer, see tests/fuzz/command.ts. */
import { runTypeScript } from './typescript/run.mjs';

await runTypeScript(new URL('../tests/fuzz/command.ts', import.meta.url));
