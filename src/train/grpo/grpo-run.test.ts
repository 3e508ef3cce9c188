import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { CheckpointError, ConfigError, type JsonObject, TwgrpoError } from '../../base/index.ts';
import { loadModel } from '../../models/index.ts';
import { liveTensors, scope } from '../../tensor/index.ts';
import {
  metricsOf,
  quickKeys,
  rowsOf,
  train,
  trainUntil,
  writeModel,
  writeQuestions,
} from '../test-support.ts';

const folder = scratchFolder();
beforeAll(() => {
  writeModel(folder);
  writeQuestions(folder);
});

const keysFor = (name: string, changes: JsonObject = {}): JsonObject & { readonly output_dir: string } => ({
  ...quickKeys(folder),
  output_dir: join(folder, name),
  ...changes,
});

const checkpoints = (outputDir: string) =>
  readdirSync(outputDir)
    .filter((name) => name.startsWith('checkpoint-'))
    .sort();

const weightsOf = (checkpoint: string) => readFileSync(join(checkpoint, 'model.safetensors'), 'base64');

/** A reward module whose answers are `calm`, and from call `from` on 1e300: infinite in float32. */
function explodingReward(name: string, from: number): string {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(
    file,
    `let calls = 0;
export function reward(inputs) {
  calls += 1;
  return inputs.map((_, i) => (i % 2) * (calls >= ${from} ? 1e300 : 1));
}
`,
  );
  return file;
}

describe('a step whose numbers are not finite', () => {
  it('is refused and counted, and the weights stay those of the last good step', async () => {
    const keys = keysFor('one-bad', {
      reward_funcs: [explodingReward('bad-once', 3)],
      scale_rewards: 'none',
      save_steps: 1,
      max_bad_steps: 3,
    });
    await train(keys);
    const rows = metricsOf(keys.output_dir);
    expect(rows.map(({ bad_steps }) => bad_steps)).toEqual([0, 0, 1, 1]);
    expect(rows.map(({ loss }) => loss === null)).toEqual([false, false, true, true]);
    const at = (step: number) => join(keys.output_dir, `checkpoint-${step}`);
    expect(weightsOf(at(2))).not.toBe(weightsOf(at(1)));
    for (const step of [3, 4]) {
      expect(weightsOf(at(step))).toBe(weightsOf(at(2)));
      const optimizer = (of: number) =>
        readFileSync(join(at(of), 'training_state', 'optimizer.safetensors'), 'base64');
      expect(optimizer(step)).toBe(optimizer(2));
    }
    const alerts = readFileSync(join(keys.output_dir, 'alerts.jsonl'), 'utf8').trim().split('\n');
    expect(alerts.map((line) => JSON.parse(line).rule)).toEqual(['bad_step']);
  });

  it('ends the run after max_bad_steps of them in a row, with everything saved, and a repaired run goes on', async () => {
    const before = liveTensors();
    const keys = keysFor('many-bad', {
      reward_funcs: [explodingReward('bad-for-good', 2)],
      scale_rewards: 'none',
      max_bad_steps: 2,
      max_steps: 9,
    });
    const failure = await train(keys).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TwgrpoError);
    expect(String(failure)).toContain('2 updates in a row were refused');
    expect(checkpoints(keys.output_dir)).toEqual(['checkpoint-3']);
    const saved = loadModel(join(keys.output_dir, 'checkpoint-3'));
    for (const weight of saved.weights.values())
      scope(() => expect(Boolean(weight.isfinite().all().item())).toBe(true));
    saved.dispose();
    expect(liveTensors()).toBe(before);
    const repaired = { ...keys, reward_funcs: ['accuracy', join(folder, 'dense.mjs')], max_steps: 4 };
    expect(await train(repaired, { resume: 'auto' })).toMatchObject({ step: 4, stopped: false });
    expect(metricsOf(keys.output_dir).at(-1)).toMatchObject({ step: 4, bad_steps: 0 });
  });
});

describe('checkpoints', () => {
  it('keeps the newest of save_total_limit, each a model folder that loads, and nothing half written', async () => {
    const keys = keysFor('limit', { save_steps: 1, save_total_limit: 2 });
    const { checkpoint } = await train(keys);
    expect(checkpoints(keys.output_dir)).toEqual(['checkpoint-3', 'checkpoint-4']);
    expect(checkpoint).toBe(join(keys.output_dir, 'checkpoint-4'));
    expect(readdirSync(keys.output_dir).filter((name) => name.includes('tmp'))).toEqual([]);
    const model = loadModel(checkpoint!);
    expect(model.weights.size).toBeGreaterThan(0);
    model.dispose();
    // A finished run has nothing to go on with, and says so by its result.
    const again = await train(keys, { resume: 'auto' });
    expect(again).toMatchObject({ step: 4, checkpoint });
    expect(rowsOf(keys.output_dir).length).toBe(4);
  });

  it('save_only_model leaves out the optimizer, and such a folder can not be resumed from', async () => {
    const keys = keysFor('only-model', { save_only_model: true, max_steps: 1 });
    const { checkpoint } = await train(keys);
    expect(existsSync(join(checkpoint!, 'model.safetensors'))).toBe(true);
    expect(existsSync(join(checkpoint!, 'training_state'))).toBe(false);
    const resumed = train(keys, { resume: checkpoint });
    await expect(resumed).rejects.toThrow(CheckpointError);
    await expect(resumed).rejects.toThrow(/no training_state/);
  });

  it('a resume from an earlier step cuts what came later and sets its checkpoints aside', async () => {
    const keys = keysFor('earlier', { save_steps: 2, max_steps: 4 });
    await train(keys);
    const whole = metricsOf(keys.output_dir);
    const last = weightsOf(join(keys.output_dir, 'checkpoint-4'));
    await trainUntil(3, keys, { resume: join(keys.output_dir, 'checkpoint-2') });
    expect(checkpoints(keys.output_dir)).toEqual(['checkpoint-2', 'checkpoint-3', 'checkpoint-4.old-1']);
    expect(metricsOf(keys.output_dir)).toEqual(whole.slice(0, 3));
    await train(keys, { resume: 'auto' });
    expect(metricsOf(keys.output_dir)).toEqual(whole);
    expect(weightsOf(join(keys.output_dir, 'checkpoint-4'))).toBe(last);
  });

  it('refuses a checkpoint of another run, and other data', async () => {
    const keys = keysFor('first', { max_steps: 1 });
    const { checkpoint } = await train(keys);
    const other = keysFor('second', { max_steps: 1 });
    await expect(train(other, { resume: checkpoint })).rejects.toThrow(ConfigError);
    const elsewhere = join(folder, 'other-data');
    cpSync(keys.output_dir, elsewhere, { recursive: true });
    writeFileSync(
      join(folder, 'fewer.jsonl'),
      readFileSync(join(folder, 'questions.jsonl'), 'utf8').split('\n').slice(0, 2).join('\n'),
    );
    const changed = { ...keys, output_dir: elsewhere, jsonl_path: join(folder, 'fewer.jsonl') };
    await expect(train(changed, { resume: 'auto' })).rejects.toThrow(/position is of other data/);
  });
});

