#!/usr/bin/env node
/** @file Starts the study, see study/study.ts. */
import { runTypeScript } from './typescript/run.mjs';

await runTypeScript(new URL('./study/study.ts', import.meta.url));
