/** @file `trainer.json`: the form before there were two kinds of training, and a checkpoint of the other kind. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { CheckpointError, type JsonObject } from '../../base/index.ts';
import { readTrainingState } from './training-state.ts';

const folder = scratchFolder();

const COMMON = { format: 1, step: 3, numTokens: 9, badStepsInARow: 0, sampler: { epoch: 0 }, num_threads: 1 };
const SFT = { ...COMMON, kind: 'sft', numQuestions: 6, stage: 1, stage_steps: 2, evaluated_step: -1 };

function checkpoint(name: string, state: JsonObject): string {
  const dir = join(folder, name);
  mkdirSync(join(dir, 'training_state'), { recursive: true });
  writeFileSync(join(dir, 'training_state', 'trainer.json'), JSON.stringify(state));
  return dir;
}

it('without a kind it is a GRPO run, written before there was another', () => {
  expect(readTrainingState(checkpoint('old', COMMON), 'grpo')).toEqual({ ...COMMON, kind: 'grpo' });
});

it('of the other kind is refused by the names of both commands', () => {
  const supervised = checkpoint('sft', SFT);
  expect(readTrainingState(supervised, 'sft')).toEqual(SFT);
  expect(() => readTrainingState(supervised, 'grpo')).toThrow(
    `${supervised}: a checkpoint of twgrpo sft, which twgrpo train can not go on with`,
  );
  const old = checkpoint('grpo', COMMON);
  expect(() => readTrainingState(old, 'sft')).toThrow(
    `${old}: a checkpoint of twgrpo train, which twgrpo sft can not go on with`,
  );
});

it.each([
  ['a step that is no count', { ...SFT, step: -1 }, /trainer\.json.*step/s],
  ['no stage', { ...COMMON, kind: 'sft', numQuestions: 6 }, /trainer\.json.*stage/s],
  ['a kind that there is not', { ...SFT, kind: 'dpo' }, /trainer\.json.*kind/s],
  ['a key of the other kind', { ...COMMON, kind: 'grpo', stage: 1 }, /trainer\.json.*stage/s],
])('damaged is refused by file and key: %s', (name, state, message) => {
  const dir = checkpoint(name, state);
  expect(() => readTrainingState(dir, state.kind === 'grpo' ? 'grpo' : 'sft')).toThrow(CheckpointError);
  expect(() => readTrainingState(dir, state.kind === 'grpo' ? 'grpo' : 'sft')).toThrow(message);
});