it('stopped before its first step, a run leaves no checkpoint and is begun again', async () => {
  const keys = keysFor('too-early', { check_prompts: true, max_steps: 1 });
  const stopped = await train(keys, { signal: AbortSignal.abort() });
  expect(stopped).toMatchObject({ step: 0, stopped: true, checkpoint: undefined });
  expect(existsSync(keys.output_dir)).toBe(false);
  expect(await train(keys, { resume: 'auto' })).toMatchObject({ step: 1, stopped: false });
});

describe('errors on the way', () => {
  it('a reward module that throws is named, and what was learned before is saved', async () => {
    const before = liveTensors();
    const file = join(folder, 'breaks.mjs');
    writeFileSync(
      file,
      `let calls = 0;
export function reward(inputs) {
  calls += 1;
  if (calls === 3) throw new RangeError('out of letters');
  return inputs.map((_, i) => i % 2);
}
`,
    );
    const keys = keysFor('breaks', { reward_funcs: [file] });
    const failure = await train(keys).catch((error: unknown) => error);
    expect(String(failure)).toContain(`reward module ${file} failed: RangeError: out of letters`);
    expect((failure as TwgrpoError).hint).toContain('breaks.mjs:4:');
    expect(checkpoints(keys.output_dir)).toEqual(['checkpoint-2']);
    expect(liveTensors()).toBe(before);
    const repaired = { ...keys, reward_funcs: [join(folder, 'dense.mjs')] };
    expect(await train(repaired, { resume: 'auto' })).toMatchObject({ step: 4 });
  });

  it('a video that can not be read stops the run, or is skipped and the next item taken', async () => {
    const broken = join(folder, 'broken.mp4');
    writeFileSync(broken, 'no video');
    const rows = readFileSync(join(folder, 'questions.jsonl'), 'utf8').trim().split('\n');
    const bad = rows.map((row, i) =>
      JSON.stringify({ ...JSON.parse(row), ...(i === 1 && { video: broken }) }),
    );
    writeFileSync(join(folder, 'one-broken.jsonl'), `${bad.join('\n')}\n`);
    const keys = keysFor('broken-stop', { jsonl_path: join(folder, 'one-broken.jsonl') });
    await expect(train(keys)).rejects.toThrow(/broken\.mp4/);
    const skipping = { ...keys, output_dir: join(folder, 'broken-skip'), on_bad_video: 'skip' };
    const { step, skipped_videos } = await train(skipping);
    const rowsOfRun = rowsOf(skipping.output_dir);
    expect([step, rowsOfRun.length]).toEqual([4, 4]);
    const counted = rowsOfRun.map((row) => Number(row['data/skipped_videos']));
    expect(counted.reduce((sum, one) => sum + one, 0)).toBe(skipped_videos);
    expect(skipped_videos).toBeGreaterThan(0);
  });
});

it('50 steps leave nothing alive, and the phases add up to their step', async () => {
  const before = liveTensors();
  const keys = keysFor('long', {
    max_steps: 50,
    prompts_per_micro_batch: 1,
    num_generations: 2,
    max_completion_length: 3,
    tensorboard: true,
  });
  await train(keys);
  const rows = rowsOf(keys.output_dir);
  expect(rows.length).toBe(50);
  expect(new Set(rows.map(({ live_tensors }) => live_tensors)).size).toBe(1);
  expect(liveTensors()).toBe(before);
  for (const row of rows) {
    const ofPhases = Object.entries(row)
      .filter(([key]) => key.startsWith('time/'))
      .reduce((sum, [, value]) => sum + Number(value), 0);
    // The clock starts a phase where it ends one, so this holds on any machine; only the sum rounds.
    expect(Math.abs(ofPhases - Number(row['step_time']))).toBeLessThan(1e-9);
  }
  const phases = [
    'data',
    'encode',
    'generate',
    'reward',
    'forward',
    'loss',
    'backward',
    'optimizer',
    'metrics',
  ];
  expect(Object.keys(rows[0]!).filter((key) => key.startsWith('time/'))).toEqual(
    expect.arrayContaining(phases.map((phase) => `time/${phase}`)),
  );
});
