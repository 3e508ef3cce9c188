/**
 * @file The engine: what the border between JavaScript and C++ costs a call, and whether large products run as fast
 * as in Python's torch.
 *
 *   border: `a.add(b)` on four numbers in a scope, above the same `at::add` in plain C++ (aim: at most 1.5 us)
 *   GEMM:   float32 products, rate against Python in the same run (aim: ratio >= 0.95); by the clock, and by processor
 *           time, which other programs on the machine disturb less (with one thread: waiting threads spin)
 *
 *   npm run bench -- engine [--threads 2] [--json]
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { tableLines } from '../src/base/index.ts';
import {
  _foreach_add_,
  benchDirectAdd,
  cat,
  engineInfo,
  Generator,
  noGrad,
  ones,
  randn,
  scope,
  setNumThreads,
} from '../src/tensor/index.ts';
import {
  describeMachine,
  enginePython,
  inTurns,
  machine,
  pairs,
  pause,
  root,
  type Summary,
  summary,
} from './harness.ts';

// Short turns and many of them: on a busy machine most still run undisturbed, and the median is of those.
const CALLS = 200;
const CALL_ROUNDS = 301;
const GEMM_SIZES = [512, 1024, 2048];
const GEMM_ROUNDS = 25;
const GEMM_TURN_S = 0.1;

interface Answers {
  readonly versions: { readonly torch: string; readonly python: string };
  readonly threads: { readonly threads: number };
  readonly gemm: { readonly seconds: number; readonly processor_seconds: number };
  readonly call: { readonly seconds: number };
}

interface Peer {
  readonly ask: <Kind extends keyof Answers>(request: object) => Promise<Answers[Kind]>;
  readonly versions: Answers['versions'];
  readonly stop: () => void;
}

/** Python's torch as a child that answers one request at a time, or why there is none. */
async function startPeer(): Promise<Peer | { readonly problem: string }> {
  const python = process.env['TWGRPO_BENCH_PYTHON'] ?? enginePython();
  if (python === undefined) return { problem: 'set-up found no Python; set TWGRPO_BENCH_PYTHON' };
  if (!existsSync(python)) return { problem: `${python} does not exist` };
  const child = spawn(python, [path.join(root, 'bench', 'engine_peer.py')], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.on('error', () => {}); // it ended: the missing answer says so
  const ask: Peer['ask'] = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error(errors.trim().split('\n').at(-1) || 'it ended without a word');
    return JSON.parse(value);
  };
  try {
    return { ask, versions: await ask<'versions'>({ do: 'versions' }), stop: () => child.stdin.end() };
  } catch (error) {
    return { problem: `${python} can't import torch: ${error instanceof Error ? error.message : error}` };
  }
}

const seconds = (body: () => void): number => {
  const start = process.hrtime.bigint();
  body();
  return Number(process.hrtime.bigint() - start) / 1e9;
};

interface Times {
  readonly wall: number;
  readonly processor: number;
}

/** Wall and processor seconds of `count` runs, each divided by `count`. */
function timed(body: () => void, count: number): Times {
  const before = process.cpuUsage();
  const wall = seconds(() => {
    for (let i = 0; i < count; i++) body();
  });
  const { user, system } = process.cpuUsage(before);
  return { wall: wall / count, processor: (user + system) / 1e6 / count };
}

type SmallCall =
  | 'add, C++ only'
  | 'add'
  | 'add, a scope each'
  | 'matmul 4x4'
  | '_foreach_add_ of 8'
  | 'cat of 8';

/** Small calls, in seconds a call, by name. */
function smallCalls(): Record<SmallCall, () => number> {
  const [a, b, m] = [ones([4]), ones([4]), ones([4, 4])];
  const parts = Array.from({ length: 8 }, () => ones([4]));
  const repeat = (body: () => unknown) => (): number =>
    seconds(() =>
      scope(() => {
        for (let i = 0; i < CALLS; i++) body();
      }),
    ) / CALLS;
  return {
    'add, C++ only': () => benchDirectAdd(4, CALLS) / 1e9,
    add: repeat(() => a.add(b)),
    'add, a scope each': repeat(() => scope(() => void a.add(b))),
    'matmul 4x4': repeat(() => m.matmul(m)),
    '_foreach_add_ of 8': repeat(() => _foreach_add_(parts, 1)),
    'cat of 8': repeat(() => cat(parts)),
  };
}

/** The cases that the peer runs too. */
const peerNames = {
  add: 'add',
  'matmul 4x4': 'matmul',
  '_foreach_add_ of 8': 'foreach_add',
  'cat of 8': 'cat',
};

async function measureCalls(peer: Peer | undefined): Promise<{
  readonly calls: readonly { readonly name: string; readonly seconds: Summary }[];
  readonly border_seconds: Summary;
}> {
  const sides: Record<string, () => number | Promise<number>> & ReturnType<typeof smallCalls> = smallCalls();
  if (peer !== undefined)
    for (const [name, request] of Object.entries(peerNames))
      sides[`python ${name}`] = async () => (await peer.ask<'call'>({ do: request, count: CALLS })).seconds;
  const values = await inTurns(sides, CALL_ROUNDS);
  const calls = Object.entries(values).map(([name, times]) => ({ name, seconds: summary(times) }));
  const border = pairs(values['add']!, values['add, C++ only']!, (ours, direct) => ours - direct);
  return { calls, border_seconds: border };
}

