#!/usr/bin/env node
/**
 * @file The study: what do token weights, the loss's normalisation, training the vision tower, the reward and the type of question
 * each do, other things equal? Runs the grid of recipes/study on several processes, and writes docs/results/study.md.
 *
 *   node scripts/study.mjs run [--processes 2] [--cells core,weights-std] [--seeds 1,2] [--steps 100] [--model assets/cold-start]
 *   node scripts/study.mjs report
 *
 * A finished run is one file in docs/results/study; what is there is not run again, so the same command goes on after a stop. Remove
 * a file to repeat its run.
 */
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine, machine } from '../bench/harness.mjs';
import { readGrid } from './study/grid.mjs';

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

async function run() {
  const grid = readGrid();
  const jobs = chosenJobs(grid);
  const resultOf = ({ cell, seed }) => join(options.results, `${cell.name}-s${seed}.json`);
  const open = jobs.filter((job) => !existsSync(resultOf(job)));
  say(`${jobs.length} runs, ${jobs.length - open.length} of them done`);
  mkdirSync(options.results, { recursive: true });
  const { prepareData } = await import('./study/data.mjs');
  const kinds = options.kinds.split(',');
  const data = await prepareData(options.work, { kinds, held_out: Number(options['held-out']) });
  const { sets, ...common } = data;
  const steps = options.steps === undefined ? {} : { max_steps: Number(options.steps) };

  const startFile = join(options.results, 'start.json');
  if (!existsSync(startFile)) {
    const worker = new Worker();
    const { prompt_template, max_frames, max_pixels } = grid.base;
    const keys = { prompt_template, max_frames, max_pixels };
    const start = await worker.do({
      ...common,
      model: options.model,
      keys,
      folder: join(options.work, 'start'),
      seed: 1,
    });
    worker.end();
    write(startFile, { kinds, ...start });
  }

  const { commit, ...where } = machine();
  write(join(options.results, 'about.json'), {
    machine: describeMachine({ ...where, commit }).split('\n')[0],
    commit,
    model: relative(root, options.model),
  });

  let [failed, done] = [0, 0];
  const began = Date.now();
  await Promise.all(
    Array.from({ length: Number(options.processes) }, async () => {
      const worker = new Worker();
      for (let job = open.shift(); job !== undefined; job = open.shift()) {
        const { cell, seed } = job;
        const values = { ...grid.base, ...steps, ...cell.values, jsonl_path: sets[cell.data] };
        try {
          const folder = join(options.work, `${cell.name}-s${seed}`);
          const result = await worker.do({ ...common, model: options.model, values, folder, seed });
          write(resultOf(job), { cell: cell.name, ...cell, seed, ...result });
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

/** Seed by seed, so that a study stopped early has whole seeds. */
function chosenJobs({ cells, seeds }) {
  const wanted = options.cells?.split(',');
  const isWanted = ({ name, levels }) =>
    wanted === undefined || wanted.includes(name) || (wanted.includes('core') && levels !== undefined);
  const chosen = cells.filter(isWanted);
  if (chosen.length === 0)
    throw new Error(`--cells ${options.cells}: there are core, ${cells.map(({ name }) => name).join(', ')}`);
  const chosenSeeds = options.seeds?.split(',').map(Number) ?? seeds;
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
  const { writeReport } = await import('./study/report.mjs');
  writeReport(options.results, join(root, 'docs', 'results'));
} else {
  say('expected `run` or `report`, see the head of scripts/study.mjs');
  process.exitCode = 2;
}
