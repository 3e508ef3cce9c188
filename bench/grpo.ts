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
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from '../src/base/index.ts';
import {
  type About,
  type Agreement,
  type Comparison,
  type CurvePoint,
  type GrpoResult,
  gib,
  type LoadCommand,
  type Measured,
  PHASES,
  type PointSide,
  type Settings,
  type SideFacts,
  type StepCommand,
  type StepRun,
  total,
} from './grpo-figures.ts';
import { type GrpoInputs, MODEL, prepareInputs } from './grpo-inputs.ts';
import { publish } from './grpo-results.ts';
import { availableBytes, describeMachine, machine } from './harness.ts';
import { peerPython } from './peer-python.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
/** Our side takes the types out of its files as this process does. */
const OURS: readonly [program: string, args: readonly string[]] = [
  process.execPath,
  [...process.execArgv, join(HERE, 'grpo-ours.ts')],
];
type SideName = 'peer' | 'peer, ckpt' | 'peer, 5.18' | 'ours' | 'ours, ckpt';
const SIDES: Readonly<
  Record<
    SideName,
    {
      readonly isPeer: boolean;
      readonly step: { readonly vision_in_generate?: string; readonly gradient_checkpointing: boolean };
    }
  >
> = {
  peer: { isPeer: true, step: { vision_in_generate: 'repeated', gradient_checkpointing: false } },
  'peer, ckpt': { isPeer: true, step: { vision_in_generate: 'repeated', gradient_checkpointing: true } },
  'peer, 5.18': { isPeer: true, step: { vision_in_generate: 'once', gradient_checkpointing: false } },
  ours: { isPeer: false, step: { gradient_checkpointing: false } },
  'ours, ckpt': { isPeer: false, step: { gradient_checkpointing: true } },
};
/** Completions all sides score before the measured steps; the tolerance is float32 rounding through the whole model. */
const AGREEMENT = { logps_sum: 1e-5, grad_norm: 1e-3 } as const;

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
} as const;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.publish !== undefined) {
    const results = (values.from ?? '')
      .split(',')
      .map((file) => JSON.parse(readFileSync(file, 'utf8')) as GrpoResult);
    publish(values.publish, Object.assign({}, ...results) as GrpoResult);
    return;
  }
  const settings: Settings = {
    num_generations: Number(values.generations),
    completion_length: Number(values.completion),
    threads: Number(values.threads),
    repeat: Number(values.repeat),
  };
  const clip = values.clip ?? findClip();
  // Without a word to answer it only reads its files: what the compiler needs is not in the memory that is measured.
  spawnSync(OURS[0], OURS[1], { stdio: ['ignore', 'inherit', 'inherit'] });
  const inputs = await prepareInputs(clip);
  const about: About = {
    bench: 'grpo',
    date: new Date().toISOString(),
    machine: machine(),
    seed: MODEL.seed,
  };
  let result: GrpoResult = {};
  const save = () => {
    if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`);
  };
  if (settings.repeat > 0) {
    const compared = await compare(sidesOf(values.sides), inputs, settings);
    result = { compare: { ...about, prepare_s: inputs.prepareS, ...compared } };
    save();
  }
  if (values.curve !== undefined) {
    const points: CurvePoint[] = [];
    const { completion_length } = settings;
    result = { ...result, curve: { ...about, sides: values.curve, completion_length, points } };
    for await (const point of curve(clip, sidesOf(values.curve), settings)) {
      points.push(point);
      save(); // the whole takes a quarter of an hour; what is measured is kept
    }
  }
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${report(result)}\n`);
}

const isSide = (name: string): name is SideName => Object.hasOwn(SIDES, name);

function sidesOf(list: string): SideName[] {
  return list.split(';').map((name) => {
    const side = name.trim();
    if (!isSide(side)) throw new Error(`no side '${side}'; there are: ${Object.keys(SIDES).join('; ')}`);
    return side;
  });
}

/** A name out of a file may be of a side that is no more; it counts as ours. */
const isPeer = (name: string): boolean => isSide(name) && SIDES[name].isPeer;

/** The clip of the shared data folder beside the checkout, where it is. */
function findClip(): string {
  const shared = process.env['TWGRPO_SHARED'] ?? join(HERE, '..', '..', 'shared');
  const names = ['video_12176.mp4', 'clevrer_video_12176.mp4'];
  const found = names.map((name) => join(shared, 'data', 'videos', name)).find((file) => existsSync(file));
  if (found === undefined) throw new Error('which video? give one of about five seconds: --clip FILE');
  return found;
}

