import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOSS_PRESETS } from '../../rl/index.ts';
import { CONFIG_SECTIONS, grpoConfigSchema } from './config-schema.ts';
import { configTable } from './config-table.ts';
import { SFT_CONFIG_SECTIONS, sftConfigSchema } from './sft-config.ts';

describe.each([
  ['training.md', CONFIG_SECTIONS, grpoConfigSchema],
  ['sft.md', SFT_CONFIG_SECTIONS, sftConfigSchema],
] as const)('docs/%s', (name, sections, schema) => {
  const table = configTable(sections);

  it('holds the table of its schema; `npm run docs` writes it', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs', name), 'utf8');
    const [, rest = ''] = page.split('<!-- keys: begin, written by npm run docs -->\n');
    const [written] = rest.split('\n<!-- keys: end -->');
    expect(written).toBe(table);
  });

  it('names every key once, with its meaning', () => {
    const lines = table.split('\n');
    for (const key of Object.keys(schema.shape)) {
      const own = lines.filter((line) => line.startsWith(`| \`${key}\` |`));
      expect(own.length, key).toBe(1);
      const cells = own[0]!.split(/(?<!\\)\|/).map((cell) => cell.trim());
      expect(cells.at(-2)!.length, key).toBeGreaterThan(10);
    }
  });
});

it('the table shows every value that a loss preset gives', () => {
  const lines = configTable(CONFIG_SECTIONS).split('\n');
  const row = lines.find((line) => line.startsWith('| `token_weight` |'))!;
  for (const { token_weight } of Object.values(LOSS_PRESETS)) expect(row).toContain(`\`${token_weight}\``);
});
