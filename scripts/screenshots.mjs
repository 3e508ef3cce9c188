#!/usr/bin/env node
/** @file Starts the taking of the dashboard's pictures, see screenshots/screenshots.ts. */
import { runTypeScript } from './typescript/run.mjs';

await runTypeScript(new URL('./screenshots/screenshots.ts', import.meta.url));
