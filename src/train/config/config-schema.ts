/**
 * Every key of a GRPO run with its range, default and meaning: one schema behind YAML files, `--set`, types and the
 * table in docs/training.md. Names are TRL's, then the authors', then ours. Keys without a default under "Loss" get
 * theirs from the preset `loss_type` (`rl/presets.ts`).
 */
import { z } from 'zod';
import { ACCURACY_KINDS, ANSWER_PARSERS } from '../../answers/index.ts';
import { DATA_ORDERS, PROMPT_TEMPLATES } from '../../data/index.ts';
import { LORA_TARGET_MODULES } from '../../models/index.ts';
import {
  IMPORTANCE_SAMPLING_LEVELS,
  KL_ESTIMATORS,
  LOSS_NORMS,
  LOSS_TYPES,
  SCALE_REWARDS,
  TOKEN_WEIGHT_MODES,
} from '../../rl/index.ts';
import { VIDEO_PRESETS } from '../../video/index.ts';
import { SCHEDULER_TYPES } from '../optim/schedule.ts';

const count = z.int().min(1);
const share = z.number().min(0).max(1);
const nonNegative = z.number().min(0);

const modelShape = {
  model_name_or_path: z
    .string()
    .describe(
      'folder of a Qwen2-VL, Qwen2.5-VL or Qwen3-VL checkpoint, or its name on the hub: owner/name, owner/name@revision',
    ),
  dtype: z
    .enum(['auto', 'float32', 'bfloat16'])
    .default('auto')
    .describe('how weights are stored; auto: as in the file'),
  device: z.string().default('auto').describe('auto: the first GPU, else the processor; cpu, cuda or cuda:N'),
  num_threads: count.optional().describe('threads of one operator; absent: all cores'),
  freeze_vision: z.boolean().default(true).describe('do not train the vision tower (its merger aside)'),
  freeze_merger: z.boolean().default(true).describe('do not train the patch merger'),
  lora_r: count.optional().describe('rank of a low-rank adapter; absent: train the weights themselves'),
  lora_alpha: z
    .number()
    .positive()
    .default(16)
    .describe('strength of the adapter: its output is scaled by lora_alpha / lora_r'),
  lora_target_modules: z
    .array(z.string())
    .min(1)
    .default([...LORA_TARGET_MODULES])
    .describe('endings of the names of the layers that get an adapter; frozen vision parts get none'),
};

/** Keys that describe where prompts come from and how they are shown. */
const dataShape = {
  jsonl_path: z
    .string()
    .describe('the questions: {problem, video, solution}, or any format data check reads'),
  video_root: z.string().default('.').describe('folder that relative video paths start from'),
  video_prefix: z
    .string()
    .optional()
    .describe('beginning of the paths in the data file that video_root stands for, for example /MMVU'),
  clip: z
    .boolean()
    .default(true)
    .describe('show only the part of a video between start and end of its item; false: the whole video'),
  question_type: z
    .enum(['mixed', 'single', 'multiple'])
    .default('mixed')
    .describe('which items to train on: all, those with one right option, those with several'),
  max_samples: count.optional().describe('use only this many items, drawn with data_seed'),
  prompt_template: z.enum(PROMPT_TEMPLATES).default('tw-grpo').describe('how a question is put to the model'),
  video: z.enum(VIDEO_PRESETS).default('correct').describe('frame sampling and pixel budget by name'),
  text_after_vision: z
    .enum(['largest', 'spatial'])
    .default('largest')
    .describe(
      'where positions of text go on after a video: largest, as published; spatial, as transformers 5.3',
    ),
  fps: z.number().positive().optional().describe('frames sampled a second; absent: as the video preset'),
  max_frames: count.optional().describe('most frames of one video; absent: as the video preset'),
  min_pixels: count.optional().describe('least pixels a frame; absent: as the video preset'),
  max_pixels: count.optional().describe('most pixels a frame; absent: as the video preset'),
  total_pixels: count.optional().describe('most pixels of all frames together; absent: as the video preset'),
  video_cache_mib: nonNegative
    .default(0)
    .describe('memory for decoded frames, so that later epochs need not decode again; 0: none'),
  on_bad_video: z
    .enum(['error', 'skip'])
    .default('error')
    .describe('a video that can not be read: stop, or count it and take the next item'),
  max_prompt_length: count
    .default(4096)
    .describe('tokens, vision included; a longer prompt is an error, never cut'),
  check_prompts: z
    .boolean()
    .default(true)
    .describe('measure every prompt before training, so that one too long or a missing video shows at once'),
};

