/**
 * The configuration of a GRPO run: one schema behind YAML files, `--set` and types. Names are TRL's, then the
 * authors', then ours (design of the loss keys: `rl/presets.ts`).
 *
 * Order of precedence: defaults < loss preset < YAML file < `--set`.
 */
import { z } from 'zod';
import {
  ACCURACY_KINDS,
  ANSWER_PARSERS,
  IMPORTANCE_SAMPLING_LEVELS,
  KL_ESTIMATORS,
  LOSS_NORMS,
  LOSS_PRESETS,
  SCALE_REWARDS,
  TOKEN_WEIGHT_MODES,
} from '../rl/index.ts';
import { ConfigError, type JsonObject } from '../run/index.ts';
import { VIDEO_PRESETS } from '../video/index.ts';
import { SCHEDULER_TYPES } from './schedule.ts';

const count = z.int().min(1);
const share = z.number().min(0).max(1);
const nonNegative = z.number().min(0);

/** Keys that describe where prompts come from and how they are shown; shared with SFT and evaluation. */
const dataShape = {
  jsonl_path: z.string().describe('items {problem, video, solution}, JSON or JSONL'),
  video_root: z.string().default('.').describe('folder that relative video paths start from'),
  video_prefix: z
    .string()
    .optional()
    .describe('beginning of the paths in the data file that video_root stands for, for example /MMVU'),
  question_type: z
    .enum(['mixed', 'single', 'multiple'])
    .default('mixed')
    .describe('which items to train on: all, those with one right option, those with several'),
  max_samples: count.optional().describe('use only this many items, drawn with data_seed'),
  prompt_template: z.string().default('tw-grpo').describe('how a question is put: see docs'),
  video: z.enum(VIDEO_PRESETS).default('correct').describe('frame sampling and pixel budget by name'),
  fps: z.number().positive().optional().describe('frames sampled a second'),
  max_frames: count.optional().describe('most frames of one video'),
  min_pixels: count.optional().describe('least pixels a frame'),
  max_pixels: count.optional().describe('most pixels a frame'),
  total_pixels: count.optional().describe('most pixels of all frames together'),
  on_bad_video: z
    .enum(['error', 'skip'])
    .default('error')
    .describe('a video that can not be read: stop, or count it and take the next item'),
  max_prompt_length: count.default(4096).describe('longer prompts are an error before training'),
};

const modelShape = {
  model_name_or_path: z.string().describe('folder of a Qwen2-VL or Qwen2.5-VL checkpoint'),
  dtype: z
    .enum(['auto', 'float32', 'bfloat16'])
    .default('auto')
    .describe('how weights are stored; auto: as in the file'),
  device: z.string().default('cpu').describe('cpu or cuda:N'),
  num_threads: count.optional().describe('threads of one operator; default: all cores'),
  freeze_vision: z.boolean().default(true).describe('do not train the vision tower'),
  freeze_merger: z.boolean().default(true).describe('do not train the patch merger'),
  lora_r: count.optional().describe('rank of a low-rank adapter; absent: train the weights themselves'),
  lora_alpha: z.number().positive().default(16),
  lora_target_modules: z
    .array(z.string())
    .min(1)
    .default(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']),
};

const generationShape = {
  num_generations: z.int().min(1).default(8).describe('completions of each prompt (G)'),
  max_completion_length: count.default(512),
  temperature: z.number().positive().default(1),
  top_k: z.int().min(0).default(0).describe('0: off'),
  top_p: z.number().gt(0).max(1).default(1),
  min_p: share.default(0),
  repetition_penalty: z.number().positive().default(1),
};

const rewardShape = {
  reward_funcs: z
    .array(z.string())
    .min(1)
    .default(['accuracy', 'format'])
    .describe('accuracy, format, format_strict, or the path of a module that exports `reward`'),
  reward_weights: z.array(z.number()).optional().describe('one for each of reward_funcs; default all 1'),
  accuracy: z.enum(ACCURACY_KINDS).default('soft'),
  answer_parser: z.enum(ANSWER_PARSERS).default('tolerant'),
};

const lossShape = {
  loss_type: z.enum(['grpo', 'tw_grpo', 'dapo', 'dr_grpo', 'gspo']).describe('a preset for the keys below'),
  loss_norm: z.enum(LOSS_NORMS),
  token_weight: z.enum(TOKEN_WEIGHT_MODES),
  token_weight_max: z.number().min(1).describe("upper end of the weights; the authors' alpha"),
  token_weight_detach: z.boolean(),
  token_weight_quantile: z.number().min(0).lt(0.5),
  epsilon: share,
  epsilon_high: nonNegative,
  delta: z
    .number()
    .positive()
    .optional()
    .describe('dual clip: upper limit of the ratio at negative advantages'),
  beta: nonNegative.describe('weight of the KL to the reference policy; 0: no reference model'),
  kl_estimator: z.enum(KL_ESTIMATORS),
  importance_sampling_level: z.enum(IMPORTANCE_SAMPLING_LEVELS),
  entropy_coef: nonNegative,
  scale_rewards: z.enum(SCALE_REWARDS),
  mask_truncated_completions: z.boolean(),
  dynamic_sampling: z
    .boolean()
    .describe('sample other prompts in place of groups whose rewards are all equal'),
  max_resample_times: count.default(3).describe('at most so many tries for one step'),
  num_iterations: count.default(1).describe('optimizer steps on one set of completions'),
};

const optimizationShape = {
  learning_rate: z.number().positive().default(1e-6),
  lr_scheduler_type: z.enum(SCHEDULER_TYPES).default('linear'),
  warmup_ratio: share.default(0),
  weight_decay: nonNegative.default(0),
  adam_beta1: share.default(0.9),
  adam_beta2: share.default(0.999),
  adam_epsilon: z.number().positive().default(1e-8),
  max_grad_norm: z.number().positive().default(1),
  per_device_train_batch_size: count
    .default(1)
    .describe('prompts a micro-batch; each has num_generations completions'),
  gradient_accumulation_steps: count.default(1).describe('micro-batches a step'),
  num_train_epochs: z.number().positive().default(1),
  max_steps: z.int().min(1).optional().describe('overrides num_train_epochs'),
  gradient_checkpointing: z.boolean().default(true),
  logits_chunk_mib: z.number().positive().default(64).describe('memory of one chunk of logits in the loss'),
  max_bad_steps: count.default(5).describe('stop after so many refused (non-finite) steps in a row'),
};

const runShape = {
  output_dir: z.string(),
  run_name: z.string().optional(),
  seed: z.int().min(0).default(42).describe('sampling of completions'),
  data_seed: z.int().min(0).optional().describe('order of the items; default: seed'),
  logging_steps: count.default(1),
  save_steps: count.default(100),
  save_total_limit: count.optional(),
  save_only_model: z.boolean().default(false),
  report_to: z.array(z.enum(['jsonl', 'tensorboard'])).default(['jsonl']),
  log_completions: z.boolean().default(true),
};

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

/** Other projects' names for our keys. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  alpha: ['token_weight_max'],
  freeze_vision_modules: ['freeze_vision', 'freeze_merger'],
};

export interface ResolvedConfig {
  readonly config: GrpoConfig;
  /** Where each value that is not a default came from. */
  readonly sources: Readonly<Record<string, string>>;
}

