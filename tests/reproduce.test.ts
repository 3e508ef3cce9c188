/**
 * @file docs/reproduce.md says for every flag of the authors' scripts which key of ours it is, with the values of both: held
 * against their scripts (golden), against the recipes, and the recipes against each other.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { functionRows } from '../scripts/fidelity/function-table.ts';
import type { JsonObject } from '../src/base/index.ts';
import { resolveGrpoConfig } from '../src/train/index.ts';
import { runCommand } from './support/run-command.ts';

const text = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
const valuesOf = (recipe: string): JsonObject => parse(text(recipe)) as JsonObject;
const resolved = (recipe: string): JsonObject =>
  resolveGrpoConfig([{ source: recipe, values: valuesOf(recipe) }]).config as unknown as JsonObject;

const RECIPES = ['recipes/tw-grpo-paper.yaml', 'recipes/grpo-paper.yaml'] as const;
const CHAIN = [
  'recipes/grpo-paper.yaml',
  'recipes/ablation/1-soft-reward.yaml',
  'recipes/ablation/2-frozen-vision.yaml',
  'recipes/ablation/3-token-mean.yaml',
  'recipes/tw-grpo-paper.yaml',
] as const;

const page = text('docs/reproduce.md');
const names = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
const rows = page
  .split('<!-- flags: begin -->\n')[1]!
  .split('\n<!-- flags: end -->')[0]!
  .split('\n')
  .slice(2)
  .map((line) => line.slice(1, -1).split('|'))
  .map((cells) => cells.map((cell) => cell.trim()));

describe('the table of functions', () => {
  it('names tests that are there, or says plainly why there is none', () => {
    const tests = readdirSync(fileURLToPath(new URL('..', import.meta.url)), {
      recursive: true,
      encoding: 'utf8',
    });
    const testFiles = tests.filter((path) => !path.startsWith('node_modules') && path.endsWith('.test.ts'));
    const rows = functionRows(page);
    expect(rows.length).toBeGreaterThan(20);
    for (const { theirs, shown_by, status } of rows) {
      for (const path of shown_by)
        expect(
          testFiles.filter((file) => file.includes(path)),
          `${theirs}: ${path}`,
        ).not.toEqual([]);
      if (shown_by.length === 0)
        expect(status, theirs).toMatch(/^(equal on letters|differs|missing|left out|unused|leftovers)/);
    }
  });
});

describe('the table of flags', () => {
  it("names every flag of the authors' two scripts with its value", () => {
    const flags = JSON.parse(text('tests/goldens/recipes/flags.json')) as Record<
      string,
      Record<string, string>
    >;
    const told = (column: number) =>
      Object.fromEntries(rows.filter(([flag]) => flag !== '').map((row) => [names(row[0]!)[0], row[column]]));
    expect(told(1)).toEqual(flags['tw-grpo.sh']);
    expect(told(2)).toEqual(flags['grpo.sh']);
  });

  it('has the values that the recipes have, and says of every key of theirs what it stands for', () => {
    const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
    for (const [index, recipe] of RECIPES.entries()) {
      const config = resolved(recipe);
      for (const row of rows)
        for (const key of names(row[3]!))
          expect(`${key}: ${row[4 + index]}`).toBe(`${key}: ${shown(config[key])}`);
      const keys = new Set(rows.flatMap((row) => names(row[3]!)));
      for (const key of keys) expect(Object.keys(config)).toContain(key);
      for (const key of Object.keys(valuesOf(recipe))) expect([...keys], recipe).toContain(key);
    }
  });
});

describe("from the authors' GRPO to their TW-GRPO", () => {
  /** A preset is only the values of its keys, and these are compared one by one. */
  const IGNORED = ['loss_type', 'output_dir'];
  const BUNDLES: Readonly<Record<string, readonly string[]>> = {
    freeze_vision_modules: ['freeze_vision', 'freeze_merger'],
  };

  it('neighbouring recipes differ in one key, or in one bundle of the authors', () => {
    const changes = CHAIN.slice(1).map((recipe, index) => {
      const [before, after] = [resolved(CHAIN[index]!), resolved(recipe)];
      const keys = Object.keys({ ...before, ...after }).filter(
        (key) => !IGNORED.includes(key) && JSON.stringify(before[key]) !== JSON.stringify(after[key]),
      );
      const bundle = Object.entries(BUNDLES).find(([, of]) => of.join() === [...keys].join());
      return bundle?.[0] ?? keys.join();
    });
    expect(changes).toEqual(['accuracy', 'freeze_vision_modules', 'loss_norm', 'token_weight']);
  });

  it('the page lists the same recipes in the same order', () => {
    const listed = [...page.matchAll(/^\| `(recipes\/[^`]+)` \|/gm)].map(([, recipe]) => recipe);
    expect(listed).toEqual(CHAIN);
  });
});

describe('the smoke line of the page', () => {
  const [, line = ''] = /<!-- smoke: begin -->\n```sh\n([\s\S]*?)```/.exec(page) ?? [];
  const scratch = mkdtempSync(join(tmpdir(), 'twgrpo-smoke-'));
  const before = process.cwd();
  afterAll(() => {
    process.chdir(before);
    rmSync(scratch, { recursive: true });
  });

  it("runs the paper's recipe on the small model, with a reward and a gradient above 0", async () => {
    const root = fileURLToPath(new URL('..', import.meta.url));
    for (const name of ['recipes', 'assets']) symlinkSync(join(root, name), join(scratch, name));
    process.chdir(scratch);
    const commands = line.replaceAll('\\\n', ' ').trim().split('\n');
    expect(commands).toHaveLength(2);
    for (const command of commands) {
      const { code, stderr } = await runCommand(...command.trim().split(/\s+/).slice(1), '--quiet');
      expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    }
    const [step] = readFileSync(join(scratch, 'runs/smoke/metrics.jsonl'), 'utf8').split('\n');
    const { reward, grad_norm } = JSON.parse(step!) as { reward: number; grad_norm: number };
    expect(reward).toBeGreaterThan(0);
    expect(grad_norm).toBeGreaterThan(0);
  });
});
