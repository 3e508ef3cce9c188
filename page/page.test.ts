/**
 * @file The dashboard in a real browser: every page over a finished run, a live one and a report; hostile texts, accessibility, narrow
 * and wide, light and dark, and without a mouse. Skipped where there is no Chromium (CHROMIUM_PATH, or /usr/bin/chromium).
 */
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { decode, encode } from 'fast-png';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendJsonLines } from '../src/base/index.ts';
import { type Dashboard, reportFile, startDashboard, Workspace } from '../src/dashboard/index.ts';
import { RunDirectory } from '../src/run/index.ts';

import { encodeVideo, probeVideo, sampleFrames, samplingSettings } from '../src/video/index.ts';
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
} from '../tests/support/dashboard-browser.ts';
import { scratchFolder } from '../tests/support/scratch-folder.ts';
import { writeSyntheticRun } from '../tests/support/synthetic-run.ts';

const HOSTILE = `</div></bdi><script>window.hacked = true</script><img src=x onerror="window.hacked = true">\u202etxt.exe\u202c`;

const folder = scratchFolder();
const [finished, live] = [join(folder, 'runs', 'finished'), join(folder, 'runs', 'live')];
const clip = join(folder, 'clip.mp4');

let browser: Browser;
let dashboard: Dashboard;

/** Sixteen frames that go from black to red, two seconds. */
async function writeClip(): Promise<void> {
  const [width, height] = [64, 48];
  const frames = Array.from({ length: 16 }, (_, i) => {
    const frame = new Uint8Array(width * height * 3);
    for (let at = 0; at < frame.length; at += 3) frame[at] = 16 * i;
    return frame;
  });
  await encodeVideo(clip, frames, { width, height, fps: 8 });
}

function writeEvaluation(name: string, step: number, isRight: (i: number) => boolean): void {
  const path = join(folder, 'runs', name);
  mkdirSync(path);
  const rows = Array.from({ length: 12 }, (_, i) => ({
    id: `q${i}`,
    truth: ['A'],
    chosen: isRight(i) ? ['A'] : ['B'],
    failed: false,
    score: Number(isRight(i)),
    dims: { kind: i % 2 === 0 ? 'move' : 'hit' },
    problem: `Which?\nA. x\nB. y ${i === 0 ? HOSTILE : ''}`,
    video: clip,
    completion: `<answer>${isRight(i) ? 'A' : 'B'}</answer>`,
    format: 1,
    length: 5,
    truncated: false,
  }));
  appendJsonLines(join(path, 'rows.jsonl'), rows);
  writeFileSync(join(path, 'settings.json'), JSON.stringify({ model: join(finished, `checkpoint-${step}`) }));
}

const open = (options: { width?: number; dark?: boolean; url?: string } = {}) =>
  openPage(browser, { url: dashboard.url, ...options });

