#!/usr/bin/env node
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
import { fork, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
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
const say = (text) => process.stderr.write(`[study] ${text}\n`);
const fail = (text) => {
  say(text);
  process.exit(2);
};

const bootstrap = spawnSync(process.execPath, [join(root, 'scripts', 'bootstrap.mjs'), '--quiet'], {
  stdio: 'inherit',
});
if (bootstrap.status !== 0) process.exit(bootstrap.status ?? 1);
const { describeMachine, machine } = await import('../bench/harness.mjs');
const { modelFingerprint } = await import('../build/js/eval/index.js');
const { prepareData } = await import('./study/data.mjs');
const { readGrid } = await import('./study/grid.mjs');

function count(name, text = options[name]) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) fail(`--${name} ${text}: expected a whole number above 0`);
  return value;
}

async function run() {
  const grid = readGrid();
  const jobs = chosenJobs(grid);
  const kinds = options.kinds.split(',');
  const [processes, held_out] = [count('processes'), count('held-out')];
  const base = { ...grid.base, ...(options.steps === undefined ? {} : { max_steps: count('steps') }) };
  const resultOf = ({ cell, seed }) => join(options.results, `${cell.name}-s${seed}.json`);
  mkdirSync(options.results, { recursive: true });
  checkSettings({ model: modelFingerprint(options.model), kinds, held_out, base });
  const open = jobs.filter((job) => !existsSync(resultOf(job)));
  say(`${jobs.length} runs, ${jobs.length - open.length} of them done`);
  const { sets, ...common } = await prepareData(options.work, { kinds, held_out });
  const job = { ...common, model: options.model };

  const startFile = join(options.results, 'start.json');
  if (!existsSync(startFile)) {
    const worker = new Worker();
    const folder = join(options.work, 'start');
    const answers = await worker.do({ ...job, isTrained: false, values: base, folder, seed: 1 });
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
        const values = { ...base, ...cell.values, jsonl_path: sets[cell.data] };
        try {
          const folder = join(options.work, `${cell.name}-s${seed}`);
          const result = await worker.do({ ...job, isTrained: true, values, folder, seed });
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
          say(`${cell.name}, seed ${seed} failed: ${error.message}`);
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
function checkSettings(settings) {
  const file = join(options.results, 'about.json');
  if (existsSync(file)) {
    const known = JSON.parse(readFileSync(file, 'utf8')).settings;
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

/** Seed by seed, so that a study stopped early has whole seeds. */
function chosenJobs({ cells, seeds }) {
  const wanted = options.cells?.split(',');
  const isWanted = ({ name, levels }) =>
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
  #child;

  async do(job) {
    this.#child ??= fork(join(root, 'scripts', 'study', 'worker.mjs'), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const child = this.#child;
    return await new Promise((resolve, reject) => {
      const died = (code, signal) => {
        this.#child = undefined;
        reject(new Error(`its process ended (${signal ?? `exit code ${code}`})`));
      };
      child.once('exit', died);
      child.once('message', ({ result, error }) => {
        child.off('exit', died);
        if (error === undefined) resolve(result);
        else reject(new Error(error));
      });
      child.send(job);
    });
  }

  end() {
    this.#child?.disconnect();
  }
}

function write(file, value) {
  writeFileSync(`${file}.tmp`, `${JSON.stringify(value)}\n`);
  renameSync(`${file}.tmp`, file);
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

if (positionals[0] === 'run') await run();
else if (positionals[0] === 'report') {
  if (!existsSync(join(options.results, 'start.json')))
    fail(`${options.results} holds no runs; make them with \`node scripts/study.mjs run\``);
  const { writeReport } = await import('./study/report.mjs');
  writeReport(options.results, join(root, 'docs', 'results'));
} else {
  say('expected `run` or `report`, see the head of scripts/study.mjs');
  process.exitCode = 2;
}