// ------------------------------------------------------------------------------------------------- processes

/** A side in its own process, spoken to one JSON line at a time. */
class Side {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #name: SideName;

  constructor(name: SideName) {
    const [program, args] = SIDES[name].isPeer ? [peerPython(), [join(HERE, 'grpo_peer.py')]] : OURS;
    this.#name = name;
    this.#child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 2],
      env: { ...process.env, TRANSFORMERS_VERBOSITY: 'error', HF_HUB_OFFLINE: '1', TQDM_DISABLE: '1' },
    }) as ChildProcessByStdio<Writable, Readable, null>;
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async load({ model, inputs }: GrpoInputs, threads: number): Promise<SideFacts> {
    return (await this.#ask({ do: 'load', model, inputs, threads })) as SideFacts;
  }

  async step(options: Omit<StepCommand, 'do'>): Promise<StepRun> {
    return (await this.#ask({ do: 'step', ...SIDES[this.#name].step, ...options })) as StepRun;
  }

  async #ask(command: LoadCommand | StepCommand): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`side '${this.#name}' ended before it answered ${command.do}`);
    return JSON.parse(value);
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await new Promise((resolve) => this.#child.on('close', resolve));
  }
}

/** All sides in turns; first they must agree, which also warms them up, unless that is too dear. */
async function compare(
  names: readonly SideName[],
  inputs: GrpoInputs,
  settings: Settings,
  { isChecked = true } = {},
): Promise<Comparison> {
  const { num_generations, completion_length, repeat } = settings;
  const sides = new Map(names.map((name) => [name, new Side(name)]));
  try {
    const facts: Record<string, SideFacts> = {};
    for (const [name, side] of sides) facts[name] = await side.load(inputs, settings.threads);
    const agreement = isChecked ? await checkAgreement(sides, settings) : undefined;
    const runs = new Map(names.map((name) => [name, [] as StepRun[]]));
    for (let i = 0; i < repeat; i++) {
      for (const [name, side] of sides) {
        const { completions: _, ...run } = await side.step({ num_generations, completion_length });
        runs.get(name)!.push(run);
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
async function checkAgreement(
  sides: ReadonlyMap<SideName, Side>,
  { num_generations, completion_length }: Settings,
): Promise<Agreement | undefined> {
  const [oursName, ours] = [...sides].find(([name]) => !SIDES[name].isPeer) ?? [...sides][0]!;
  const first = await ours.step({ num_generations, completion_length, update: false });
  if (first.completions === undefined) return undefined;
  const { completions } = first;
  const figures: Record<string, Agreement[string]> = {};
  for (const [name, side] of sides) {
    const run =
      side === ours
        ? first
        : await side.step({ num_generations, completion_length, completions, update: false });
    figures[name] = { loss: run.loss, grad_norm: run.grad_norm, logps_sum: run.logps_sum };
    for (const figure of ['logps_sum', 'grad_norm'] as const) {
      const difference = Math.abs(run[figure] / first[figure] - 1);
      if (!(difference <= AGREEMENT[figure])) {
        throw new Error(
          `the sides do different things: ${figure} of '${name}' is ${run[figure]}, of '${oursName}' ${first[figure]}`,
        );
      }
    }
  }
  return figures;
}

function summary(runs: readonly StepRun[]): Measured {
  const times = runs.map(({ step_s }) => step_s);
  const covered = runs.map(({ phases_s, step_s }) => total(Object.values(phases_s)) / step_s);
  return {
    step_s: median(times),
    fastest_s: Math.min(...times),
    slowest_s: Math.max(...times),
    phases_s: Object.fromEntries(
      PHASES.map((name) => [name, median(runs.map(({ phases_s }) => phases_s[name] ?? 0))]),
    ),
    cpu_s: median(runs.map(({ cpu_s }) => cpu_s)),
    phase_coverage: Math.min(...covered),
    peak_bytes: Math.max(...runs.map(({ peak_bytes }) => peak_bytes)),
  };
}

// ----------------------------------------------------------------------------------------------------- curve

/** Time and memory over the size of the group and over the length of the prompt; one step a point in a process of its own, no warm-up; point by point. */
async function* curve(
  clip: string,
  sides: readonly SideName[],
  settings: Settings,
): AsyncGenerator<CurvePoint> {
  const measure = async (inputs: GrpoInputs, changed: Partial<Settings>): Promise<CurvePoint> => {
    const used = { ...settings, ...changed, repeat: 1 };
    const point: Record<string, PointSide> = {};
    for (const side of sides) {
      // What the peer keeps grows with the tokens; it must not drive the machine out of memory.
      const tokens = used.num_generations * (inputs.promptLength + used.completion_length);
      const need = SIDES[side].isPeer ? tokens * 4e5 : 0;
      if (need > availableBytes() * 0.9) {
        point[side] = { skipped: `needs about ${gib(need)} GiB, ${gib(availableBytes())} are free` };
        continue;
      }
      const { measured } = await compare([side], inputs, used, { isChecked: false });
      const { step_s, peak_bytes } = measured[side]!;
      point[side] = { step_s, peak_bytes };
    }
    return { num_generations: used.num_generations, prompt_length: inputs.promptLength, sides: point };
  };
  const usual = await prepareInputs(clip);
  for (const num_generations of [2, 4, 8, 16, 32]) yield await measure(usual, { num_generations });
  for (const video of [{ max_frames: 4 }, { fps: 4, max_frames: 16 }, { fps: 4, max_frames: 20 }])
    yield await measure(await prepareInputs(clip, video), {});
}

// ---------------------------------------------------------------------------------------------------- report

function report({ compare: result, curve: measured }: GrpoResult): string {
  const lines: string[] = [];
  if (result !== undefined) lines.push(...compareLines(result));
  if (measured !== undefined)
    lines.push(describeMachine(measured.machine), '', ...curveLines(measured.points));
  return lines.join('\n');
}

function compareLines(result: NonNullable<GrpoResult['compare']>): string[] {
  const { settings, facts, measured, machine: where, prepare_s, agreement, seed } = result;
  const { num_generations, completion_length, prompt_length, vision_tokens, threads, repeat } = settings;
  const parameters = Object.values(facts)[0]?.parameters ?? 0;
  const peerFacts = Object.values(facts).find(({ transformers }) => transformers !== undefined);
  const lines = [
    `GRPO step: G = ${num_generations}, ${completion_length} tokens each, prompt ${prompt_length} tokens (${vision_tokens} of video), ` +
      `${(parameters / 1e6).toFixed(1)} M parameters, float32, ${threads} threads, seed ${seed}`,
    describeMachine(where),
    `${peerFacts === undefined ? '' : `torch ${peerFacts.torch}, transformers ${peerFacts.transformers}; `}median of ${repeat}`,
    '',
    `${'side'.padEnd(12)}${'step s'.padStart(9)}${PHASES.map((p) => p.padStart(11)).join('')}${'cpu s'.padStart(9)}${'peak GiB'.padStart(11)}`,
  ];
  for (const [name, { step_s, phases_s, cpu_s, peak_bytes }] of Object.entries(measured)) {
    const cells = PHASES.map((p) => (phases_s[p]?.toFixed(2) ?? '').padStart(11));
    lines.push(
      `${name.padEnd(12)}${step_s.toFixed(2).padStart(9)}${cells.join('')}${cpu_s.toFixed(2).padStart(9)}${gib(peak_bytes).padStart(11)}`,
    );
  }
  lines.push('', 'ratios (peer / ours)            step     memory');
  for (const [ours, own] of Object.entries(measured)) {
    if (isPeer(ours)) continue;
    for (const [peer, other] of Object.entries(measured)) {
      if (!isPeer(peer)) continue;
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

function curveLines(points: readonly CurvePoint[]): string[] {
  const lines = [`   G   prompt  ${'side'.padEnd(12)}   step s   peak GiB`];
  for (const { num_generations: G, prompt_length: P, sides } of points)
    for (const [side, measured] of Object.entries(sides))
      lines.push(
        `${String(G).padStart(4)}${String(P).padStart(9)}  ${side.padEnd(12)}${
          'skipped' in measured
            ? `  ${measured.skipped}`
            : `${measured.step_s.toFixed(2).padStart(9)}${gib(measured.peak_bytes).padStart(11)}`
        }`,
      );
  return lines;
}

await main();