describe.skipIf(!hasBrowser)(inBrowser('the dashboard in a browser'), () => {
  beforeAll(async () => {
    await writeClip();
    writeSyntheticRun(finished, {
      num_steps: 6,
      num_groups: 2,
      num_generations: 4,
      video: clip,
      config: { video: 'correct', max_frames: 8 },
      change: (record) =>
        record.step === 6 && record.group === 0 && record.row === 0
          ? {
              ...record,
              completion: `${HOSTILE} ${'word '.repeat(20_000)}`,
              item: HOSTILE,
              advantage: 3,
              reward: 9,
            }
          : record,
    });
    RunDirectory.open(finished).appendAlert({
      step: 3,
      rule: 'zero_std',
      message: HOSTILE,
      value: 0.9,
      limit: 0.8,
    });
    writeSyntheticRun(live, {
      num_steps: 5,
      num_groups: 1,
      num_generations: 4,
      config: { max_steps: 50, seed: 7 },
      video: '/gone/a.mp4',
    });
    const frames = join(folder, 'frames');
    mkdirSync(frames);
    const picture = {
      width: 32,
      height: 24,
      channels: 3,
      depth: 8,
      data: new Uint8Array(32 * 24 * 3),
    } as const;
    for (let i = 0; i < 6; i++) writeFileSync(join(frames, `${i}.png`), encode(picture));
    writeSyntheticRun(join(folder, 'runs', 'media'), {
      ...{ num_steps: 1, num_groups: 1, num_generations: 2 },
      video: `${frames} ${clip}`,
    });
    writeEvaluation('before', 2, (i) => i < 4);
    writeEvaluation('after', 6, (i) => i > 1);
    dashboard = await startDashboard({ workspace: new Workspace([join(folder, 'runs')]), port: 0 });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await dashboard?.close();
  });

  const front = async (page: Page, name = 'finished') =>
    await page.locator('.runs select').selectOption({ label: name });

  it.each([
    { width: 1600, dark: false },
    { width: 390, dark: true },
  ])('shows every page, $width pixels wide, dark: $dark; axe finds nothing', async (look) => {
    const { page, problems } = await open(look);
    await front(page);
    for (const name of PAGES) {
      await visit(page, name);
      expect(await axeFindings(page), name).toEqual([]);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, `${name} is wider than the screen`).toBeLessThanOrEqual(0);
    }
    expect(problems).toEqual([]);
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    await page.context().close();
  });

  it('keeps hostile texts text', async () => {
    const { page, problems } = await open();
    await front(page);
    await show(page, `#/groups?run=${await frontId(page)}&step=6&group=0`);
    const card = page.locator('.completion').first();
    await card.getByText('<script>window.hacked = true</script>').waitFor();
    expect(await card.locator('script, img').count()).toBe(0);
    const text = (await card.locator('.model-text').textContent())!;
    expect(text).toContain('⟨U+202E⟩txt.exe⟨U+202C⟩');
    expect(text).not.toContain('\u202e');
    await card.getByRole('button', { name: /show all 100,\d{3} characters/ }).click();
    await card.getByText(/cut at 8,000 of 100,\d{3} characters/).waitFor();
    await show(page, `#/tokens?run=${await frontId(page)}&step=6&group=0&row=0`);
    await page.getByRole('button', { name: /show more of 20,\d{3} tokens/ }).waitFor();
    await show(page, `#/alerts?run=${await frontId(page)}`);
    await page.locator('.alerts').getByText('onerror').waitFor();
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it('shows the values of the token file, bit for bit', async () => {
    const { page } = await open();
    await front(page);
    const rows = RunDirectory.open(finished)
      .readTokens(3)
      .rows.filter(({ group }) => group === 1);
    for (const [heat, valuesOf] of [
      ['weight', ({ weights }: (typeof rows)[number]) => weights],
      ['entropy', ({ entropy }: (typeof rows)[number]) => entropy],
      ['log-probability', ({ logps }: (typeof rows)[number]) => logps],
    ] as const) {
      await show(page, `#/tokens?run=${await frontId(page)}&step=3&group=1&heat=${heat}`);
      await page.locator(`.segments input:checked + span`, { hasText: heat }).waitFor();
      for (const row of rows) {
        const card = page.locator(`article[aria-label="Completion ${row.row}"]`);
        await card.locator('span[data-token="0"]').waitFor();
        expect(await heatOf(page, row.row)).toEqual(Array.from(valuesOf(row), String));
      }
    }
    await page.context().close();
  });

  it('seeks in the video, to exactly the frames that are sampled', async () => {
    const { page } = await open();
    await front(page);
    await show(page, `#/video?run=${await frontId(page)}&step=3&group=1`);
    const info = await probeVideo(clip);
    const settings = samplingSettings({ video: 'correct', max_frames: 8 });
    const { indices } = sampleFrames(settings, { ...info, totalFrames: info.numFrames });
    const marks = page.locator('.timeline button');
    await marks.first().waitFor();
    expect(await marks.evaluateAll((all) => all.map((mark) => mark.getAttribute('title')))).toEqual(
      indices.map((index) => `frame ${index} at ${(index / 8).toFixed(2)} s`),
    );
    await page.waitForFunction(() => (document.querySelector('video')?.readyState ?? 0) >= 2);
    await marks.nth(2).click();
    await page.waitForFunction(() => document.querySelector('video')?.seeking === false);
    const at = await page.evaluate(() => document.querySelector('video')!.currentTime);
    expect(Math.floor(at * 8)).toBe(indices[2]);
    // The picture that is shown is that frame: red grows by 16 a frame.
    const red = await page.evaluate(() => {
      const canvas = document.createElement('canvas');
      const context = canvas.getContext('2d')!;
      context.drawImage(document.querySelector('video')!, 0, 0);
      return context.getImageData(8, 8, 1, 1).data[0]!;
    });
    expect(Math.abs(red - 16 * indices[2]!)).toBeLessThan(8);
    await page.context().close();
  });

  it('goes on with a live run, and finds what is in all its steps', async () => {
    const { page } = await open();
    await front(page, 'live');
    await page.locator('.runs').getByText('step 5 of 50').waitFor();
    // Its step takes minutes, and the process says meanwhile that it lives.
    const [old, now] = [new Date(2020, 1, 1), new Date()];
    utimesSync(RunDirectory.open(live).metricsPath, old, old);
    writeFileSync(join(live, '.lock'), '');
    utimesSync(join(live, '.lock'), now, now);
    await page.locator('.badge.live').waitFor();
    const run = RunDirectory.open(live);
    run.appendMetrics({ step: 6, reward: 1.5 });
    run.appendCompletions(
      6,
      run.readCompletions(5).map((record) => ({ ...record, step: 6, completion: 'a needle in it' })),
    );
    await page.locator('.runs').getByText('step 6 of 50').waitFor();
    await page.locator('nav a[href^="#/groups"]').click();
    await page.getByLabel('text of the completion').fill('NEEDLE');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByText('4 of 24 completions').waitFor();
    await page.getByText('the clip a.mp4 is not on this machine').waitFor();
    await page.context().close();
  });

  it('saves a chart as PNG, SVG and CSV, with the numbers of the run', async () => {
    const { page, problems } = await open();
    await front(page);
    await page.locator('nav a[href^="#/overview"]').click();
    const chart = page.locator('.chart', { has: page.getByRole('heading', { name: 'Entropy of a token' }) });
    await chart.locator('canvas').waitFor();
    const saved = async (kind: string) => {
      await chart.locator('summary').click();
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        chart.getByRole('button', { name: kind }).click(),
      ]);
      await chart.locator('summary').click();
      expect(download.suggestedFilename()).toBe(`entropy-of-a-token.${kind.toLowerCase()}`);
      const file = join(folder, download.suggestedFilename());
      await download.saveAs(file);
      return readFileSync(file);
    };
    const rows = RunDirectory.open(finished).readMetrics();
    const [head, ...lines] = (await saved('CSV')).toString().trimEnd().split('\n');
    expect(head).toBe('curve,step,Entropy of a token,smoothed');
    expect(lines.map((line) => line.split(',').slice(0, 3))).toEqual(
      rows.map(({ step, entropy }) => ['entropy', String(step), String(entropy)]),
    );
    const svg = (await saved('SVG')).toString();
    expect(svg).toContain('Entropy of a token</text>');
    expect(/<polyline points="([^"]+)"/.exec(svg)![1]!.split(' ')).toHaveLength(rows.length);
    const picture = decode(await saved('PNG'));
    expect(picture.width).toBeGreaterThan(200);
    // The card's own colour lies behind the curves, whichever colours are shown.
    expect([...picture.data.slice(0, 3)]).toEqual([255, 255, 255]);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it('shows every medium of a question, one after the other', async () => {
    const { page, problems } = await open();
    await front(page, 'media');
    await page.locator('nav a[href^="#/video"]').click();
    await page.getByText('3 frames a second, 2.00 s, the model sees 4 of 6 frames').waitFor();
    await page.getByRole('radio', { name: '2 of 2' }).check();
    await page.locator('video').waitFor();
    await page.getByText('8 frames a second, 2.00 s').waitFor();
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it('draws accuracy over checkpoints, letters over the run, and the loss beside that of plain GRPO', async () => {
    const { page, problems } = await open();
    await front(page);
    await page.locator('nav a[href^="#/overview"]').click();
    const curve = page.getByRole('img', { name: /^Accuracy on held-out questions over checkpoints/ });
    expect(await curve.getAttribute('aria-label')).toContain(
      'strict, with its 95 % interval: 83.3 % at the end; soft: 83.3 % at the end',
    );
    await page.getByRole('heading', { name: 'Memory of the process' }).waitFor();
    await page.locator('nav a[href^="#/groups"]').click();
    const judged = page.getByRole('img', { name: /^From step 1 to 6: right \d+ % → \d+ %/ });
    await judged.waitFor();
    expect(await page.locator('.letter-bars tbody th').allTextContents()).toEqual(['A', 'B', 'C', 'D']);
    await page.locator('nav a[href^="#/tokens"]').click();
    await page.getByRole('img', { name: /^Loss on the fifth of tokens with most weight/ }).waitFor();
    await show(page, `#/tokens?run=${await frontId(page)}&step=3&group=1&heat=against alpha 1`);
    await page.locator('.segments input:checked + span', { hasText: 'against alpha 1' }).waitFor();
    const { rows } = RunDirectory.open(finished).readTokens(3);
    const own = rows.filter(({ group }) => group === 1);
    const weights = own.flatMap((row) => [...row.weights]);
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    const shown = (await heatOf(page, 2)).map(Number);
    const wanted = [...own.find(({ row }) => row === 2)!.weights].map((weight) => weight / mean);
    expect(shown).toHaveLength(wanted.length);
    for (const [t, value] of wanted.entries()) expect(shown[t]).toBeCloseTo(value, 12);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it('works without a mouse', async () => {
    const { page } = await open({ width: 1000 });
    await front(page);
    const press = async (key: string, isThere: () => Promise<boolean>) => {
      for (let i = 0; i < 80; i++) {
        await page.keyboard.press(key);
        if (await isThere()) return;
      }
      throw new Error(`never got there with ${key}`);
    };
    const isFocused = (selector: string) => () =>
      page.evaluate((wanted) => document.activeElement?.matches(wanted) === true, selector);
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    await press('Tab', isFocused('nav a[href^="#/tokens"]'));
    await page.keyboard.press('Enter');
    await page.locator('.heat-text').first().waitFor();
    await press('Tab', isFocused('.slider input[type="range"]'));
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction(() => location.hash.includes('step=5'));
    await page.locator('span[data-token="1"]').first().waitFor();
    await press('Tab', isFocused('.heat-text'));
    await page.keyboard.press('ArrowRight');
    await page.locator('.token-facts', { hasText: 'position 1,' }).waitFor();
    await page.context().close();
  });

  it('compares two evaluations and two runs', async () => {
    const { page } = await open();
    await front(page);
    await page.locator('nav a[href^="#/evaluation"]').click();
    await page.getByRole('combobox', { name: 'evaluation', exact: true }).selectOption({ label: 'after' });
    await page.getByRole('combobox', { name: 'against' }).selectOption({ label: 'before' });
    await page
      .getByText('83.3 % here, 33.3 % in before, on 12 common items: 8 right only here, 2 only there')
      .waitFor();
    await page.locator('nav a[href^="#/run"]').click();
    await page.getByRole('combobox', { name: 'what differs from' }).selectOption({ label: 'live' });
    await page.locator('.config').getByText('seed').waitFor();
    expect(await page.locator('.config tbody th').allTextContents()).toEqual([
      'max_steps',
      'video',
      'max_frames',
      'seed',
    ]);
    await page.context().close();
  });

  it('is one file as a report, which asks for nothing', async () => {
    const file = join(folder, 'report.html');
    writeFileSync(file, await reportFile(new Workspace([join(folder, 'runs')]), { steps: 3 }));
    const { page, problems } = await open({ url: pathToFileURL(file).href });
    const asked: string[] = [];
    page.on('request', ({ url }) => url().startsWith('data:') || asked.push(url()));
    await front(page);
    for (const name of PAGES) {
      await visit(page, name);
    }
    expect(asked).toEqual([]);
    expect(problems).toEqual([]);
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    await page.context().close();
  });

  const frontId = async (page: Page) => await page.locator('.runs select').inputValue();
});
