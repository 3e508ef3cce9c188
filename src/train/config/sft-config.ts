/**
 * Every key of a supervised run with its range, default and meaning; keys that a GRPO run has too are the same ones.
 */
import { z } from 'zod';
import { ConfigError } from '../../base/index.ts';
import { checkShardKeys } from '../shard/shard-run.ts';
import { type ConfigLayer, checkConfig, mergeLayers, type Resolved } from './config-layers.ts';
import { CONFIG_SECTIONS } from './config-schema.ts';

const count = z.int().min(1);

const { Model, Data, Optimization, Run } = CONFIG_SECTIONS;

const modelShape = {
  ...Model,
  freeze_vision: Model.freeze_vision.default(false),
  freeze_merger: Model.freeze_merger.default(false),
};

const dataShape = {
  ...Data,
  jsonl_path: Data.jsonl_path.describe(
    'what to learn: {problem, video, process, solution}, or any format data check reads',
  ),
  max_completion_length: count
    .default(1024)
    .describe('tokens of an answer with its reasoning; a longer one is an error, held-out answers are cut'),
  pack_size: count
    .default(8)
    .describe('questions about one video that are computed together: their common beginning once'),
  video_cache_mib: z
    .number()
    .min(0)
    .default(1024)
    .describe('memory for decoded frames, so that later epochs need not decode again; 0: none'),
};

const optimizationShape = {
  optimizer: z
    .enum(['adamw', 'muon'])
    .default('adamw')
    .describe(
      'muon: for matrices inside the network; AdamW goes on with embeddings, head, patches and vectors',
    ),
  muon_learning_rate: z
    .number()
    .positive()
    .default(0.02)
    .describe('of Muon, at the top of the same schedule'),
  ...z.object(Optimization).omit({ prompts_per_micro_batch: true }).shape,
  learning_rate: Optimization.learning_rate.default(1e-5).describe('of AdamW, at the top of the schedule'),
  logits_chunk_mib: Optimization.logits_chunk_mib.describe(
    'memory of the logits of one chunk in the loss, whose gradient takes four times as much; absent: 256 on a GPU, 64 on the processor',
  ),
  packs_per_micro_batch: count
    .default(1)
    .describe('packs (videos with up to pack_size questions) a micro-batch'),
  num_train_epochs: Optimization.num_train_epochs.describe(
    'passes over the data, where neither max_steps nor max_minutes is set',
  ),
  max_steps: Optimization.max_steps.describe('steps of the whole run'),
  max_minutes: Optimization.max_minutes.describe(
    'wall time of the whole run, evaluations and earlier attempts included; the schedule follows the share that has passed',
  ),
};

const where = z
  .record(z.string(), z.array(z.string()).min(1))
  .describe('which items: for each dimension of `dims` its values');

const stageSchema = z.strictObject({
  where: where.default({}),
  until: z.number().gt(0).max(1).optional(),
  max_steps: count.optional(),
  learning_rate: z.number().positive().optional(),
  muon_learning_rate: z.number().positive().optional(),
});

const curriculumShape = {
  curriculum: z
    .array(stageSchema)
    .min(1)
    .optional()
    .describe(
      'stages {where, until, max_steps, learning_rate, muon_learning_rate}; a stage ends when the strict accuracy on its held-out items reaches `until`',
    ),
};

const evaluationShape = {
  eval_jsonl_path: z.string().optional().describe('held-out questions; absent: no evaluation'),
  eval_steps: count.default(100).describe('steps between two evaluations; one more is made at the end'),
  max_eval_samples: count
    .default(200)
    .describe('held-out questions an evaluation asks, drawn with data_seed among those of the stage'),
  per_device_eval_batch_size: count.default(16).describe('held-out questions answered together'),
};

const runShape = {
  ...z.object(Run).omit({ data_order: true, log_completions: true, probe: true }).shape,
  output_dir: Run.output_dir.describe('the run folder: metrics, evaluations, checkpoints'),
  seed: Run.seed.describe('new adapters, and the order of the data unless data_seed is set'),
};

/** The keys by subject, in the order of the documentation. */
export const SFT_CONFIG_SECTIONS = {
  Model: modelShape,
  Data: dataShape,
  Optimization: optimizationShape,
  Curriculum: curriculumShape,
  Evaluation: evaluationShape,
  Run: runShape,
} as const;

export const sftConfigSchema = z.strictObject({
  ...modelShape,
  ...dataShape,
  ...optimizationShape,
  ...curriculumShape,
  ...evaluationShape,
  ...runShape,
});

export type SftConfig = z.infer<typeof sftConfigSchema>;
export type CurriculumStage = z.infer<typeof stageSchema>;

/**
 * Merges the layers, fills in the defaults and checks everything at once.
 * @throws ConfigError that lists every misspelt, missing or impossible key with where it was set
 */
export function resolveSftConfig(layers: readonly ConfigLayer[]): Resolved<SftConfig> {
  const resolved = checkConfig(sftConfigSchema, mergeLayers(layers, sftConfigSchema));
  checkAcross(resolved.config);
  return resolved;
}

/** What one key alone can't show. */
function checkAcross(config: SftConfig): void {
  checkShardKeys(config);
  const { curriculum, min_pixels, max_pixels } = config;
  if (min_pixels !== undefined && max_pixels !== undefined && min_pixels > max_pixels)
    throw new ConfigError(`min_pixels (${min_pixels}) must not be above max_pixels (${max_pixels})`);
  if (config.offload_optimizer && config.optimizer === 'muon')
    throw new ConfigError('offload_optimizer is for optimizer: adamw; Muon works on the device', {
      hint: 'set optimizer: adamw, or leave offload_optimizer out',
    });
  if (curriculum === undefined) return;
  if (config.max_steps === undefined && config.max_minutes === undefined)
    throw new ConfigError(
      'curriculum needs max_steps or max_minutes: how long stages take is not known before',
      {
        hint: 'set one of them; a run also ends when its last stage does',
      },
    );
  curriculum.forEach(({ until, max_steps }, index) => {
    if (until !== undefined && config.eval_jsonl_path === undefined)
      throw new ConfigError(`curriculum.${index}.until needs held-out questions: eval_jsonl_path is missing`);
    if (until === undefined && max_steps === undefined && index < curriculum.length - 1)
      throw new ConfigError(
        `curriculum.${index} never ends, so curriculum.${index + 1} never begins: expected until or max_steps`,
      );
  });
}
