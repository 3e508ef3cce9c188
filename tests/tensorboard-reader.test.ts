/**
 * @file Event files read by TensorBoard's own reader. Skipped unless TWGRPO_TENSORBOARD_PYTHON names a Python that has it:
 *
 *   python3 -m venv /tmp/tensorboard && /tmp/tensorboard/bin/pip install tensorboard
 *   TWGRPO_TENSORBOARD_PYTHON=/tmp/tensorboard/bin/python npx vitest run tests/tensorboard-reader
 */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { EventWriter } from '../src/run/index.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const PYTHON = process.env['TWGRPO_TENSORBOARD_PYTHON'];
const READ = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'tensors': 0}).Reload()
print(json.dumps({
    'scalars': {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']},
    'texts': {tag: [[e.step, e.tensor_proto.string_val[0].decode()] for e in events.Tensors(tag)] for tag in events.Tags()['tensors']},
}))
`;

const folder = scratchFolder();

it.skipIf(PYTHON === undefined)('TensorBoard reads what a run and its resume wrote', () => {
  const first = new EventWriter(folder, { now: () => 1_700_000_000_000 });
  for (let step = 1; step <= 30; step++)
    first.scalars({ reward: step / 8, 'completions/mean_length': step }, step);
  first.text('completions', '# ünïcode <b>\n', 1);
  first.close();
  // A run that goes on from step 20 writes the later steps again.
  const second = new EventWriter(folder, { now: () => 1_700_000_100_000, resumeStep: 21 });
  for (let step = 21; step <= 40; step++) second.scalars({ reward: -step }, step);
  second.close();
  const { scalars, texts } = JSON.parse(
    execFileSync(PYTHON!, ['-c', READ, folder], { encoding: 'utf8' }),
  ) as {
    scalars: Record<string, [number, number][]>;
    texts: Record<string, [number, string][]>;
  };
  expect(scalars['reward']).toEqual([
    ...Array.from({ length: 20 }, (_, i) => [i + 1, (i + 1) / 8]),
    ...Array.from({ length: 20 }, (_, i) => [i + 21, -(i + 21)]),
  ]);
  expect(scalars['completions/mean_length']?.slice(0, 20)).toEqual(
    Array.from({ length: 20 }, (_, i) => [i + 1, i + 1]),
  );
  expect(texts['completions']).toEqual([[1, '# ünïcode <b>\n']]);
});
