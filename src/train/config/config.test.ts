import { expect, it } from 'vitest';
import { resolveGrpoConfig } from './config.ts';
import { resolveSftConfig } from './sft-config.ts';

const PATHS = { model_name_or_path: 'm', jsonl_path: 'd', output_dir: 'o' };

it('values under a former name are read, and a notice names the layer', () => {
  const { config, notices } = resolveGrpoConfig([
    { source: 'old.yaml', values: { ...PATHS, loss_type: 'tw_grpo', token_weight: 'reference' } },
    { source: '--set', values: { answer_parser: 'reference', video: 'reference' } },
  ]);
  expect(config).toMatchObject({ token_weight: 'authors', answer_parser: 'authors', video: 'authors' });
  expect(notices).toEqual([
    'old.yaml: token_weight: reference is called authors now; the former name goes with the next version',
    '--set: answer_parser: reference is called authors now; the former name goes with the next version',
    '--set: video: reference is called authors now; the former name goes with the next version',
  ]);
  const sft = resolveSftConfig([{ source: 's', values: { ...PATHS, video: 'reference_eval' } }]);
  expect(sft.config.video).toBe('authors_eval');
  expect(sft.notices).toHaveLength(1);
});

it("the authors' names are read, each with a notice", () => {
  const { config, notices } = resolveGrpoConfig([
    {
      source: 'a.yaml',
      values: {
        ...PATHS,
        loss_type: 'grpo',
        torch_dtype: 'bfloat16',
        generate_temperature: 0.9,
        alpha: 1.4,
        freeze_vision_modules: false,
        reward_funcs: ['origin_accuracy', 'format'],
      },
    },
  ]);
  expect(config).toMatchObject({
    dtype: 'bfloat16',
    temperature: 0.9,
    token_weight_max: 1.4,
    freeze_vision: false,
    freeze_merger: false,
    reward_funcs: ['accuracy', 'format'],
    accuracy: 'exact',
  });
  expect(notices).toEqual([
    'a.yaml: reward origin_accuracy is read as accuracy with accuracy: exact',
    'a.yaml: torch_dtype is read as dtype',
    'a.yaml: generate_temperature is read as temperature',
    'a.yaml: alpha is read as token_weight_max',
    'a.yaml: freeze_vision_modules is read as freeze_vision and freeze_merger',
  ]);
  const both = { ...PATHS, loss_type: 'grpo', reward_funcs: ['origin_accuracy'], accuracy: 'soft' };
  expect(() => resolveGrpoConfig([{ source: 'a', values: both }])).toThrow(
    'a: reward_funcs names origin_accuracy, which is accuracy: exact, but accuracy is "soft"',
  );
});

it('epsilon_high follows epsilon, unless it is set or the preset clips higher', () => {
  const resolve = (values: Record<string, unknown>) =>
    resolveGrpoConfig([{ source: 't', values: { ...PATHS, ...values } as never }]);
  const { config, sources } = resolve({ loss_type: 'grpo', epsilon: 0.1 });
  expect([config.epsilon, config.epsilon_high, sources['epsilon_high']]).toEqual([0.1, 0.1, 'epsilon, t']);
  expect(resolve({ loss_type: 'grpo' }).config.epsilon_high).toBe(0.2);
  expect(resolve({ loss_type: 'grpo', epsilon: 0.1, epsilon_high: 0.3 }).config.epsilon_high).toBe(0.3);
  expect(resolve({ loss_type: 'dapo', epsilon: 0.1 }).config.epsilon_high).toBe(0.28);
});
