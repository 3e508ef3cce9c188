/**
 * @file Lets a plain `node` run our TypeScript sources, for tests that need a process of their own:
 *
 *   node --import ./tests/support/typescript-loader.mjs script.ts
 */
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
