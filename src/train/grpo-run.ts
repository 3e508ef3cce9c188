/**
 * A GRPO run from its configuration to its last checkpoint: loads model and data, drives the trainer, writes the run
 * directory, saves, resumes and stops cleanly.
 */
import { drawSubset, EpochSampler, isMultiple, readItems } from '../data/index.ts';
import { createLora, loadLora, Processor, Qwen2_5VL, readGenerationConfig } from '../models/index.ts';
import { bannedTokenIds, promptLoader, stopTokenIds, toQuestion } from '../rollout/index.ts';
import { DataError, EventWriter, type JsonObject, type Logger, RunDirectory } from '../run/index.ts';
import { getNumThreads, keep, setNumThreads } from '../tensor/index.ts';
import { findCheckpoint, loadOptimizer, readTrainerState, saveTrainingCheckpoint } from './checkpoint.ts';
import type { GrpoConfig, ResolvedConfig } from './config.ts';
import { GrpoTrainer, type StepReport } from './grpo-trainer.ts';
import { ItemFeed } from './item-feed.ts';
import { loadRewards } from './rewards.ts';
import { deriveSeed } from './seeds.ts';

export interface GrpoRunOptions {
  readonly resolved: ResolvedConfig;
  readonly logger: Logger;
  /** `auto` or the path of a checkpoint. */
  readonly resume?: string | undefined;
  /** When aborted, the run finishes its step, saves and returns. */
  readonly signal?: AbortSignal | undefined;
  readonly onStart?:
    | ((start: { readonly step: number; readonly maxSteps: number; readonly numItems: number }) => void)
    | undefined;
  readonly onStep?: ((report: StepReport) => void) | undefined;
}

export interface GrpoRunResult {
  readonly output_dir: string;
  /** Steps done, those before a resume included. */
  readonly step: number;
  readonly max_steps: number;
  /** The last checkpoint written; the model of the run. */
  readonly checkpoint: string;
  readonly stopped: boolean;
}

/**
 * @throws ConfigError, DataError, CheckpointError, VideoError before or during training, each naming file and key
 */
export async function runGrpo(options: GrpoRunOptions): Promise<GrpoRunResult> {
  const { resolved, logger, signal } = options;
  const { config } = resolved;
  if (config.num_threads !== undefined) setNumThreads(config.num_threads);

  const { questions, fingerprint } = loadQuestions(config);
  const perStep = config.per_device_train_batch_size * config.gradient_accumulation_steps;
  const maxSteps = config.max_steps ?? Math.ceil((questions.length * config.num_train_epochs) / perStep);
  const checkpointDir =
    options.resume === undefined ? undefined : findCheckpoint(config.output_dir, options.resume);
  const saved = checkpointDir === undefined ? undefined : readTrainerState(checkpointDir);
  if (saved !== undefined && saved.num_threads !== getNumThreads())
    logger.warn(
      { saved: saved.num_threads, now: getNumThreads() },
      'the number of threads differs from the saved run: results will differ in the last bits',
    );

  const base = config.model_name_or_path;
  const processor = Processor.fromPretrained(base);
  const rewards = await loadRewards(config);
  const model = loadPolicy(config, checkpointDir);
  const reference = config.beta > 0 && model.adapter === undefined ? loadReference(config) : undefined;
  const sampler = new EpochSampler({
    length: questions.length,
    seed: config.data_seed ?? config.seed,
    fingerprint,
  });
  if (saved !== undefined) sampler.loadState(saved.sampler);
  const feed = new ItemFeed({
    questions,
    sampler,
    load: promptLoader(processor, config),
    on_bad_video: config.on_bad_video,
    logger,
  });

  const generation = readGenerationConfig(base, model.config);
  const trainer = new GrpoTrainer({
    config,
    model,
    reference,
    prompts: feed,
    rewards,
    stop_token_ids: stopTokenIds(generation, model.config),
    banned_token_ids: bannedTokenIds(processor, generation),
    decode: (ids) => processor.tokenizer.decode(ids, { skip_special_tokens: true }),
    maxSteps,
    logger,
  });
  if (saved !== undefined && checkpointDir !== undefined) {
    trainer.loadState({ step: saved.step, numTokens: saved.numTokens, badStepsInARow: saved.badStepsInARow });
    loadOptimizer(checkpointDir, trainer.optimizer);
  }

  const create = { config: config as unknown as JsonObject, sources: resolved.sources };
  const run =
    saved === undefined
      ? RunDirectory.create(config.output_dir, create)
      : RunDirectory.resume(config.output_dir, saved.step, create);
  const events = config.report_to.includes('tensorboard')
    ? new EventWriter(config.output_dir, saved === undefined ? {} : { resumeStep: saved.step })
    : undefined;
  options.onStart?.({ step: trainer.step, maxSteps, numItems: questions.length });

  let checkpoint = checkpointDir ?? '';
  let savedStep = saved?.step ?? -1;
  const save = () => {
    if (savedStep === trainer.step) return;
    const state = {
      format: 1 as const,
      ...trainer.state(),
      sampler: feed.state(),
      num_threads: getNumThreads(),
    };
    checkpoint = saveTrainingCheckpoint(config.output_dir, trainer.step, {
      model,
      from: base,
      training: config.save_only_model ? undefined : { optimizer: trainer.optimizer, state },
      save_total_limit: config.save_total_limit,
    });
    savedStep = trainer.step;
    logger.debug({ checkpoint }, 'checkpoint saved');
  };

  try {
    while (trainer.step < maxSteps && signal?.aborted !== true) {
      const report = await trainer.trainStep();
      record(
        run,
        events,
        config,
        report,
        rewards.map(({ name }) => name),
      );
      options.onStep?.(report);
      if (trainer.step % config.save_steps === 0) save();
    }
    save();
  } catch (error) {
    // Nothing is lost: what was learned up to the last good step is saved before the error is shown.
    if (trainer.step > Math.max(savedStep, 0)) save();
    throw error;
  } finally {
    events?.close();
    await feed.dispose();
    trainer.dispose();
    model.dispose();
    reference?.dispose();
  }
  return {
    output_dir: config.output_dir,
    step: trainer.step,
    max_steps: maxSteps,
    checkpoint,
    stopped: signal?.aborted === true,
  };
}

