/**
 * A GRPO run from its configuration to its last checkpoint: loads model and data, drives the trainer, writes the run
 * directory, saves, resumes and stops cleanly.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { drawSubset, EpochSampler, isOfType, readItems } from '../data/index.ts';
import {
  createLora,
  type GenerationConfig,
  loadLora,
  Processor,
  Qwen2_5VL,
  readGenerationConfig,
} from '../models/index.ts';
import { bannedTokenIds, promptLoader, stopTokenIds, toQuestion } from '../rollout/index.ts';
import {
  CheckpointError,
  ConfigError,
  DataError,
  EventWriter,
  type JsonObject,
  type Logger,
  RunDirectory,
  TwgrpoError,
} from '../run/index.ts';
import { getNumThreads, keep, setNumThreads } from '../tensor/index.ts';
import { Alarms } from './alarms.ts';
import { checkPrompts } from './check-prompts.ts';
import {
  findCheckpoint,
  loadOptimizer,
  readTrainerState,
  saveTrainingCheckpoint,
  setAsideAfter,
} from './checkpoint.ts';
import type { GrpoConfig, ResolvedConfig } from './config.ts';
import { GrpoTrainer, type StepReport } from './grpo-trainer.ts';
import { ItemFeed } from './item-feed.ts';
import { logProbe } from './probe.ts';
import { loadRewards } from './rewards.ts';
import { changedKeys, runConfigLayer } from './run-config.ts';
import { recordStep } from './run-records.ts';
import { deriveSeed } from './seeds.ts';

export interface GrpoRunOptions {
  readonly resolved: ResolvedConfig;
  readonly logger: Logger;
  /** `auto`, or the path of a checkpoint or run folder. */
  readonly resume?: string | undefined;
  /** When aborted, the run finishes its step, saves and returns. */
  readonly signal?: AbortSignal | undefined;
  /** Videos are being looked at before training. */
  readonly onCheck?: ((done: number, total: number) => void) | undefined;
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
 * @throws TwgrpoError when too many updates in a row were refused, after saving
 */
