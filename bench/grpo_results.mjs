/** @file Makes docs/results/grpo-step.md and its figure out of what `npm run bench -- grpo --out FILE` measured. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { COLORS, lineChart } from '../scripts/line-chart.mjs';
import { describeMachine } from './harness.mjs';

const gib = (bytes) => bytes / 2 ** 30;
const row = (cells) => `| ${cells.join(' | ')} |`;
const PHASES = ['encode', 'generate', 'forward', 'loss', 'backward', 'optimizer'];
const ABOUT = {
  peer: 'PyTorch + transformers, video and prompt G times, as the authors ran it',
  'peer, ckpt': 'the same with gradient checkpointing, as the authors set it',
  'peer, 5.18': 'the same, video encoded once in `generate`, as transformers 5.18 does by itself',
  ours: 'twgrpo, everything autograd needs is kept',
  'ours, ckpt': 'twgrpo with gradient checkpointing',
};

/** @param {string} folder @param {{ compare: object, curve: object }} results */
export function publish(folder, { compare, curve }) {
  const { settings, measured, facts, agreement, seed, machine, date } = compare;
  const peers = Object.keys(measured).filter((name) => name.startsWith('peer'));
  const ours = Object.keys(measured).filter((name) => name.startsWith('ours'));
  const { torch, transformers } = facts[peers[0]];
  const seconds = (value) => (value === undefined ? '' : value.toFixed(2));
  const page = [
    '# One GRPO step, measured',
    '',
    'Written by `npm run bench -- grpo --publish docs/results --from ...` out of the measurements themselves.',
    '',
    `One training step of TW-GRPO (the authors' loss, gradient through the weights) on one prompt: G = ${settings.num_generations} completions of`,
    `${settings.completion_length} tokens, ${settings.prompt_length} prompt tokens, ${settings.vision_tokens} of them a real CLEVRER clip; a model of`,
    `${(facts[peers[0]].parameters / 1e6).toFixed(1)} M parameters in Qwen2.5-VL's form, random weights of seed ${seed}; float32, ${settings.threads} threads. Both sides load the same folder, see the same`,
    'pixels and sample the same number of tokens without an early end. The peer is `bench/grpo_peer.py`; what it leaves out in its own favour stands in its header.',
    '',
    '```sh',
    'export TWGRPO_BENCH_PYTHON=python3   # one with torch and transformers; without it the benchmark makes its own',
    `npm run bench -- grpo --clip video_12176.mp4 --sides '${Object.keys(measured).join(';')}' --repeat ${settings.repeat}`,
    ...(curve === undefined
      ? []
      : [
          `npm run bench -- grpo --clip video_12176.mp4 --repeat 0 --curve '${curve.sides}' --completion ${curve.completion_length}`,
        ]),
    '```',
    '',
    `${describeMachine(machine).replaceAll('\n', '; ')}; torch ${torch}, transformers ${transformers}; ${date.slice(0, 10)}; median of ${settings.repeat} turns, all sides in turns.`,
    '',
    row(['side', 'step s', ...PHASES, 'peak GiB']),
    row(['---', '---:', ...PHASES.map(() => '---:'), '---:']),
    ...Object.entries(measured).map(([name, { step_s, phases_s, peak_bytes }]) =>
      row([
        name,
        seconds(step_s),
        ...PHASES.map((phase) => seconds(phases_s[phase])),
        gib(peak_bytes).toFixed(2),
      ]),
    ),
    '',
    ...Object.keys(measured).map((name) => `- **${name}**: ${ABOUT[name]}`),
    '',
    'Time and memory of the peer over ours:',
    '',
    row(['', ...ours]),
    row(['---', ...ours.map(() => '---:')]),
    ...peers.map((peer) =>
      row([
        peer,
        ...ours.map((own) => {
          const [a, b] = [measured[peer], measured[own]];
          return `${(a.step_s / b.step_s).toFixed(1)}x time, ${(a.peak_bytes / b.peak_bytes).toFixed(1)}x memory`;
        }),
      ]),
    ),
    '',
    'The phases add up to at least ' +
      `${(100 * Math.min(...Object.values(measured).map(({ phase_coverage }) => phase_coverage))).toFixed(1)} % of every step. Memory is the kernel's`,
    'peak of resident memory of the whole process. Before the measured steps all sides score the same completions; they must agree',
    '(sum of log-probabilities within 1e-5, norm of all gradients within 1e-3, relative), or nothing is reported:',
    '',
    row(['side', 'gradient norm', 'sum of log-probabilities']),
    row(['---', '---:', '---:']),
    ...Object.entries(agreement).map(([name, { grad_norm, logps_sum }]) =>
      row([name, grad_norm.toFixed(6), logps_sum.toFixed(4)]),
    ),
    '',
    ...(curve === undefined ? [] : curvePart(curve)),
  ];
  writeFileSync(path.join(folder, 'grpo-step.md'), page.join('\n'));
  if (curve !== undefined) writeFileSync(path.join(folder, 'grpo-step.svg'), figure(curve));
}