const generationShape = {
  num_generations: z
    .int()
    .min(2, 'a group of one completion has no advantage to learn from; expected at least 2')
    .default(8)
    .describe('completions of each prompt (G)'),
  max_completion_length: count.default(512).describe('tokens; longer completions are cut off'),
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe('of sampling only: the loss always reads the plain distribution'),
  top_k: z.int().min(0).default(0).describe('draw from the k likeliest tokens; 0: from all'),
  top_p: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('draw from the likeliest tokens that together reach this'),
  min_p: share.default(0).describe('draw from tokens at least this fraction as likely as the likeliest'),
  repetition_penalty: z
    .number()
    .positive()
    .default(1)
    .describe('above 1: tokens seen before become less likely'),
};

const rewardShape = {
  reward_funcs: z
    .array(z.string())
    .min(1)
    .default(['accuracy', 'format'])
    .describe(
      'accuracy, task (by problem_type), format, format_strict, or the path of a module that exports `reward`',
    ),
  reward_weights: z.array(z.number()).optional().describe('one for each of reward_funcs; absent: all 1'),
  reward_timeout: z
    .number()
    .positive()
    .max(1e6)
    .default(600)
    .describe('seconds that a reward function of your own may take for the completions of a step'),
  on_bad_reward: z
    .enum(['error', 'skip'])
    .default('error')
    .describe(
      'a function of your own that throws, takes too long, or returns something else than finite numbers and null: stop, or leave its completions unjudged and warn',
    ),
  accuracy: z.enum(ACCURACY_KINDS).default('soft').describe('how chosen and true letters are compared'),
  answer_parser: z
    .enum(ANSWER_PARSERS)
    .default('tolerant')
    .describe("how letters are read from a completion; authors*: the authors' rules"),
  temporal_contrast: z
    .boolean()
    .default(false)
    .describe('T-GRPO: answer each video again with its frames shuffled; see temporal_contrast_bonus'),
  temporal_contrast_bonus: nonNegative
    .default(0.3)
    .describe(
      'added to right completions when the ordered group is right at least 0.8 times as often as the shuffled one',
    ),
};

const lossShape = {
  loss_type: z.enum(LOSS_TYPES).describe('a preset for the keys below; no default'),
  loss_norm: z.enum(LOSS_NORMS).describe('what the summed token losses are divided by'),
  token_weight: z.enum(TOKEN_WEIGHT_MODES).describe('what tells important positions from others'),
  token_weight_max: z
    .number()
    .min(1)
    .describe("upper end of the weights, their lower end is 1; the authors' alpha"),
  token_weight_detach: z.boolean().describe("weights are constants for the gradient; the authors' are not"),
  token_weight_quantile: z
    .number()
    .min(0)
    .lt(0.5)
    .describe('scale the divergence between these quantiles instead of minimum and maximum'),
  epsilon: share.describe('the ratio is clipped below at 1 - epsilon'),
  epsilon_high: nonNegative.describe(
    'the ratio is clipped above at 1 + epsilon_high; follows epsilon where that is set and the preset has one number for both',
  ),
  delta: z
    .number()
    .positive()
    .optional()
    .describe('dual clip: upper limit of the ratio at negative advantages; absent: none'),
  beta: nonNegative.describe('weight of the KL to the reference policy; 0: no reference model'),
  kl_estimator: z.enum(KL_ESTIMATORS).describe('of KL(policy || reference) from the sampled tokens'),
  importance_sampling_level: z
    .enum(IMPORTANCE_SAMPLING_LEVELS)
    .describe('ratios of tokens, or one ratio for a completion (GSPO)'),
  entropy_coef: nonNegative.describe('weight of the entropy bonus'),
  scale_rewards: z.enum(SCALE_REWARDS).describe('deviation that advantages are divided by'),
  mask_truncated_completions: z.boolean().describe('completions that were cut off do not count in the loss'),
  dynamic_sampling: z
    .boolean()
    .describe('sample other prompts in place of groups whose rewards are all equal'),
  max_resample_times: count
    .default(3)
    .describe('dynamic_sampling: at most so many further tries for one step'),
  num_iterations: count
    .default(1)
    .describe('optimizer steps on one set of completions; from the second on the ratio differs from 1'),
};