export async function runGrpo(options: GrpoRunOptions): Promise<GrpoRunResult> {
  const { resolved, logger, signal } = options;
  const { config } = resolved;
  if (config.num_threads !== undefined) setNumThreads(config.num_threads);

  const { questions, fingerprint } = loadQuestions(config);
  const perStep = config.per_device_train_batch_size * config.gradient_accumulation_steps;
  const maxSteps = config.max_steps ?? Math.ceil((questions.length * config.num_train_epochs) / perStep);
  const resumed = findResumed(config, options.resume, logger);
  const { checkpointDir, saved } = resumed;
  if (config.save_only_model)
    logger.warn('save_only_model: checkpoints hold no optimizer, so nobody can resume this run from them');

  const base = config.model_name_or_path;
  const processor = Processor.fromPretrained(base);
  const rewards = await loadRewards(config);
  const rewardNames = rewards.map(({ name }) => name);
  if (config.check_prompts && saved === undefined) {
    const { longest } = await checkPrompts(questions, {
      processor,
      config,
      logger,
      signal,
      onProgress: options.onCheck,
    });
    logger.debug({ longest }, 'prompts measured');
  }
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
  tellUnusedSampling(generation, config, logger);
  let isProbeDue = config.probe;
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
    onExperience: ([first]) => {
      if (isProbeDue && first !== undefined) logProbe(first, rewardNames, config, logger);
      isProbeDue = false;
    },
  });
  if (saved !== undefined && checkpointDir !== undefined) {
    trainer.loadState({ step: saved.step, numTokens: saved.numTokens, badStepsInARow: saved.badStepsInARow });
    loadOptimizer(checkpointDir, trainer.optimizer);
  }

  const run = openRun(resolved, resumed, logger);
  const alarms = new Alarms(run.readMetrics());
  const events = config.report_to.includes('tensorboard')
    ? new EventWriter(config.output_dir, saved === undefined ? {} : { resumeStep: saved.step })
    : undefined;
  options.onStart?.({ step: trainer.step, maxSteps, numItems: questions.length });

  let checkpoint = checkpointDir ?? '';
  let savedStep = saved?.step ?? -1;
  // Of the last whole step: the feed itself runs ahead while a step is under way.
  let position = feed.state();
  const save = () => {
    if (savedStep === trainer.step) return;
    const state = {
      format: 1 as const,
      ...trainer.state(),
      sampler: position,
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
      position = feed.state();
      recordStep({ run, events, config, report, rewardNames, tokenizer: processor.tokenizer });
      if (report.step % config.logging_steps === 0) {
        for (const alert of alarms.check(report.metrics)) {
          run.appendAlert({ ...alert });
          logger.warn({ step: alert.step }, alert.message);
        }
      }
      options.onStep?.(report);
      if (trainer.badStepsInARow >= config.max_bad_steps)
        throw new TwgrpoError(
          `${trainer.badStepsInARow} updates in a row were refused: loss or gradients are not finite`,
          {
            hint: 'lower learning_rate or max_grad_norm, and look at the last completions; the saved weights are those of the last good update',
          },
        );
      if (trainer.step % config.save_steps === 0) save();
    }
    save();
  } catch (error) {
    // Nothing is lost: what was learned up to the last whole step is saved before the error is shown.
    if (trainer.step > Math.max(savedStep, 0) && !trainer.isTorn) {
      try {
        save();
      } catch (cause) {
        logger.error({ err: cause }, 'and the last steps could not be saved');
      }
    }
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

interface Resumed {
  /** Absent for a new run, and for one that is begun again because it never saved. */
  readonly checkpointDir?: string | undefined;
  readonly saved?: ReturnType<typeof readTrainerState> | undefined;
  /** Whether `output_dir` holds a run to go on with. */
  readonly isOldRun: boolean;
}

/** What `--resume` means here. */
function findResumed(config: GrpoConfig, resume: string | undefined, logger: Logger): Resumed {
  if (resume === undefined) return { isOldRun: false };
  const isOldRun = existsSync(join(config.output_dir, 'run.json'));
  const checkpointDir = findCheckpoint(config.output_dir, resume);
  if (checkpointDir === undefined) {
    if (isOldRun) logger.warn('no checkpoint to resume from: the run begins again at its first step');
    return { isOldRun };
  }
  if (dirname(resolve(checkpointDir)) !== resolve(config.output_dir))
    throw new ConfigError(
      `${checkpointDir} lies in another run than output_dir ${config.output_dir}; a run is resumed in its own folder`,
      { hint: 'leave output_dir as it was, or start a new run with the checkpoint as model_name_or_path' },
    );
  if (!isOldRun)
    throw new CheckpointError(`${config.output_dir}: a checkpoint without its run: run.json is missing`, {
      hint: 'start a new run with the checkpoint as model_name_or_path',
    });
  const saved = readTrainerState(checkpointDir);
  if (saved.num_threads !== getNumThreads())
    logger.warn(
      { saved: saved.num_threads, now: getNumThreads() },
      'the number of threads differs from the saved run: results will differ in the last bits',
    );
  return { checkpointDir, saved, isOldRun };
}

/** A new run folder, or the old one cut at the step that was restored. */
function openRun(
  { config, sources }: ResolvedConfig,
  { saved, isOldRun }: Resumed,
  logger: Logger,
): RunDirectory {
  const create = { config: config as unknown as JsonObject, sources };
  if (!isOldRun) return RunDirectory.create(config.output_dir, create);
  const step = saved?.step ?? 0;
  const changed = changedKeys(runConfigLayer(config.output_dir).values, config);
  if (changed.length > 0)
    logger.warn(`the configuration differs from that of the run so far: ${changed.join('; ')}`);
  const aside = setAsideAfter(config.output_dir, step);
  if (aside.length > 0)
    logger.warn(
      `checkpoints after step ${step} belong to another course of the run now: ${aside.join(', ')}`,
    );
  return RunDirectory.resume(config.output_dir, step, create);
}

/** Training samples as the configuration says; what the model's folder would have it do must not be lost silently. */
function tellUnusedSampling(generation: GenerationConfig, config: GrpoConfig, logger: Logger): void {
  const unused = (['temperature', 'top_k', 'top_p', 'repetition_penalty'] as const).flatMap((key) =>
    generation[key] === undefined || generation[key] === config[key]
      ? []
      : [`${key} ${generation[key]} (used: ${config[key]})`],
  );
  if (unused.length > 0)
    logger.info(
      `sampling follows the configuration, not the model's generation_config.json: ${unused.join(', ')}`,
    );
}

/** Items of the configured type, or the drawn part of them. */
function loadQuestions(config: GrpoConfig) {
  const file = readItems(config.jsonl_path);
  const wanted = file.items.filter((item) => isOfType(item, config.question_type));
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
              exclude_modules: frozenVision(config),
            },
            { seed: Number(deriveSeed(config.seed, 'lora') % 2n ** 53n) },
          )
        : loadLora(checkpointDir, model.weights);
    keep(model.adapter.weights);
  }
  model.freeze({ vision: config.freeze_vision, merger: config.freeze_merger });
  return model;
}

/** Pattern of the vision modules that get no adapter, by transformers' names. */
function frozenVision({ freeze_vision, freeze_merger }: GrpoConfig): string | undefined {
  if (freeze_vision && freeze_merger) return '.*visual.*';
  if (freeze_vision) return '.*visual\\.(?!merger).*';
  return freeze_merger ? '.*visual\\.merger.*' : undefined;
}

/** A frozen copy of the start. */
function loadReference(config: GrpoConfig): Qwen2_5VL {
  const reference = Qwen2_5VL.fromPretrained(config.model_name_or_path, modelOptions(config));
  reference.freeze({ vision: true, merger: true, text: true });
  return reference;
}
