/** @file Layers of a configuration: which wins, where each value came from, other names, and what is refused. */
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../../tests/support/error-of.ts';
import { ConfigError, type JsonObject } from '../../base/index.ts';
import { resolveGrpoConfig } from './config.ts';
import { changedKeys } from './run-config.ts';
import { resolveSftConfig } from './sft-config.ts';

const BASE = { model_name_or_path: 'm', jsonl_path: 'd', output_dir: 'o' };

const grpo = (file: JsonObject, sets: JsonObject = {}) =>
  resolveGrpoConfig([
    { source: 'a.yaml', values: { ...BASE, loss_type: 'grpo', ...file } },
    { source: '--set', values: sets },
  ]);
const sft = (file: JsonObject) => resolveSftConfig([{ source: 'a.yaml', values: { ...BASE, ...file } }]);

/** What a call throws, whole. */
const refusal = (call: () => unknown): ConfigError => errorOf(ConfigError, call);

describe('layers', () => {
  it('the later one wins over the earlier, that over the loss preset, that over the default', () => {
    const { config, sources } = grpo({ loss_type: 'dapo', beta: 0.1, top_k: 3 }, { top_k: 5 });
    expect(config).toMatchObject({ top_k: 5, beta: 0.1, epsilon_high: 0.28, top_p: 1 });
    expect(sources).toMatchObject({
      top_k: '--set',
      beta: 'a.yaml',
      epsilon_high: 'loss_type dapo',
      loss_type: 'a.yaml',
    });
    expect(sources).not.toHaveProperty('top_p');
  });

  it('a null takes earlier values away', () => {
    const { config, sources } = grpo({ top_k: 3, beta: 0.1 }, { top_k: null, beta: null });
    expect([config.top_k, config.beta]).toEqual([0, 0]);
    expect(sources).not.toHaveProperty('top_k');
    expect(sources['beta']).toBe('loss_type grpo');
  });

  it('one that was resolved before keeps the sources of its values, and names what was a default', () => {
    const layer = {
      source: 'run/config.yaml',
      values: { ...BASE, loss_type: 'grpo', top_k: 3, top_p: 2 },
      sources: { top_k: '--set' },
    };
    expect(refusal(() => resolveGrpoConfig([layer])).message).toContain('top_p (run/config.yaml)');
    const { sources } = resolveGrpoConfig([{ ...layer, values: { ...layer.values, top_p: 1 } }]);
    expect(sources).toMatchObject({ top_k: '--set' });
    expect(sources).not.toHaveProperty('top_p');
  });

  it('all that is wrong is told at once, each with its source, and a near name is suggested', () => {
    const { message } = refusal(() => grpo({ learning_rat: 1, zzzzzz: 1 }, { top_p: 3 }));
    expect(message).toContain('the configuration has 3 problems');
    expect(message).toContain('learning_rat (a.yaml): no such key; did you mean learning_rate?');
    expect(message).toMatch(/zzzzzz \(a\.yaml\): no such key$/m);
    expect(message).toMatch(/top_p \(--set\): .*got 3/);
  });

  it('a missing loss preset is told in one line, not in one for each of its keys', () => {
    const { message } = refusal(() => grpo({}, { loss_type: null }));
    expect(message).toBe('the configuration has a problem:\n  loss_type: missing');
  });
});

describe('other names', () => {
  it('of the batch are read as prompts or packs, and a notice says what is counted', () => {
    const { config, notices, sources } = grpo({ per_device_train_batch_size: 3 });
    expect(config.prompts_per_micro_batch).toBe(3);
    expect(sources['prompts_per_micro_batch']).toBe('a.yaml (as per_device_train_batch_size)');
    expect(notices).toEqual([
      'a.yaml: per_device_train_batch_size is read as prompts_per_micro_batch; it counts prompts, each with num_generations completions; TRL counts completions, so divide by num_generations',
    ]);
    const supervised = sft({ per_device_train_batch_size: 3 });
    expect(supervised.config.packs_per_micro_batch).toBe(3);
    expect(supervised.notices).toEqual([
      'a.yaml: per_device_train_batch_size is read as packs_per_micro_batch; it counts packs, each of up to pack_size questions about one video',
    ]);
  });

  it.each([
    [['jsonl'], false],
    [['jsonl', 'tensorboard'], true],
    ['tensorboard', true],
    ['none', false],
    [[], false],
  ])('report_to: %j is read as tensorboard: %j', (report_to, tensorboard) => {
    const { config, notices } = grpo({ report_to });
    expect(config.tensorboard).toBe(tensorboard);
    expect(notices).toEqual([`a.yaml: report_to is read as tensorboard: ${tensorboard}`]);
    expect(sft({ report_to }).config.tensorboard).toBe(tensorboard);
  });

  it('report_to: wandb is refused with what is offered', () => {
    for (const report_to of ['wandb', ['jsonl', 'wandb']]) {
      const error = refusal(() => grpo({}, { report_to }));
      expect(error.message).toBe('--set: report_to: "wandb" is not offered');
      expect(error.hint).toContain('tensorboard: true');
    }
  });

  it('set beside the present one to something else are refused; to the same, understood', () => {
    const both = (value: number) => grpo({ per_device_train_batch_size: 2, prompts_per_micro_batch: value });
    expect(both(2).config.prompts_per_micro_batch).toBe(2);
    expect(refusal(() => both(3)).message).toContain('set the same key, prompts_per_micro_batch');
    const { config } = grpo({ per_device_train_batch_size: 2 }, { prompts_per_micro_batch: 4 });
    expect(config.prompts_per_micro_batch).toBe(4);
    expect(grpo({ report_to: ['jsonl'], tensorboard: false }).config.tensorboard).toBe(false);
  });

  it('in the file of an older run are no change of its configuration', () => {
    const { config } = grpo({ prompts_per_micro_batch: 2 });
    const { prompts_per_micro_batch, tensorboard, ...same } = config;
    const older = { ...same, per_device_train_batch_size: 2, report_to: ['jsonl'] } as unknown as JsonObject;
    expect(changedKeys(older, config)).toEqual([]);
    expect(changedKeys({ ...older, per_device_train_batch_size: 1 }, config)).toEqual([
      'prompts_per_micro_batch: 1 -> 2',
    ]);
    expect([prompts_per_micro_batch, tensorboard]).toEqual([2, false]);
  });
});

it('a text in the place of a list is its items between commas', () => {
  expect(grpo({}, { reward_funcs: 'accuracy' }).config.reward_funcs).toEqual(['accuracy']);
  expect(grpo({}, { reward_funcs: 'accuracy, format' }).config.reward_funcs).toEqual(['accuracy', 'format']);
  expect(grpo({}, { reward_funcs: 'origin_accuracy,format' }).config).toMatchObject({
    reward_funcs: ['accuracy', 'format'],
    accuracy: 'exact',
  });
  expect(sft({ lora_target_modules: 'q_proj' }).config.lora_target_modules).toEqual(['q_proj']);
  expect(refusal(() => grpo({}, { reward_funcs: 3 })).message).toMatch(/reward_funcs \(--set\): .*got 3/);
});
