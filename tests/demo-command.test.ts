/**
 * @file `twgrpo demo` as a user runs it, very short: a random model, a few questions, some seconds of training. What is tested is
 * that every figure of the report is the one in the files, that the page stands alone, and that no earlier demo gets lost.
 */

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readJsonLines } from '../src/base/index.ts';
import { startDashboard, Workspace } from '../src/dashboard/index.ts';
import { createTinyCheckpoint } from '../src/models/index.ts';
import { RunDirectory } from '../src/run/index.ts';
import { readEvaluationRows } from '../src/stats/index.ts';
import { liveTensors } from '../src/tensor/index.ts';
import { LESSON } from '../src/world/index.ts';
import {
  axeFindings,
  hasBrowser,
  heatOf,
  inBrowser,
  launchBrowser,
  openPage,
  PAGES,
  show,
  visit,
} from './support/dashboard-browser.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const scratch = scratchFolder();
const model = join(scratch, 'model');
const folder = join(scratch, 'demo');
const SHORT = ['--model', model, '--questions', '8', '--minutes', '0.03', '--seed', '3', '--quiet'];

/** Names of elements in the order they open; throws where they do not close in the reverse order. */
function checkWellFormed(html: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  const body = html.replace(/<style>[\s\S]*?<\/style>/, '').replace('<!DOCTYPE html>', '');
  for (const [tag, slash, name, , selfClosed] of body.matchAll(
    /<(\/?)([a-zA-Z0-9]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|<|&(?!amp;|lt;|gt;|quot;)/g,
  )) {
    if (name === undefined) throw new Error(`stray mark: ${tag}`);
    if (slash === '/') {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing that is open`);
    } else {
      names.push(name);
      if (selfClosed !== '/') open.push(name);
    }
  }
  expect(open).toEqual([]);
  return names;
}

describe('a short demo', () => {
  let live: number;
  let result: Awaited<ReturnType<typeof runCommand>>;
  beforeAll(async () => {
    createTinyCheckpoint(model, { vocab_size: 320 });
    live = liveTensors();
    result = await runCommand('demo', ...SHORT, '--output-dir', folder, '--json');
  });

  it('ends well and frees what it made', () => {
    expect(result.stderr).toBe('');
    expect(result.code).toBe(0);
    expect(liveTensors()).toBe(live);
  });

  it('reports the figures that are in its files', () => {
    const report = JSON.parse(result.stdout);
    expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toEqual(report);
    for (const way of ['sampled', 'greedy']) {
      for (const when of ['before', 'after']) {
        const rows = readEvaluationRows(join(folder, 'eval', `${when}-${way}`));
        const right = rows.filter(({ score }) => score === 1).length;
        expect(rows).toHaveLength(8);
        expect(report.results[way].all[when]).toMatchObject({ n: 8, correct: right, strict: right / 8 });
      }
      // A kind of question that the cold start was never asked.
      const kinds = report.results[way].groups.map((group: { name: string }) => group.name);
      expect(kinds).toEqual(['move']);
      expect(LESSON.kinds).not.toContain('move');
    }
    expect(readJsonLines(join(folder, 'run', 'metrics.jsonl'))).toHaveLength(report.steps);
    expect(report.steps).toBeGreaterThan(0);
    expect(existsSync(join(report.checkpoint, 'model.safetensors'))).toBe(true);
  });

  it('asks held-out questions about clips that training never sees', () => {
    const videos = (split: string) =>
      new Set(
        readJsonLines(join(folder, 'world', `${split}.jsonl`)).map((row) =>
          String(row['video']).split('/').at(-1),
        ),
      );
    const trained = videos('train');
    expect(trained.size).toBe(16);
    expect([...videos('held-out')].filter((video) => trained.has(video))).toEqual([]);
  });

  it('writes a page that is well-formed and needs nothing else', () => {
    const html = readFileSync(join(folder, 'report.html'), 'utf8');
    const names = checkWellFormed(html);
    const count = (name: string) => names.filter((one) => one === name).length;
    expect(count('svg')).toBe(6);
    expect(count('img')).toBeGreaterThan(0);
    for (const [, source = ''] of html.matchAll(/\b(?:src|href)="([^"]*)"/g))
      expect(source).toMatch(/^data:image\/png;base64,/);
    expect(html).not.toMatch(/url\(|@import|<script|<link/);
    expect(html.match(/title="weight [\d.]+ · entropy [\d.]+ · log-prob -?[\d.]+"/g)!.length).toBeGreaterThan(
      8,
    );
  });

  describe.skipIf(!hasBrowser)(inBrowser('the dashboard over it'), () => {
    it('shows every page, the clip with the sampled frames, and the weights of the token file', async () => {
      const dashboard = await startDashboard({ workspace: new Workspace([folder]), port: 0 });
      const browser = await launchBrowser();
      try {
        const { page, problems } = await openPage(browser, { url: dashboard.url });
        for (const name of PAGES) {
          await visit(page, name);
          expect(await axeFindings(page), name).toEqual([]);
        }
        const run = RunDirectory.open(join(folder, 'run'));
        const [first] = run.readTokens(1).rows;
        const id = await page.locator('.runs select').inputValue();
        await show(page, `#/tokens?run=${id}&step=1&group=${first!.group}&heat=weight`);
        await page.locator(`article[aria-label="Completion ${first!.row}"] span[data-token="0"]`).waitFor();
        expect(await heatOf(page, first!.row)).toEqual(Array.from(first!.weights, String));
        await show(page, `#/video?run=${id}&step=1&group=${first!.group}`);
        const readyState = () =>
          page.locator('video').evaluate((video) => (video as unknown as { readyState: number }).readyState);
        await expect.poll(readyState, { timeout: 30_000 }).toBeGreaterThanOrEqual(2);
        expect(await page.locator('.timeline button').count()).toBeGreaterThan(1);
        expect(problems).toEqual([]);
      } finally {
        await browser.close();
        await dashboard.close();
      }
    }, 120_000);
  });

  it('never removes an earlier demo unasked, and nothing else even when asked', async () => {
    const again = await runCommand('demo', ...SHORT, '--output-dir', folder);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('holds an earlier demo');
    expect(again.stderr).toContain('--replace');
    expect(existsSync(join(folder, 'report.html'))).toBe(true);
    writeFileSync(join(scratch, 'notes.txt'), 'mine');
    const foreign = await runCommand('demo', ...SHORT, '--output-dir', scratch, '--replace');
    expect(foreign.code).toBe(2);
    expect(foreign.stderr).toContain('not the folder of an earlier demo');
    expect(readFileSync(join(scratch, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it('says how to make a model that is missing', async () => {
    const { code, stderr } = await runCommand(
      'demo',
      '--model',
      join(scratch, 'nothing'),
      '--output-dir',
      join(scratch, 'x'),
    );
    expect(code).toBe(3);
    expect(stderr).toContain('no config.json');
    expect(existsSync(join(scratch, 'x'))).toBe(false);
  });
});

/** The demo as a process of its own, sent a signal as soon as its output shows a text. */
async function interrupted(signal: NodeJS.Signals, when: string, output: string) {
  const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const child = spawn(
    process.execPath,
    [
      ...['--import', file('../scripts/typescript/loader.mjs'), file('../src/cli/main.ts'), 'demo'],
      ...['--model', model, '--questions', '40', '--minutes', '0.05', '--output-dir', output],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let shown = '';
  let isSent = false;
  const read = (chunk: Buffer) => {
    shown += chunk;
    if (isSent || !shown.includes(when)) return;
    isSent = true;
    child.kill(signal);
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, shown };
}

describe('a signal', () => {
  it.each([
    ['SIGINT', '1/5', 130],
    ['SIGTERM', '2/5', 143],
    ['SIGINT', '3/5', 130],
    ['SIGINT', '4/5', 130],
  ] as const)(
    '%s at %s ends the demo, keeps what there is and says where',
    async (signal, when, expected) => {
      const output = join(scratch, `stopped-${when[0]}`);
      const { code, shown } = await interrupted(signal, when, output);
      expect(shown).toContain(`${signal}: finishing this step and saving`);
      expect(shown).toContain(`stopped; what there is so far lies in ${output}`);
      expect(code).toBe(expected);
      expect(existsSync(join(output, 'report.html'))).toBe(false);
      // The folder is known as a demo's, so that --replace takes it.
      expect(JSON.parse(readFileSync(join(output, 'demo.json'), 'utf8'))).toMatchObject({
        made_by: 'twgrpo demo',
      });
    },
  );
});