interface Product {
  readonly size: number;
  readonly ours_gflops: Summary;
  /** Absent without a peer, like those below. */
  readonly peer_gflops?: Summary;
  readonly ratio?: Summary;
  readonly ratio_of_best?: number;
  readonly ratio_of_processor_time?: Summary;
}

async function measureGemm(peer: Peer | undefined): Promise<Product[]> {
  const products: Product[] = [];
  for (const size of GEMM_SIZES) {
    const x = randn([size, size], { generator: new Generator(size) });
    const turn = (count: number): Times =>
      noGrad(() => {
        scope(() => x.matmul(x)).dispose(); // wakes the threads
        return timed(() => scope(() => void x.matmul(x)), count);
      });
    const count = Math.max(1, Math.round(GEMM_TURN_S / turn(2).wall));
    // The threads of the side that just ran spin for a moment before they sleep.
    const sides: Record<string, () => Promise<Times>> = {
      ours: async () => {
        await pause(20);
        return turn(count);
      },
    };
    if (peer !== undefined)
      sides['peer'] = async () => {
        await pause(20);
        const { seconds: wall, processor_seconds: processor } = await peer.ask<'gemm'>({
          do: 'gemm',
          size,
          count,
        });
        return { wall, processor };
      };
    const turns = await inTurns(sides, GEMM_ROUNDS);
    const rate = (wall: readonly number[]): Summary =>
      summary(wall.map((time) => (2 * size ** 3) / time / 1e9));
    const clock = (side: string, name: keyof Times): number[] => turns[side]!.map((times) => times[name]);
    const ours = clock('ours', 'wall');
    const other = peer === undefined ? undefined : clock('peer', 'wall');
    products.push({
      size,
      ours_gflops: rate(ours),
      ...(other !== undefined && {
        peer_gflops: rate(other),
        ratio: pairs(other, ours),
        ratio_of_best: Math.min(...other) / Math.min(...ours),
        ratio_of_processor_time: pairs(clock('peer', 'processor'), clock('ours', 'processor')),
      }),
    });
    x.dispose();
  }
  return products;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, threads: { type: 'string', default: '2' } },
  });
  const numThreads = Number(values.threads);
  const log = (text: string): void => {
    if (!values.json) process.stdout.write(`${text}\n`);
  };
  const where = machine();
  log(describeMachine(where));
  const started = await startPeer();
  const peer = 'problem' in started ? undefined : started;
  setNumThreads(numThreads);
  await peer?.ask<'threads'>({ do: 'threads', count: numThreads });
  const { torch_version, cpu_capability } = engineInfo();
  log(`libtorch ${torch_version} (${cpu_capability}), ${numThreads} threads`);
  log(
    'problem' in started
      ? `no peer: ${started.problem}`
      : `peer: torch ${started.versions.torch}, Python ${started.versions.python}`,
  );
  const measured = {
    ...(await measureCalls(peer)),
    gemm: await measureGemm(peer),
    peer: 'problem' in started ? { problem: started.problem } : started.versions,
  };
  peer?.stop();
  log(`\n${describe(measured)}`);
  const report = {
    benchmark: 'engine',
    machine: where,
    torch_version,
    cpu_capability,
    num_threads: numThreads,
  };
  if (values.json) process.stdout.write(`${JSON.stringify({ ...report, ...measured })}\n`);
}

function describe({
  calls,
  border_seconds,
  gemm,
  peer,
}: Awaited<ReturnType<typeof measureCalls>> & {
  readonly gemm: readonly Product[];
  readonly peer: Answers['versions'] | { readonly problem: string };
}): string {
  const us = (value: number): string => (value * 1e6).toFixed(2);
  const gf = (value: number): string => value.toFixed(1);
  const ratioText = (value: number): string => value.toFixed(3);
  const spread = (of: Summary | undefined, format: (value: number) => string): string[] =>
    of === undefined ? ['', '', ''] : [of.median, of.min, of.max].map(format);
  const parts = [
    ...tableLines(
      ['small calls, us a call', 'median', 'min', 'max'],
      [
        ...calls.map(({ name, seconds: times }) => [name, ...spread(times, us)]),
        ['add above C++', ...spread(border_seconds, us)],
      ],
    ),
    `aim: add at most 1.5 us above C++; median ${us(border_seconds.median)} us`,
    '',
    ...tableLines(
      [
        ...['float32 product, GFLOP/s', 'ours', 'min', 'max', 'python', 'min', 'max'],
        ...['ratio', 'min', 'max', 'best/best', 'processor'],
      ],
      gemm.map(({ size, ours_gflops, peer_gflops, ratio, ratio_of_best, ratio_of_processor_time }) => [
        `${size} x ${size}`,
        ...spread(ours_gflops, gf),
        ...spread(peer_gflops, gf),
        ...spread(ratio, ratioText),
        ratio_of_best === undefined ? '' : ratioText(ratio_of_best),
        spread(ratio_of_processor_time, ratioText)[0]!,
      ]),
    ),
    'problem' in peer ? `no peer: ${peer.problem}` : 'aim: ratio (ours / Python) at least 0.95',
  ];
  return parts.join('\n');
}

await main();
