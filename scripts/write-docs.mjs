/**
 * @file Writes what docs/ holds of the code: the tables of configuration keys and the figure of the token weights.
 *
 *   npm run docs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CONFIG_SECTIONS } from '../build/js/train/config/config-schema.js';
import { configTable } from '../build/js/train/config/config-table.js';
import { SFT_CONFIG_SECTIONS } from '../build/js/train/config/sft-config.js';

const [begin, end] = ['<!-- keys: begin, written by npm run docs -->\n', '\n<!-- keys: end -->'];
for (const [name, sections] of Object.entries({
  'training.md': CONFIG_SECTIONS,
  'sft.md': SFT_CONFIG_SECTIONS,
})) {
  const page = fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
  const [before, rest] = readFileSync(page, 'utf8').split(begin);
  const [, after] = rest.split(end);
  writeFileSync(page, before + begin + configTable(sections) + end + after);
}
await import('./draw-token-weights.mjs');