/** One source of values, the later the stronger. */
export interface ConfigLayer {
  /** For error texts and comments, for example `recipes/x.yaml` or `--set`. */
  readonly source: string;
  readonly values: JsonObject;
}

/**
 * Merges the layers, fills in the loss preset and the defaults, and checks everything at once.
 * @throws ConfigError that lists every misspelt, missing or impossible key with where it was set
 */
export function resolveGrpoConfig(layers: readonly ConfigLayer[]): ResolvedConfig {
  const values: Record<string, unknown> = {};
  const sources: Record<string, string> = {};
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer.values)) {
      for (const name of ALIASES[key] ?? [key]) {
        values[name] = value;
        sources[name] = name === key ? layer.source : `${layer.source} (as ${key})`;
      }
    }
  }
  const lossType = values['loss_type'];
  if (typeof lossType === 'string' && lossType in LOSS_PRESETS) {
    for (const [key, value] of Object.entries(LOSS_PRESETS[lossType as keyof typeof LOSS_PRESETS])) {
      if (key in values) continue;
      values[key] = value;
      sources[key] = `loss_type ${lossType}`;
    }
  }
  const parsed = grpoConfigSchema.safeParse(values);
  if (!parsed.success) throw new ConfigError(explain(parsed.error, sources, values));
  const config = parsed.data;
  checkAcross(config);
  return { config, sources };
}

function explain(
  error: z.ZodError,
  sources: Readonly<Record<string, string>>,
  values: Readonly<Record<string, unknown>>,
): string {
  const known = Object.keys(grpoConfigSchema.shape);
  const lines = error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        const guess = closest(key, [...known, ...Object.keys(ALIASES)]);
        return `${key} (${sources[key]}): no such key${guess === undefined ? '' : `; did you mean ${guess}?`}`;
      });
    const key = issue.path.join('.');
    const top = String(issue.path[0]);
    if (values[top] === undefined) {
      // A missing loss preset leaves all its keys missing; one line says it.
      if (top !== 'loss_type' && top in LOSS_PRESETS.grpo) return [];
      return [`${key}: missing`];
    }
    return [`${key} (${sources[top]}): ${issue.message}, got ${JSON.stringify(values[top])}`];
  });
  return `the configuration has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}:\n  ${lines.join('\n  ')}`;
}

/** What one key alone can't show. */
function checkAcross(config: GrpoConfig): void {
  if (config.reward_weights !== undefined && config.reward_weights.length !== config.reward_funcs.length)
    throw new ConfigError(
      `reward_weights has ${config.reward_weights.length} numbers, reward_funcs ${config.reward_funcs.length} names; they belong together`,
    );
  if (config.delta !== undefined && config.delta <= 1 + config.epsilon_high)
    throw new ConfigError(
      `delta (${config.delta}) must be above 1 + epsilon_high (${1 + config.epsilon_high})`,
    );
}

/** The known name nearest to a misspelt one, if it is near at all. */
function closest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((name) => ({ name, distance: editDistance(word, name) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= Math.max(2, word.length / 3) ? best.name : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