function curvePart({ points, machine, completion_length: completion }) {
  return [
    '## Over the size of the group and the length of the prompt',
    '',
    '![Time and memory over G and prompt length](grpo-step.svg)',
    '',
    `One step of ${completion} tokens a point, without warm-up, a process a point (commit ${machine.commit}, load ${machine.load_before.toFixed(1)} before).`,
    '',
    row(['G', 'prompt tokens', 'side', 'step s', 'peak GiB']),
    row(['---:', '---:', '---', '---:', '---:']),
    ...points.flatMap(({ num_generations, prompt_length, ...sides }) =>
      Object.entries(sides).map(([side, { skipped, step_s, peak_bytes }]) =>
        row([
          num_generations,
          prompt_length,
          side,
          ...(skipped === undefined
            ? [step_s.toFixed(2), gib(peak_bytes).toFixed(2)]
            : [`not run: ${skipped}`, '']),
        ]),
      ),
    ),
    '',
  ];
}

function figure({ points }) {
  const usual = points[0].prompt_length;
  const overG = points.filter(({ prompt_length }) => prompt_length === usual);
  const overP = points
    .filter(({ num_generations }) => num_generations === 8)
    .sort((a, b) => a.prompt_length - b.prompt_length);
  const sides = [
    ...new Set(points.flatMap(({ num_generations, prompt_length, ...own }) => Object.keys(own))),
  ];
  const colors = {
    peer: COLORS[1],
    'peer, ckpt': COLORS[3],
    'peer, 5.18': COLORS[4],
    ours: COLORS[0],
    'ours, ckpt': COLORS[2],
  };
  const lines = (some, x, y) =>
    sides.flatMap((side) => {
      const own = some
        .filter((point) => point[side] !== undefined && point[side].skipped === undefined)
        .map((point) => [point[x], y(point[side])]);
      return own.length === 0 ? [] : [{ name: side, color: colors[side], dots: true, points: own }];
    });
  const panel = (title, x, y, some, key, value, logX) => ({
    title,
    x,
    y,
    logX,
    logY: true,
    lines: lines(some, key, value),
  });
  const time = ({ step_s }) => step_s;
  const memory = ({ peak_bytes }) => gib(peak_bytes);
  return lineChart({
    title: 'One GRPO step: seconds and peak memory over the size of the group and the length of the prompt',
    panels: [
      panel(
        `time, prompt of ${usual}`,
        'completions in the group',
        's',
        overG,
        'num_generations',
        time,
        true,
      ),
      panel(
        `memory, prompt of ${usual}`,
        'completions in the group',
        'GiB',
        overG,
        'num_generations',
        memory,
        true,
      ),
      panel('time, 8 completions', 'prompt tokens', 's', overP, 'prompt_length', time, false),
    ],
  });
}
