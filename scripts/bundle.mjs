#!/usr/bin/env node
/** @file Makes the archive for machines without a network, see bundle/bundle.ts. */
import { runTypeScript } from './typescript/run.mjs';

await runTypeScript(new URL('./bundle/bundle.ts', import.meta.url));
