/**
 * @file Lets a plain `node` run our TypeScript sources, for tests and benchmarks that need a process of their own:
 *
 *   node --import ./scripts/typescript/loader.mjs script.ts
 */
import { register } from 'node:module';

register('./hooks.mjs', import.meta.url);
