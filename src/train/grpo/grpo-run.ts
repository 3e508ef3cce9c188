/**
 * A GRPO run from its configuration to its last checkpoint: loads model and data, drives the trainer, writes the run
 * directory, saves, resumes and stops cleanly.
 */

import { type Logger, TwgrpoError } from '../../base/index.ts';
import { EpochSampler } from '../../data/index.ts';
import { type GenerationConfig, openModelFolder } from '../../models/index.ts';
import { ItemFeed, promptLoader, rememberVideos, type VideoLoader } from '../../prompt/index.ts';
import { loadRewards } from '../../rollout/index.ts';
import { EventWriter } from '../../run/index.ts';
import { getNumThreads, setNumThreads } from '../../tensor/index.ts';
import type { GrpoConfig, ResolvedConfig } from '../config/config.ts';
import { Alarms } from '../loop/alarms.ts';
import { checkPrompts } from '../loop/check-prompts.ts';
import { loadOptimizer, readTrainerState, saveTrainingCheckpoint } from '../loop/checkpoint.ts';
import { loadQuestions } from '../loop/load-questions.ts';
import { loadPolicy, loadReference } from '../loop/policy-model.ts';
import { findResumed, openRun } from '../loop/resume.ts';
import { RunLength } from '../loop/run-length.ts';
import { GrpoTrainer, type StepReport } from './grpo-trainer.ts';
import { logProbe } from './probe.ts';
import { recordStep } from './run-records.ts';

export interface GrpoRunOptions {
  readonly resolved: ResolvedConfig;
  readonly logger: Logger;
  /** `auto`, or the path of a checkpoint or run folder. */
  readonly resume?: string | undefined;
  /** When aborted, the run finishes its step, saves and returns. */
  readonly signal?: AbortSignal | undefined;
  /** How videos are read; several runs in one process may share a memory of frames. Default: one of `video_cache_mib`. */
  readonly readVideo?: VideoLoader | undefined;
  /** Videos are being looked at before training. */
  readonly onCheck?: ((done: number, total: number) => void) | undefined;
  readonly onStart?:
    | ((start: {
        readonly step: number;
        /** Undefined where `max_minutes` alone ends the run. */
        readonly maxSteps: number | undefined;
        /** Seconds of training that earlier attempts used. */
        readonly usedS: number;
        readonly numItems: number;
      }) => void)
    | undefined;
  readonly onStep?: ((report: StepReport) => void) | undefined;
}

export interface GrpoRunResult {
  readonly output_dir: string;
  /** Steps done, those before a resume included. */
  readonly step: number;
  /** Undefined where `max_minutes` alone ended the run. */
  readonly max_steps: number | undefined;
  /** The last checkpoint written, the model of the run; undefined when it was stopped before its first step. */
  readonly checkpoint: string | undefined;
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
  const resumed = findResumed(config, options.resume, readTrainerState, logger);
  const { checkpointDir, saved } = resumed;
  if (config.save_only_model)
    logger.warn('save_only_model: checkpoints hold no optimizer, so nobody can resume this run from them');

  const base = config.model_name_or_path;
  const folder = openModelFolder(base);
  const { processor } = folder;
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
  const lengthKeys = {
    ...config,
    steps_of_data: Math.ceil((questions.length * config.num_train_epochs) / perStep),
    used_ms: saved?.used_ms ?? 0,
  };
  if (signal?.aborted)
    return {
      output_dir: config.output_dir,
      step: saved?.step ?? 0,
      max_steps: new RunLength(lengthKeys).maxSteps,
      checkpoint: checkpointDir,
      stopped: true,
    };
  // Refuses a position in other data, so before weights are loaded.
  const sampler = new EpochSampler({
    length: questions.length,
    seed: config.data_seed ?? config.seed,
    fingerprint,
  });
  if (saved !== undefined) sampler.loadState(saved.sampler);
  const model = loadPolicy(config, checkpointDir);
  const reference = config.beta > 0 && model.adapter === undefined ? loadReference(config) : undefined;
  const feed = new ItemFeed({
    questions,
    sampler,
    load: promptLoader(processor, config, options.readVideo ?? rememberVideos(config.video_cache_mib)),
    on_bad_video: config.on_bad_video,
    logger,
  });

  const length = new RunLength(lengthKeys);
  const { maxSteps } = length;
  tellUnusedSampling(folder.generation, config, logger);
  let isProbeDue = config.probe;
  const trainer = new GrpoTrainer({
    config,
    model,
    reference,
    prompts: feed,
    rewards,
    stop_token_ids: folder.stop_token_ids,
    banned_token_ids: folder.banned_token_ids,
    decode: (ids) => processor.tokenizer.decode(ids, { skip_special_tokens: true }),
    length,
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
  options.onStart?.({
    step: trainer.step,
    maxSteps,
    usedS: length.usedMs() / 1000,
    numItems: questions.length,
  });

  let checkpoint = checkpointDir;
  let savedStep = saved?.step ?? 0;
  // Of the last whole step: the feed itself runs ahead while a step is under way.
  let position = feed.state();
  const save = () => {
    if (savedStep === trainer.step) return;
    const state = {
      format: 1 as const,
      ...trainer.state(),
      ...(config.max_minutes === undefined ? {} : { used_ms: length.usedMs() }),
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
    while (!length.isOver(trainer.step) && signal?.aborted !== true) {
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
    if (!trainer.isTorn) {
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
