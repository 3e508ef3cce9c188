/**
 * @file Writes what docs/ holds of the code: the table of configuration keys and the figure of the token weights.
 *
 *   npm run docs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { configTable } from '../build/js/train/config/config-table.js';

const page = fileURLToPath(new URL('../docs/training.md', import.meta.url));
const [begin, end] = ['<!-- keys: begin, written by npm run docs -->\n', '\n<!-- keys: end -->'];
const [before, rest] = readFileSync(page, 'utf8').split(begin);
const [, after] = rest.split(end);
writeFileSync(page, before + begin + configTable() + end + after);
await import('./draw-token-weights.mjs');
