/**
 * @file The dashboard on long runs: how long until something is on the screen, until another step is, how much memory the server takes,
 * and what opening costs with more steps and more completions. Synthetic runs, a browser of this machine; docs/results/dashboard.md.
 *
 *   npm run bench -- dashboard [--json]
 */
import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { gitCommit, median, tableLines } from '../src/base/index.ts';
import { startDashboard, Workspace } from '../src/dashboard/index.ts';
import { writeSyntheticRun } from '../tests/support/synthetic-run.ts';

const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
const RUNS = [
  { num_steps: 1_000, num_groups: 1, num_generations: 8 },
  { num_steps: 10_000, num_groups: 1, num_generations: 8 },
  { num_steps: 10_000, num_groups: 1, num_generations: 2 },
] as const;
const TURNS = 5;

interface Figures {
  readonly steps: number;
  readonly completions: number;
  /** Milliseconds to the first answer, the list of runs; to the list, curves and verdict. */
  readonly listing_ms: number;
  readonly open_ms: number;
  /** From the address to the first picture, and to the curves. */
  readonly paint_ms: number;
  readonly curves_ms: number;
  /** From a key on the slider to the other step's completions. */
  readonly step_ms: number;
  /** The first search, which makes the index, and the next. */
  readonly search_ms: number;
  readonly search_again_ms: number;
  /** Resident memory of the server's process, after the pages, and at the end of everything. */
  readonly memory_mib: number;
  readonly memory_end_mib: number;
}

/** In a process of its own: a server, which tells its address and, when asked, its memory. */
async function serve(folder: string): Promise<void> {
  const page = await startDashboard({ workspace: new Workspace([folder]), port: 0 });
  process.on('message', (word) => {
    if (word === 'memory') process.send!({ memory: memoryMib() });
  });
  process.send!({ url: page.url, token: page.token });
}

/** Resident memory in MiB, as the kernel counts it. */
function memoryMib(): number {
  const text = readFileSync('/proc/self/status', 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1]) / 1024;
}

type Turn = Omit<Figures, 'steps' | 'completions'>;

/** One start of a server on a run of this shape, seen from its API and then from a browser. */
async function turnOf(browser: Browser, folder: string): Promise<Turn> {
  const server = fork(fileURLToPath(import.meta.url), ['--serve', folder], {
    execArgv: ['--import', new URL('../scripts/typescript/loader.mjs', import.meta.url).href],
  });
  const hear = <T>() =>
    new Promise<T>((resolve) => server.once('message', (message) => resolve(message as T)));
  const { url, token } = await hear<{ url: string; token: string }>();
  const ask = async (path: string) => {
    const start = performance.now();
    const response = await fetch(new URL(`/api${path}`, url), {
      headers: { authorization: `Bearer ${token}` },
    });
    const answer = (await response.json()) as { runs?: { id: string }[] };
    return { answer, ms: performance.now() - start };
  };
  const listing = await ask('/listing');
  const id = listing.answer.runs![0]!.id;
  const first = await Promise.all([
    ask(`/runs/${id}/series?keys=reward,entropy`),
    ask(`/runs/${id}/verdict`),
  ]);
  const memory = async () => {
    server.send('memory');
    return (await hear<{ memory: number }>()).memory;
  };
  const shown = await inBrowser(browser, url, memory);
  server.kill();
  await new Promise((resolve) => server.once('exit', resolve));
  return {
    listing_ms: listing.ms,
    open_ms: listing.ms + Math.max(...first.map(({ ms }) => ms)),
    ...shown,
  };
}

/** The shapes in turns, so that a change of the machine's load meets all of them. */
async function measure(browser: Browser): Promise<Figures[]> {
  const folder = mkdtempSync(join(tmpdir(), 'twgrpo-bench-'));
  try {
    for (const [i, shape] of RUNS.entries())
      writeSyntheticRun(join(folder, String(i), 'run'), { ...shape, num_words: 40 });
    const turns: Turn[][] = RUNS.map(() => []);
    for (let turn = 0; turn < TURNS; turn++)
      for (const i of RUNS.keys()) turns[i]!.push(await turnOf(browser, join(folder, String(i))));
    return RUNS.map(({ num_steps, num_groups, num_generations }, i) => {
      const keys = Object.keys(turns[i]![0]!) as (keyof Turn)[];
      const medians = keys.map((key) => [key, median(turns[i]!.map((one) => one[key]))] as const);
      return {
        steps: num_steps,
        completions: num_steps * num_groups * num_generations,
        ...(Object.fromEntries(medians) as unknown as Turn),
      };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function inBrowser(browser: Browser, url: string, memory: () => Promise<number>) {
  const page = await (await browser.newContext({ viewport: { width: 1600, height: 900 } })).newPage();
  // On a machine that is busy with other work the first search may take its time.
  page.setDefaultTimeout(180_000);
  const start = performance.now();
  await page.goto(url);
  await page.locator('.plot canvas').first().waitFor();
  const curves_ms = performance.now() - start;
  const paint_ms = Number(
    await page.evaluate(`performance.getEntriesByName('first-contentful-paint')[0]?.startTime`),
  );
  // The page's own policy forbids the browser to evaluate a condition in it, so the text is asked for again and again.
  const changes = async (selector: string, before: string | null) => {
    while ((await page.locator(selector).textContent()) === before);
  };
  await page.locator('nav a[href^="#/groups"]').click();
  await page.locator('.completion').first().waitFor();
  const memory_mib = await memory();
  const steps: number[] = [];
  const slider = page.locator('.slider input[type="range"]');
  for (let i = 0; i < 10; i++) {
    const before = await page.locator('.completions').textContent();
    const began = performance.now();
    await slider.press('ArrowLeft');
    await changes('.completions', before);
    steps.push(performance.now() - began);
  }
  const search = async (text: string) => {
    await page.getByLabel('text of the completion').fill(text);
    const began = performance.now();
    await page.getByRole('button', { name: 'Search' }).click();
    await page.locator('.search [role="status"]').waitFor();
    return performance.now() - began;
  };
  const search_ms = await search('');
  await page.getByLabel('answer').selectOption('wrong');
  const text = await page.locator('.search [role="status"]').textContent();
  const began = performance.now();
  await page.getByRole('button', { name: 'Search' }).click();
  await changes('.search [role="status"]', text);
  const search_again_ms = performance.now() - began;
  const memory_end_mib = await memory();
  await page.context().close();
  return {
    paint_ms,
    curves_ms,
    step_ms: median(steps),
    search_ms,
    search_again_ms,
    memory_mib,
    memory_end_mib,
  };
}

async function main(): Promise<void> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-background-networking'],
  });
  const figures = await measure(browser);
  const about = {
    commit: gitCommit() ?? null,
    cpu: cpus()[0]?.model.trim() ?? '',
    cores: cpus().length,
    node: process.version,
    browser: browser.version(),
    turns: TURNS,
    load: loadavg()[0],
  };
  await browser.close();
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ ...about, figures }, null, 2)}\n`);
    return;
  }
  const keys = Object.keys(figures[0]!) as (keyof Figures)[];
  const lines = tableLines(
    ['', ...figures.map((_, i) => `run ${i + 1}`)],
    keys.map((key) => [key, ...figures.map((row) => Math.round(row[key]))]),
  );
  process.stdout.write(`${JSON.stringify(about)}\n${lines.join('\n')}\n`);
}

const at = process.argv.indexOf('--serve');
await (at < 0 ? main() : serve(process.argv[at + 1]!));
