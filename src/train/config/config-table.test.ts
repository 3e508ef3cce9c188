import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LOSS_PRESETS } from '../../rl/index.ts';
import { grpoConfigSchema } from './config-schema.ts';
import { configTable } from './config-table.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/training.md'), 'utf8');

it('docs/training.md holds the table of this schema; `npm run docs` writes it', () => {
  const [, rest = ''] = page.split('<!-- keys: begin, written by npm run docs -->\n');
  const [written] = rest.split('\n<!-- keys: end -->');
  expect(written).toBe(configTable());
});

it('names every key once, with its meaning, and every value a preset gives', () => {
  const lines = configTable().split('\n');
  for (const key of Object.keys(grpoConfigSchema.shape)) {
    const own = lines.filter((line) => line.startsWith(`| \`${key}\` |`));
    expect(own.length, key).toBe(1);
    const cells = own[0]!.split(/(?<!\\)\|/).map((cell) => cell.trim());
    expect(cells.at(-2)!.length, key).toBeGreaterThan(10);
  }
  const row = lines.find((line) => line.startsWith('| `token_weight` |'))!;
  for (const { token_weight } of Object.values(LOSS_PRESETS)) expect(row).toContain(`\`${token_weight}\``);
});
