/**
 * @file One GRPO training step, ours against PyTorch + transformers doing what the authors' trainer does.
 *
 *   npm run bench -- grpo [--clip FILE] [--repeat 3] [--threads 2] [--json] [--out FILE]
 *   npm run bench -- grpo --repeat 0 --curve 'peer;ours' --out FILE     time and memory over G and the prompt length
 *   npm run bench -- grpo --publish docs/results --from FILE,FILE       page and figure out of such files
 *
 * Same weights, same clip, same G, prompt and number of tokens (no early stop), same loss. Each side and setting runs in a
 * process of its own, so that the kernel's peak of resident memory belongs to it; repetitions take turns, so that a change
 * in the machine's speed meets all alike. Before the measured steps all sides score the same completions: their losses,
 * gradient norms and log-probabilities must agree, or nothing is reported.
 *
 * Decoding and cutting into patches happen once, before the steps, for all sides: their cost is shown, it is part of none.
 *
 * Sides:
 *   peer            vision encoded G times in generation and in scoring (as the authors ran it), no recomputation
 *   peer, ckpt      the same with gradient checkpointing, as the authors set it: less memory, more time
 *   peer, 5.18      no recomputation, and `generate` as transformers 5.18 runs it by itself: the video is encoded once there
 *   ours            everything autograd needs is kept
 *   ours, ckpt      with gradient checkpointing
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MODEL, prepareInputs } from './grpo_inputs.mjs';
import { publish } from './grpo_results.mjs';
import { describeMachine, machine } from './harness.mjs';
import { peerPython } from './peer_python.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const SIDES = {
  peer: { isPeer: true, step: { vision_in_generate: 'repeated', gradient_checkpointing: false } },
  'peer, ckpt': { isPeer: true, step: { vision_in_generate: 'repeated', gradient_checkpointing: true } },
  'peer, 5.18': { isPeer: true, step: { vision_in_generate: 'once', gradient_checkpointing: false } },
  ours: { isPeer: false, step: { gradient_checkpointing: false } },
  'ours, ckpt': { isPeer: false, step: { gradient_checkpointing: true } },
};
/** Completions all sides score before the measured steps; the tolerance is float32 rounding through the whole model. */
const AGREEMENT = { logps_sum: 1e-5, grad_norm: 1e-3 };

const OPTIONS = {
  clip: { type: 'string' },
  generations: { type: 'string', default: '8' },
  completion: { type: 'string', default: '200' },
  threads: { type: 'string', default: '2' },
  repeat: { type: 'string', default: '3' },
  sides: { type: 'string', default: Object.keys(SIDES).join(';') },
  curve: { type: 'string' },
  json: { type: 'boolean', default: false },
  out: { type: 'string' },
  publish: { type: 'string' },
  from: { type: 'string' },
};

export async function main(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.publish !== undefined) {
    const results = (values.from ?? '').split(',').map((file) => JSON.parse(readFileSync(file, 'utf8')));
    publish(values.publish, Object.assign({}, ...results));
    return;
  }
  const settings = {
    num_generations: Number(values.generations),
    completion_length: Number(values.completion),
    threads: Number(values.threads),
    repeat: Number(values.repeat),
  };
  const clip = values.clip ?? findClip();
  const inputs = await prepareInputs(clip);
  const about = { bench: 'grpo', date: new Date().toISOString(), machine: machine(), seed: MODEL.seed };
  const result = {};
  const save = () => {
    if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`);
  };
  if (settings.repeat > 0) {
    result.compare = await compareAll(values.sides, inputs, settings, about);
    save();
  }
  if (values.curve !== undefined) {
    result.curve = {
      ...about,
      sides: values.curve,
      completion_length: settings.completion_length,
      points: [],
    };
    for await (const point of curve(clip, sidesOf(values.curve), settings)) {
      result.curve.points.push(point);
      save(); // the whole takes a quarter of an hour; what is measured is kept
    }
  }
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${report(result)}\n`);
}

function sidesOf(list) {
  const sides = list.split(';').map((side) => side.trim());
  for (const side of sides)
    if (!(side in SIDES)) throw new Error(`no side '${side}'; there are: ${Object.keys(SIDES).join('; ')}`);
  return sides;
}

async function compareAll(list, inputs, settings, about) {
  return { ...about, prepare_s: inputs.prepareS, ...(await compare(sidesOf(list), inputs, settings)) };
}

/** The clip of the shared data folder beside the checkout, where it is. */
function findClip() {
  const shared = process.env.TWGRPO_SHARED ?? join(HERE, '..', '..', 'shared');
  const names = ['video_12176.mp4', 'clevrer_video_12176.mp4'];
  const found = names.map((name) => join(shared, 'data', 'videos', name)).find((file) => existsSync(file));
  if (found === undefined) throw new Error('which video? give one of about five seconds: --clip FILE');
  return found;
}

