/**
 * @file Writes what docs/ holds of the code: the tables of configuration keys and the figure of the token weights.
 *
 *   npm run docs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/base/index.ts';
import { CONFIG_SECTIONS, configTable, SFT_CONFIG_SECTIONS } from '../../src/train/index.ts';
import './token-weights.ts';

const [begin, end] = ['<!-- keys: begin, written by npm run docs -->\n', '\n<!-- keys: end -->'];
for (const [name, sections] of Object.entries({
  'training.md': CONFIG_SECTIONS,
  'sft.md': SFT_CONFIG_SECTIONS,
})) {
  const page = join(packageRoot(), 'docs', name);
  const [before = '', rest = ''] = readFileSync(page, 'utf8').split(begin);
  const [, after = ''] = rest.split(end);
  writeFileSync(page, before + begin + configTable(sections) + end + after);
}