/** Items of the configured type, or the drawn part of them. */
function loadQuestions(config: GrpoConfig) {
  const file = readItems(config.jsonl_path);
  const wanted = file.items.filter(
    (item) => config.question_type === 'mixed' || (config.question_type === 'multiple') === isMultiple(item),
  );
  if (wanted.length === 0)
    throw new DataError(
      `${config.jsonl_path}: none of its ${file.items.length} items is of question_type ${config.question_type}`,
      {
        hint: 'use question_type: mixed, or another file',
      },
    );
  const seed = config.data_seed ?? config.seed;
  const { max_samples = wanted.length } = config;
  const drawn = drawSubset(wanted.length, max_samples, seed).map((index) => wanted[index]!);
  return { questions: drawn.map((item) => toQuestion(item, config)), fingerprint: file.fingerprint };
}

/** How the folder is loaded. The authors' transformers placed text after a video by its largest position. */
function modelOptions({ device, dtype, video }: GrpoConfig) {
  return {
    device,
    ...(dtype === 'auto' ? {} : { dtype }),
    text_after_vision: video === 'correct' ? ('spatial' as const) : ('largest' as const),
  };
}

/** The model that trains: with its adapter or its thawed weights, from the start or from a checkpoint. */
function loadPolicy(config: GrpoConfig, checkpointDir: string | undefined): Qwen2_5VL {
  const isLora = config.lora_r !== undefined;
  const dir = checkpointDir !== undefined && !isLora ? checkpointDir : config.model_name_or_path;
  const model = Qwen2_5VL.fromPretrained(dir, modelOptions(config));
  if (config.lora_r !== undefined) {
    model.adapter =
      checkpointDir === undefined
        ? createLora(
            model.weights,
            {
              r: config.lora_r,
              lora_alpha: config.lora_alpha,
              use_rslora: false,
              target_modules: config.lora_target_modules,
              exclude_modules: config.freeze_vision && config.freeze_merger ? '.*visual.*' : undefined,
            },
            { seed: Number(deriveSeed(config.seed, 'lora') % 2n ** 53n) },
          )
        : loadLora(checkpointDir, model.weights);
    keep(model.adapter.weights);
  }
  model.freeze({ vision: config.freeze_vision, merger: config.freeze_merger });
  return model;
}

/** A frozen copy of the start. */
function loadReference(config: GrpoConfig): Qwen2_5VL {
  const reference = Qwen2_5VL.fromPretrained(config.model_name_or_path, modelOptions(config));
  reference.freeze({ vision: true, merger: true, text: true });
  return reference;
}

function record(
  run: RunDirectory,
  events: EventWriter | undefined,
  config: GrpoConfig,
  { step, metrics, groups, tokens }: StepReport,
  rewardNames: readonly string[],
): void {
  if (step % config.logging_steps === 0) {
    run.appendMetrics(metrics);
    const { step: _, ...numbers } = metrics;
    events?.scalars(numbers as Record<string, number>, step);
  }
  if (!config.log_completions) return;
  run.appendCompletions(
    step,
    groups.flatMap((group, g) =>
      group.scored.map((one, row) => ({
        step,
        group: g,
        row,
        item: group.question.id,
        video: group.question.video,
        problem: group.question.problem,
        solution: group.question.solution,
        completion: one.text,
        rewards: Object.fromEntries(rewardNames.map((name, f) => [name, one.rewards[f]!])),
        reward: one.reward,
        advantage: one.advantage,
        length: one.ids.length,
        truncated: one.truncated,
        completion_ids: [...one.ids],
        token_weights: tokens[g]!.weights[row]!.map((weight) => Number(weight.toPrecision(6))),
      })),
    ),
  );
}
