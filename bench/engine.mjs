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
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  describeMachine,
  engineFile,
  inTurns,
  machine,
  pairs,
  pause,
  root,
  summary,
  table,
} from './harness.mjs';

// Short turns and many of them: on a busy machine most still run undisturbed, and the median is of those.
const CALLS = 200;
const CALL_ROUNDS = 301;
const GEMM_SIZES = [512, 1024, 2048];
const GEMM_ROUNDS = 25;
const GEMM_TURN_S = 0.1;

/** Python's torch as a child that answers one request at a time, or why there is none. */
async function startPeer() {
  const python = process.env.TWGRPO_BENCH_PYTHON ?? engineFile().python;
  if (!python) return { problem: 'build/engine.json names no Python; set TWGRPO_BENCH_PYTHON' };
  if (!existsSync(python)) return { problem: `${python} does not exist` };
  const child = spawn(python, [path.join(root, 'bench', 'engine_peer.py')], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.on('error', () => {}); // it ended: the missing answer says so
  const ask = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error(errors.trim().split('\n').at(-1) || 'it ended without a word');
    return JSON.parse(value);
  };
  try {
    return { ask, versions: await ask({ do: 'versions' }), stop: () => child.stdin.end() };
  } catch (error) {
    return { problem: `${python} can't import torch: ${error.message}` };
  }
}

const seconds = (body) => {
  const start = process.hrtime.bigint();
  body();
  return Number(process.hrtime.bigint() - start) / 1e9;
};

/** Wall and processor seconds of `count` runs, each divided by `count`. */
function timed(body, count) {
  const before = process.cpuUsage();
  const wall = seconds(() => {
    for (let i = 0; i < count; i++) body();
  });
  const { user, system } = process.cpuUsage(before);
  return { wall: wall / count, processor: (user + system) / 1e6 / count };
}

/** Small calls, in seconds a call, by name. */
function smallCalls(engine) {
  const { ones, scope, _foreach_add_, cat, benchDirectAdd } = engine;
  const [a, b, m] = [ones([4]), ones([4]), ones([4, 4])];
  const parts = Array.from({ length: 8 }, () => ones([4]));
  const repeat = (body) => () =>
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

/** Which of them the peer does too. */
const peerNames = {
  add: 'add',
  'matmul 4x4': 'matmul',
  '_foreach_add_ of 8': 'foreach_add',
  'cat of 8': 'cat',
};

async function measureCalls(engine, peer) {
  const sides = smallCalls(engine);
  for (const [name, request] of Object.entries(peerNames))
    if (peer.ask)
      sides[`python ${name}`] = async () => (await peer.ask({ do: request, count: CALLS })).seconds;
  const values = await inTurns(sides, CALL_ROUNDS);
  const calls = Object.entries(values).map(([name, times]) => ({ name, seconds: summary(times) }));
  const border = pairs(values.add, values['add, C++ only'], (ours, direct) => ours - direct);
  return { calls, border_seconds: border };
}

async function measureGemm(engine, peer) {
  const { Generator, noGrad, randn, scope } = engine;
  const products = [];
  for (const size of GEMM_SIZES) {
    const x = randn([size, size], { generator: new Generator(size) });
    const turn = (count) =>
      noGrad(() => {
        scope(() => x.matmul(x)).dispose(); // wakes the threads
        return timed(() => scope(() => void x.matmul(x)), count);
      });
    const count = Math.max(1, Math.round(GEMM_TURN_S / turn(2).wall));
    // The threads of the side that just ran spin for a moment before they sleep.
    const sides = {
      ours: async () => {
        await pause(20);
        return turn(count);
      },
    };
    if (peer.ask)
      sides.peer = async () => {
        await pause(20);
        const { seconds: wall, processor_seconds: processor } = await peer.ask({ do: 'gemm', size, count });
        return { wall, processor };
      };
    const turns = await inTurns(sides, GEMM_ROUNDS);
    const [values, processor] = ['wall', 'processor'].map((clock) =>
      Object.fromEntries(Object.entries(turns).map(([side, times]) => [side, times.map((t) => t[clock])])),
    );
    const rate = (times) => summary(times.map((time) => (2 * size ** 3) / time / 1e9));
    products.push({
      size,
      ours_gflops: rate(values.ours),
      ...(peer.ask && {
        peer_gflops: rate(values.peer),
        ratio: pairs(values.peer, values.ours),
        ratio_of_best: Math.min(...values.peer) / Math.min(...values.ours),
        ratio_of_processor_time: pairs(processor.peer, processor.ours),
      }),
    });
    x.dispose();
  }
  return products;
}

export async function main(args) {
  const { values } = parseArgs({
    args,
    options: { json: { type: 'boolean', default: false }, threads: { type: 'string', default: '2' } },
  });
  const numThreads = Number(values.threads);
  const log = (text) => values.json || process.stdout.write(`${text}\n`);
  const where = machine();
  log(describeMachine(where));
  const engine = await import(path.join(root, 'build', 'js', 'tensor', 'index.js'));
  const peer = await startPeer();
  engine.setNumThreads(numThreads);
  await peer.ask?.({ do: 'threads', count: numThreads });
  const { torch_version, cpu_capability } = engine.engineInfo();
  log(`libtorch ${torch_version} (${cpu_capability}), ${numThreads} threads`);
  log(
    peer.ask
      ? `peer: torch ${peer.versions.torch}, Python ${peer.versions.python}`
      : `no peer: ${peer.problem}`,
  );
  const measured = {
    ...(await measureCalls(engine, peer)),
    gemm: await measureGemm(engine, peer),
    peer: peer.ask ? peer.versions : { problem: peer.problem },
  };
  peer.stop?.();
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

function describe({ calls, border_seconds, gemm, peer }) {
  const us = (value) => (value * 1e6).toFixed(2);
  const gf = (value) => value.toFixed(1);
  const spread = ({ median, min, max }, format) => [format(median), format(min), format(max)];
  const parts = [
    table([
      ['small calls, us a call', 'median', 'min', 'max'],
      ...calls.map(({ name, seconds: times }) => [name, ...spread(times, us)]),
      ['add above C++', ...spread(border_seconds, us)],
    ]),
    `aim: add at most 1.5 us above C++; median ${us(border_seconds.median)} us`,
    '',
    table([
      [
        'float32 product, GFLOP/s',
        'ours',
        'min',
        'max',
        'python',
        'min',
        'max',
        'ratio',
        'min',
        'max',
        'best/best',
        'processor',
      ],
      ...gemm.map(({ size, ours_gflops, peer_gflops, ratio, ratio_of_best, ratio_of_processor_time }) => [
        `${size} x ${size}`,
        ...spread(ours_gflops, gf),
        ...(peer_gflops
          ? [
              ...spread(peer_gflops, gf),
              ...spread(ratio, (r) => r.toFixed(3)),
              ratio_of_best.toFixed(3),
              ratio_of_processor_time.median.toFixed(3),
            ]
          : []),
      ]),
    ]),
    peer.problem ? `no peer: ${peer.problem}` : 'aim: ratio (ours / Python) at least 0.95',
  ];
  return parts.join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