// ------------------------------------------------------------------------------------------------- processes

/** A side in its own process, spoken to one JSON line at a time. */
class Side {
  #child;
  #lines;
  #name;
  #step;

  constructor(name) {
    const { isPeer, step } = SIDES[name];
    const [program, script] = isPeer
      ? [peerPython(), join(HERE, 'grpo_peer.py')]
      : [process.execPath, join(HERE, 'grpo_ours.mjs')];
    this.#name = name;
    this.#step = step;
    this.#child = spawn(program, [script], {
      stdio: ['pipe', 'pipe', 2],
      env: { ...process.env, TRANSFORMERS_VERBOSITY: 'error', HF_HUB_OFFLINE: '1', TQDM_DISABLE: '1' },
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async load({ model, inputs }, { threads }) {
    return await this.#ask({ do: 'load', model, inputs, threads });
  }

  async step(options) {
    return await this.#ask({ do: 'step', ...this.#step, ...options });
  }

  async #ask(command) {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`side '${this.#name}' ended before it answered ${command.do}`);
    return JSON.parse(value);
  }

  async end() {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await new Promise((resolve) => this.#child.on('close', resolve));
  }
}

/** All sides in turns; first they must agree, which also warms them up, unless that is too dear. */
async function compare(names, inputs, settings, { isChecked = true } = {}) {
  const { num_generations, completion_length, repeat } = settings;
  const sides = new Map(names.map((name) => [name, new Side(name)]));
  try {
    const facts = {};
    for (const [name, side] of sides) facts[name] = await side.load(inputs, settings);
    const agreement = isChecked ? await checkAgreement(sides, settings) : undefined;
    const runs = new Map(names.map((name) => [name, []]));
    for (let i = 0; i < repeat; i++) {
      for (const [name, side] of sides) {
        const { completions: _, ...run } = await side.step({ num_generations, completion_length });
        runs.get(name).push(run);
        process.stderr.write(`[bench] ${name}: ${run.step_s.toFixed(2)} s\n`);
      }
    }
    const measured = Object.fromEntries([...runs].map(([name, list]) => [name, summary(list)]));
    return {
      settings: { ...settings, prompt_length: inputs.promptLength, vision_tokens: inputs.visionTokens },
      facts,
      agreement,
      measured,
    };
  } finally {
    for (const side of sides.values()) await side.end();
  }
}

/** Warm-up and proof of equal work: all sides score completions that ours generated. */
async function checkAgreement(sides, { num_generations, completion_length }) {
  const ours = [...sides].find(([name]) => !SIDES[name].isPeer) ?? [...sides][0];
  const first = await ours[1].step({ num_generations, completion_length, update: false });
  if (first.completions === undefined) return undefined;
  const { completions } = first;
  const figures = {};
  for (const [name, side] of sides) {
    const run =
      side === ours[1]
        ? first
        : await side.step({ num_generations, completion_length, completions, update: false });
    figures[name] = { loss: run.loss, grad_norm: run.grad_norm, logps_sum: run.logps_sum };
    for (const [figure, tolerance] of Object.entries(AGREEMENT)) {
      const difference = Math.abs(run[figure] / first[figure] - 1);
      if (!(difference <= tolerance)) {
        throw new Error(
          `the sides do different things: ${figure} of '${name}' is ${run[figure]}, of '${ours[0]}' ${first[figure]}`,
        );
      }
    }
  }
  return figures;
}

const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

function summary(runs) {
  const times = runs.map(({ step_s }) => step_s);
  const names = Object.keys(runs[0].phases_s);
  const medians = (key) =>
    Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[key][name]))]));
  const covered = runs.map(
    ({ phases_s, step_s }) => Object.values(phases_s).reduce((a, b) => a + b) / step_s,
  );
  return {
    step_s: median(times),
    fastest_s: Math.min(...times),
    slowest_s: Math.max(...times),
    phases_s: medians('phases_s'),
    /** Of all threads; on a busy machine steadier than the wall clock. */
    phases_cpu_s: medians('phases_cpu_s'),
    phase_coverage: Math.min(...covered),
    peak_bytes: Math.max(...runs.map(({ peak_bytes }) => peak_bytes)),
  };
}

// ----------------------------------------------------------------------------------------------------- curve

