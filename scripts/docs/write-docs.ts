/**
 * @file Writes what docs/ holds of the code: the tables of configuration keys, the figure of the token weights, the
 * picture of the rooms.
 *
 *   npm run docs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/base/index.ts';
import { CONFIG_SECTIONS, configTable, SFT_CONFIG_SECTIONS } from '../../src/train/index.ts';
import { BEGIN, END, picture, readSources, roomArrows } from './architecture.ts';
import './token-weights.ts';

/** Puts `content` between two marks of a page. */
function rewrite(name: string, begin: string, end: string, content: string): void {
  const page = join(packageRoot(), 'docs', name);
  const [before = '', rest = ''] = readFileSync(page, 'utf8').split(begin);
  const [, after = ''] = rest.split(end);
  writeFileSync(page, before + begin + content + end + after);
}

const [begin, end] = ['<!-- keys: begin, written by npm run docs -->\n', '\n<!-- keys: end -->'];
rewrite('training.md', begin, end, configTable(CONFIG_SECTIONS));
rewrite('sft.md', begin, end, configTable(SFT_CONFIG_SECTIONS));
rewrite('architecture.md', BEGIN, END, picture(roomArrows(readSources())));
