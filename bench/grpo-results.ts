/** @file Makes docs/results/grpo-step.md and its figure out of what `npm run bench -- grpo --out FILE` measured. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { percent } from '../src/base/index.ts';
import { COLORS, type PanelLine, panelChart } from '../src/report/index.ts';
import { type Curve, type CurvePoint, type GrpoResult, gib, PHASES } from './grpo-figures.ts';
import { describeMachine } from './harness.ts';

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
const ABOUT: Readonly<Record<string, string>> = {
  peer: 'PyTorch + transformers, video and prompt G times, as the authors ran it',
  'peer, ckpt': 'the same with gradient checkpointing, as the authors set it',
  'peer, 5.18': 'the same, video encoded once in `generate`, as transformers 5.18 does by itself',
  ours: 'twgrpo, everything autograd needs is kept',
  'ours, ckpt': 'twgrpo with gradient checkpointing',
};

/** Writes the page into a folder, and the figure where a curve was measured. */
export function publish(folder: string, { compare, curve }: GrpoResult): void {
  if (compare === undefined)
    throw new Error('none of the files holds a comparison; measure one with --repeat');
  const { settings, measured, facts, agreement, seed, machine, date } = compare;
  const peers = Object.keys(measured).filter((name) => name.startsWith('peer'));
  const ours = Object.keys(measured).filter((name) => name.startsWith('ours'));
  const peerFacts = facts[peers[0] ?? ''];
  if (peerFacts === undefined) throw new Error('the page is about ours and a peer, and no peer was measured');
  const { torch, transformers } = peerFacts;
  const seconds = (value: number | undefined): string => value?.toFixed(2) ?? '';
  const page = [
    '# One GRPO step, measured',
    '',
    'Written by `npm run bench -- grpo --publish docs/results --from ...` out of the measurements themselves.',
    '',
    `One training step of TW-GRPO (the authors' loss, gradient through the weights) on one prompt: G = ${settings.num_generations} completions of`,
    `${settings.completion_length} tokens, ${settings.prompt_length} prompt tokens, ${settings.vision_tokens} of them a real CLEVRER clip; a model of`,
    `${(peerFacts.parameters / 1e6).toFixed(1)} M parameters in Qwen2.5-VL's form, random weights of seed ${seed}; float32, ${settings.threads} threads. Both sides load the same folder, see the same`,
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
      row([name, seconds(step_s), ...PHASES.map((phase) => seconds(phases_s[phase])), gib(peak_bytes)]),
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
          const [a, b] = [measured[peer]!, measured[own]!];
          return `${(a.step_s / b.step_s).toFixed(1)}x time, ${(a.peak_bytes / b.peak_bytes).toFixed(1)}x memory`;
        }),
      ]),
    ),
    '',
    'The phases add up to at least ' +
      `${percent(Math.min(...Object.values(measured).map(({ phase_coverage }) => phase_coverage)))} of every step. Memory is the kernel's`,
    'peak of resident memory of the whole process. Before the measured steps all sides score the same completions; they must agree',
    '(sum of log-probabilities within 1e-5, norm of all gradients within 1e-3, relative), or nothing is reported:',
    '',
    row(['side', 'gradient norm', 'sum of log-probabilities']),
    row(['---', '---:', '---:']),
    ...Object.entries(agreement ?? {}).map(([name, { grad_norm, logps_sum }]) =>
      row([name, grad_norm.toFixed(6), logps_sum.toFixed(4)]),
    ),
    '',
    ...(curve === undefined ? [] : curvePart(curve)),
  ];
  writeFileSync(path.join(folder, 'grpo-step.md'), page.join('\n'));
  if (curve !== undefined) writeFileSync(path.join(folder, 'grpo-step.svg'), figure(curve));
}

function curvePart({ points, machine, completion_length: completion }: Curve): string[] {
  return [
    '## Over the size of the group and the length of the prompt',
    '',
    '![Time and memory over G and prompt length](grpo-step.svg)',
    '',
    `One step of ${completion} tokens a point, without warm-up, a process a point (commit ${machine.commit}, load ${machine.load_before.toFixed(1)} before).`,
    '',
    row(['G', 'prompt tokens', 'side', 'step s', 'peak GiB']),
    row(['---:', '---:', '---', '---:', '---:']),
    ...points.flatMap(({ num_generations, prompt_length, sides }) =>
      Object.entries(sides).map(([side, measured]) =>
        row([
          num_generations,
          prompt_length,
          side,
          ...('skipped' in measured
            ? [`not run: ${measured.skipped}`, '']
            : [measured.step_s.toFixed(2), gib(measured.peak_bytes)]),
        ]),
      ),
    ),
    '',
  ];
}

function figure({ points }: Curve): string {
  const usual = points[0]?.prompt_length;
  const overG = points.filter(({ prompt_length }) => prompt_length === usual);
  const overP = points
    .filter(({ num_generations }) => num_generations === 8)
    .sort((a, b) => a.prompt_length - b.prompt_length);
  const names = [...new Set(points.flatMap(({ sides }) => Object.keys(sides)))];
  const colors: Readonly<Record<string, string>> = {
    peer: COLORS.orange,
    'peer, ckpt': COLORS.pink,
    'peer, 5.18': COLORS.grey,
    ours: COLORS.blue,
    'ours, ckpt': COLORS.green,
  };
  const linesOver = (
    some: readonly CurvePoint[],
    x: 'num_generations' | 'prompt_length',
    y: (side: { readonly step_s: number; readonly peak_bytes: number }) => number,
  ): PanelLine[] =>
    names.flatMap((name) => {
      const own = some.flatMap((point) => {
        const side = point.sides[name];
        return side === undefined || 'skipped' in side ? [] : [[point[x], y(side)] as const];
      });
      return own.length === 0 ? [] : [{ name, color: colors[name] ?? COLORS.grey, dots: true, points: own }];
    });
  const time = ({ step_s }: { readonly step_s: number }): number => step_s;
  const memory = ({ peak_bytes }: { readonly peak_bytes: number }): number => peak_bytes / 2 ** 30;
  return panelChart({
    title: 'One GRPO step: seconds and peak memory over the size of the group and the length of the prompt',
    panels: [
      {
        ...{ title: `time, prompt of ${usual}`, x: 'completions in the group', y: 's' },
        ...{ logX: true, logY: true, lines: linesOver(overG, 'num_generations', time) },
      },
      {
        ...{ title: `memory, prompt of ${usual}`, x: 'completions in the group', y: 'GiB' },
        ...{ logX: true, logY: true, lines: linesOver(overG, 'num_generations', memory) },
      },
      {
        ...{ title: 'time, 8 completions', x: 'prompt tokens', y: 's' },
        ...{ logY: true, lines: linesOver(overP, 'prompt_length', time) },
      },
    ],
  });
}