/** Time and memory over the size of the group and over the length of the prompt; one step a point in a process of its own, no warm-up; point by point. */
async function* curve(clip, sides, settings) {
  const measure = async (inputs, changed) => {
    const used = { ...settings, ...changed, repeat: 1 };
    const point = { num_generations: used.num_generations, prompt_length: inputs.promptLength };
    for (const side of sides) {
      // What the peer keeps grows with the tokens; it must not drive the machine out of memory.
      const tokens = used.num_generations * (inputs.promptLength + used.completion_length);
      const need = SIDES[side].isPeer ? tokens * 4e5 : 0;
      if (need > availableBytes() * 0.9) {
        point[side] = { skipped: `needs about ${gib(need)} GiB, ${gib(availableBytes())} are free` };
        continue;
      }
      const { measured } = await compare([side], inputs, used, { isChecked: false });
      point[side] = { step_s: measured[side].step_s, peak_bytes: measured[side].peak_bytes };
    }
    return point;
  };
  const usual = await prepareInputs(clip);
  for (const num_generations of [2, 4, 8, 16, 32]) yield await measure(usual, { num_generations });
  for (const video of [{ max_frames: 4 }, { fps: 4, max_frames: 16 }, { fps: 4, max_frames: 20 }])
    yield await measure(await prepareInputs(clip, { video }), {});
}

function availableBytes() {
  return Number(/MemAvailable:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))[1]) * 1024;
}

// ---------------------------------------------------------------------------------------------------- report

const gib = (bytes) => (bytes / 2 ** 30).toFixed(2);

function report({ compare: result, curve: measured }) {
  const lines = [];
  if (result !== undefined) lines.push(...compareLines(result));
  if (measured !== undefined)
    lines.push(describeMachine(measured.machine), '', ...curveLines(measured.points));
  return lines.join('\n');
}

function compareLines({ settings, facts, measured, machine: where, prepare_s, agreement, seed }) {
  const { num_generations, completion_length, prompt_length, vision_tokens, threads, repeat } = settings;
  const [someFacts] = Object.values(facts);
  const peerFacts = Object.values(facts).find(({ transformers }) => transformers !== undefined);
  const phases = ['encode', 'generate', 'forward', 'loss', 'backward', 'optimizer'];
  const lines = [
    `GRPO step: G = ${num_generations}, ${completion_length} tokens each, prompt ${prompt_length} tokens (${vision_tokens} of video), ` +
      `${(someFacts.parameters / 1e6).toFixed(1)} M parameters, float32, ${threads} threads, seed ${seed}`,
    describeMachine(where),
    `${peerFacts === undefined ? '' : `torch ${peerFacts.torch}, transformers ${peerFacts.transformers}; `}median of ${repeat}`,
    '',
    `${'side'.padEnd(12)}${'step s'.padStart(9)}${phases.map((p) => p.padStart(11)).join('')}${'cpu s'.padStart(9)}${'peak GiB'.padStart(11)}`,
  ];
  for (const [name, { step_s, phases_s, phases_cpu_s, peak_bytes }] of Object.entries(measured)) {
    const cpu = Object.values(phases_cpu_s).reduce((a, b) => a + b);
    const cells = phases.map((p) => (phases_s[p] === undefined ? '' : phases_s[p].toFixed(2)).padStart(11));
    lines.push(
      `${name.padEnd(12)}${step_s.toFixed(2).padStart(9)}${cells.join('')}${cpu.toFixed(2).padStart(9)}${gib(peak_bytes).padStart(11)}`,
    );
  }
  lines.push('', 'ratios (peer / ours)            step     memory');
  for (const [ours, own] of Object.entries(measured)) {
    if (SIDES[ours].isPeer) continue;
    for (const [peer, other] of Object.entries(measured)) {
      if (!SIDES[peer].isPeer) continue;
      const step = `${(other.step_s / own.step_s).toFixed(1)}x`;
      const memory = `${(other.peak_bytes / own.peak_bytes).toFixed(1)}x`;
      lines.push(`${`${peer} / ${ours}`.padEnd(27)}${step.padStart(9)}${memory.padStart(11)}`);
    }
  }
  const coverage = Math.min(...Object.values(measured).map(({ phase_coverage }) => phase_coverage));
  lines.push(
    '',
    `phases account for at least ${(coverage * 100).toFixed(1)} % of every step`,
    `once, in no step: decoding ${prepare_s.decode.toFixed(2)} s, patches ${prepare_s.processor.toFixed(2)} s`,
  );
  if (agreement !== undefined) {
    lines.push('same completions scored by all sides:');
    for (const [name, { loss, grad_norm, logps_sum }] of Object.entries(agreement)) {
      lines.push(
        `  ${name.padEnd(12)} loss ${loss.toExponential(3)}, gradient norm ${grad_norm.toFixed(6)}, sum of log-probabilities ${logps_sum.toFixed(4)}`,
      );
    }
  }
  return lines;
}

function curveLines(points) {
  const lines = [`   G   prompt  ${'side'.padEnd(12)}   step s   peak GiB`];
  for (const { num_generations: G, prompt_length: P, ...sides } of points)
    for (const [side, { skipped, step_s, peak_bytes }] of Object.entries(sides))
      lines.push(
        `${String(G).padStart(4)}${String(P).padStart(9)}  ${side.padEnd(12)}${
          skipped === undefined
            ? `${step_s.toFixed(2).padStart(9)}${gib(peak_bytes).padStart(11)}`
            : `  ${skipped}`
        }`,
      );
  return lines;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
