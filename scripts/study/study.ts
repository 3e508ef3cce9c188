/**
 * @file The study: what do token weights, the loss's normalisation, training the vision tower, the reward and the type of question
 * each do, other things equal? Runs the grid of recipes/study on several processes, and writes docs/results/study.md.
 *
 *   node scripts/study.mjs run [--processes 2] [--cells core,weights-std] [--seeds 1,2] [--steps 45] [--model assets/cold-start]
 *   node scripts/study.mjs report
 *
 * A finished run is one file in docs/results/study; what is there is not run again, so the same command goes on after a stop. Remove
 * a file to repeat its run.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine, machine } from '../../bench/harness.ts';
import { packageRoot, percent } from '../../src/base/index.ts';
import { modelFingerprint } from '../../src/eval/index.ts';
import { QUESTION_KINDS, type QuestionKind } from '../../src/world/index.ts';
import { prepareData } from './data.ts';
import { type Cell, type Grid, readGrid } from './grid.ts';
import { writeReport } from './report.ts';
import type { Answers, Job, Reply, RunResult } from './runs.ts';

const root = packageRoot();
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    processes: { type: 'string', default: String(availableParallelism()) },
    cells: { type: 'string' },
    seeds: { type: 'string' },
    steps: { type: 'string' },
    model: { type: 'string', default: join(root, 'assets', 'cold-start') },
    kinds: { type: 'string', default: 'move' },
    'held-out': { type: 'string', default: '250' },
    work: { type: 'string', default: 'runs/study' },
    results: { type: 'string', default: join(root, 'docs', 'results', 'study') },
  },
});
const say = (text: string): boolean => process.stderr.write(`[study] ${text}\n`);
function fail(text: string): never {
  say(text);
  process.exit(2);
}

function count(name: 'processes' | 'held-out' | 'steps' | 'seeds', text = options[name]): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) fail(`--${name} ${text}: expected a whole number above 0`);
  return value;
}

function kindOf(name: string): QuestionKind {
  const kind = QUESTION_KINDS.find((known) => known === name);
  return kind ?? fail(`--kinds ${name}: expected some of ${QUESTION_KINDS.join(', ')}`);
}

async function run(): Promise<void> {
  const grid = readGrid();
  const jobs = chosenJobs(grid);
  const kinds = options.kinds.split(',').map(kindOf);
  const [processes, held_out] = [count('processes'), count('held-out')];
  const base = { ...grid.base, ...(options.steps === undefined ? {} : { max_steps: count('steps') }) };
  const resultOf = ({ cell, seed }: PlannedRun): string =>
    join(options.results, `${cell.name}-s${seed}.json`);
  mkdirSync(options.results, { recursive: true });
  checkSettings({ model: modelFingerprint(options.model), kinds, held_out, base });
  const open = jobs.filter((job) => !existsSync(resultOf(job)));
  say(`${jobs.length} runs, ${jobs.length - open.length} of them done`);
  const { sets, ...common } = await prepareData(options.work, { kinds, held_out });
  const shared = { ...common, model: options.model };

  const startFile = join(options.results, 'start.json');
  if (!existsSync(startFile)) {
    const worker = new Worker();
    const folder = join(options.work, 'start');
    const answers = await worker.do<Answers>({ ...shared, isTrained: false, values: base, folder, seed: 1 });
    worker.end();
    write(startFile, answers);
  }

  let [failed, done] = [0, 0];
  const began = Date.now();
  await Promise.all(
    Array.from({ length: processes }, async () => {
      const worker = new Worker();
      for (let next = open.shift(); next !== undefined; next = open.shift()) {
        const { cell, seed } = next;
        const values = { ...base, ...cell.values, jsonl_path: sets[cell.data]! };
        try {
          const folder = join(options.work, `${cell.name}-s${seed}`);
          const result = await worker.do<RunResult>({ ...shared, isTrained: true, values, folder, seed });
          write(resultOf(next), { ...cell, seed, ...result });
          done++;
          const { sampled, greedy } = result.after;
          const left = (((Date.now() - began) / done) * open.length) / 60e3;
          say(
            `${cell.name}, seed ${seed}: strict ${percent(sampled.strict)} at temperature 1, ${percent(greedy.strict)} greedy, ` +
              `${result.seconds.toFixed(0)} s of training; ${open.length} left, about ${left.toFixed(0)} min`,
          );
        } catch (error) {
          failed++;
          say(`${cell.name}, seed ${seed} failed: ${error instanceof Error ? error.message : error}`);
        }
      }
      worker.end();
    }),
  );
  if (failed > 0) {
    say(`${failed} runs failed; the same command tries them again`);
    process.exitCode = 1;
  }
}

/** The runs of one folder must differ in their cells and seeds alone. */
function checkSettings(settings: Readonly<Record<string, unknown>>): void {
  const file = join(options.results, 'about.json');
  if (existsSync(file)) {
    const { settings: known } = JSON.parse(readFileSync(file, 'utf8')) as { settings: typeof settings };
    const other = Object.keys(settings).find(
      (key) => JSON.stringify(known[key]) !== JSON.stringify(settings[key]),
    );
    if (other !== undefined)
      fail(
        `${options.results} holds runs with other settings (${other}: ${JSON.stringify(known[other])} there, ` +
          `${JSON.stringify(settings[other])} now); choose another --results`,
      );
    return;
  }
  write(file, {
    machine: describeMachine(machine()).split('\n')[0],
    start: relative(process.cwd(), options.model),
    settings,
  });
}