const optimizationShape = {
  learning_rate: z.number().positive().default(1e-6).describe('at the top of the schedule'),
  lr_scheduler_type: z
    .enum(SCHEDULER_TYPES)
    .default('linear')
    .describe("transformers' schedules of that name"),
  warmup_ratio: share.default(0).describe('share of the run in which the learning rate rises from 0'),
  lr_decay_ratio: share
    .default(0.4)
    .describe('warmup_stable_decay: share of the run in which the learning rate falls'),
  lr_min_ratio: share
    .default(0)
    .describe('warmup_stable_decay: where the learning rate ends, as a share of its top'),
  weight_decay: nonNegative.default(0).describe('of matrices; biases and norms never decay'),
  adam_beta1: share.default(0.9).describe('decay of the first moment'),
  adam_beta2: share.default(0.999).describe('decay of the second moment'),
  adam_epsilon: z.number().positive().default(1e-8).describe('added to the root of the second moment'),
  offload_optimizer: z
    .boolean()
    .default(false)
    .describe(
      'keep float32 masters and moments of AdamW in host memory and update there: 12 bytes a trained weight less on the GPU',
    ),
  zero_stage: z
    .union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)])
    .default(0)
    .describe(
      'several processes: what each holds a part of; 1: the optimizer, 2: gradients too, 3: weights too (a layer is whole while it is computed, all are during rollouts)',
    ),
  max_grad_norm: z
    .number()
    .positive()
    .default(1)
    .describe('the norm of all gradients together is cut to this'),
  prompts_per_micro_batch: count
    .default(1)
    .describe(
      'prompts computed together; each has num_generations completions; processes share those of a step',
    ),
  gradient_accumulation_steps: count.default(1).describe('micro-batches a step'),
  num_train_epochs: z.number().positive().default(1).describe('passes over the data'),
  max_steps: z.int().min(1).optional().describe('steps; overrides num_train_epochs'),
  max_minutes: z
    .number()
    .positive()
    .optional()
    .describe(
      'wall time of training, that of earlier attempts included; overrides num_train_epochs, and the schedule follows the share that has passed',
    ),
  gradient_checkpointing: z
    .boolean()
    .default(true)
    .describe(
      'keep only the inputs of layers and compute each again on the way back: less memory, more time',
    ),
  logits_chunk_mib: z
    .number()
    .positive()
    .optional()
    .describe('memory of one chunk of logits in the loss; absent: 1024 on a GPU, 64 on the processor'),
  max_bad_steps: count.default(5).describe('stop after so many refused (non-finite) steps in a row'),
};

const runShape = {
  output_dir: z.string().describe('the run folder: metrics, completions, checkpoints'),
  run_name: z.string().optional().describe('a name for people; stands in config.yaml'),
  seed: z.int().min(0).default(42).describe('sampling of completions, shuffling of frames, new adapters'),
  data_seed: z.int().min(0).optional().describe('order of the items; absent: seed'),
  data_order: z
    .enum(DATA_ORDERS)
    .default('own')
    .describe(
      'own: drawn and shuffled by data_seed; authors: the items and order that their libraries make of it',
    ),
  logging_steps: count
    .default(1)
    .describe('steps that a row of metrics.jsonl stands for: means over them, extremes, latest values'),
  save_steps: count.default(100).describe('steps between two checkpoints; the last step is always saved'),
  save_total_limit: count.optional().describe('keep only so many newest checkpoints; absent: all'),
  save_only_model: z
    .boolean()
    .default(false)
    .describe('checkpoints without optimizer: smaller, but nobody can resume from them'),
  dist_timeout: z
    .number()
    .positive()
    .default(600)
    .describe('several processes: seconds that one waits for another before the run ends with an error'),
  tensorboard: z
    .boolean()
    .default(false)
    .describe('write TensorBoard events too; metrics.jsonl is always written'),
  log_completions: z
    .boolean()
    .default(true)
    .describe('write every completion and the numbers of its tokens to the run folder'),
  probe: z
    .boolean()
    .default(true)
    .describe('show completions, parsed answers and rewards of the first group before the first update'),
};

/** The keys by subject, in the order of the documentation. */
export const CONFIG_SECTIONS = {
  Model: modelShape,
  Data: dataShape,
  Generation: generationShape,
  Rewards: rewardShape,
  Loss: lossShape,
  Optimization: optimizationShape,
  Run: runShape,
} as const;

export const grpoConfigSchema = z.strictObject({
  ...modelShape,
  ...dataShape,
  ...generationShape,
  ...rewardShape,
  ...lossShape,
  ...optimizationShape,
  ...runShape,
});

export type GrpoConfig = z.infer<typeof grpoConfigSchema>;

type GrpoKeys = z.input<typeof grpoConfigSchema>;
type NeededKeys = 'model_name_or_path' | 'jsonl_path' | 'output_dir' | 'loss_type';
/** The keys as a user writes them: the others have defaults, their own or those of the preset `loss_type`. */
export type GrpoConfigInput = Pick<GrpoKeys, NeededKeys> & Partial<Omit<GrpoKeys, NeededKeys>>;