interface PlannedRun {
  readonly cell: Cell;
  readonly seed: number;
}

/** Seed by seed, so that a study stopped early has whole seeds. */
function chosenJobs({ cells, seeds }: Grid): PlannedRun[] {
  const wanted = options.cells?.split(',');
  const isWanted = ({ name, levels }: Cell): boolean =>
    wanted === undefined || wanted.includes(name) || (wanted.includes('core') && levels !== undefined);
  const chosen = cells.filter(isWanted);
  const names = ['core', ...cells.map(({ name }) => name)];
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown !== undefined) fail(`--cells ${unknown}: expected some of ${names.join(', ')}`);
  const chosenSeeds = options.seeds?.split(',').map((seed) => count('seeds', seed)) ?? seeds;
  return chosenSeeds.flatMap((seed) => chosen.map((cell) => ({ cell, seed })));
}

/** A process that does one job at a time; made anew when it dies. */
class Worker {
  #child: ChildProcess | undefined;

  async do<Result>(job: Job): Promise<Result> {
    this.#child ??= fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), {
      execArgv: ['--import', new URL('../typescript/loader.mjs', import.meta.url).href],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const child = this.#child;
    return await new Promise<Result>((resolve, reject) => {
      const died = (code: number | null, signal: string | null): void => {
        this.#child = undefined;
        reject(new Error(`its process ended (${signal ?? `exit code ${code}`})`));
      };
      child.once('exit', died);
      child.once('message', (reply: Reply) => {
        child.off('exit', died);
        if ('error' in reply) reject(new Error(reply.error));
        else resolve(reply.result as Result);
      });
      child.send(job);
    });
  }

  end(): void {
    this.#child?.disconnect();
  }
}

function write(file: string, value: unknown): void {
  writeFileSync(`${file}.tmp`, `${JSON.stringify(value)}\n`);
  renameSync(`${file}.tmp`, file);
}

if (positionals[0] === 'run') await run();
else if (positionals[0] === 'report') {
  if (!existsSync(join(options.results, 'start.json')))
    fail(`${options.results} holds no runs; make them with \`node scripts/study.mjs run\``);
  writeReport(options.results, join(root, 'docs', 'results'));
} else {
  say('expected `run` or `report`, see the head of scripts/study.mjs');
  process.exitCode = 2;
}
