/**
 * A supervised run from its configuration to its last checkpoint: loads model and data, steps, evaluates, goes through the
 * stages of the curriculum, writes the run directory, saves, resumes and stops cleanly.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, type Logger, TwgrpoError, writeFileAtomic } from '../../base/index.ts';
import { drawSubset, EpochSampler, type Question } from '../../data/index.ts';
import { openModelFolder, type VisionFrames } from '../../models/index.ts';
import { FrameCache, frameDecoder, ItemFeed } from '../../prompt/index.ts';
import { EventWriter, last, type MetricAccumulator, type MetricsRow, stepName } from '../../run/index.ts';
import { getNumThreads, setNumThreads } from '../../tensor/index.ts';
import type { Resolved } from '../config/config-layers.ts';
import type { CurriculumStage, SftConfig } from '../config/sft-config.ts';
import { checkPrompts } from '../loop/check-prompts.ts';
import { loadOptimizer, readState, saveTrainingCheckpoint } from '../loop/checkpoint.ts';
import { loadQuestions } from '../loop/load-questions.ts';
import { loadPolicy } from '../loop/policy-model.ts';
import { findResumed, openRun } from '../loop/resume.ts';
import { learningRateAt } from '../optim/schedule.ts';
import type { LearningRates } from '../optim/sft-optimizer.ts';
import { Curriculum, isWhere, whereText } from './curriculum.ts';
import { evaluateHeldOut, type HeldOutResult, heldOutMetrics, heldOutRecord } from './held-out.ts';
import { packQuestions, SftEncoder, type SftPack } from './sft-packs.ts';
import { type ReadyPack, SftTrainer } from './sft-trainer.ts';

/** Where a run is, for a progress bar. */
export interface SftProgress {
  readonly step: number;
  /** Steps of the whole run, or undefined where `max_minutes` alone ends it. */
  readonly maxSteps: number | undefined;
  /** Seconds used so far, earlier attempts included. */
  readonly usedS: number;
  readonly maxS: number | undefined;
}

export interface SftStepReport extends SftProgress {
  readonly metrics: MetricsRow;
}

export interface SftRunOptions {
  readonly resolved: Resolved<SftConfig>;
  readonly logger: Logger;
  /** `auto`, or the path of a checkpoint or run folder. */
  readonly resume?: string | undefined;
  /** When aborted, the run finishes its step, saves and returns. */
  readonly signal?: AbortSignal | undefined;
  /** Frames of a question, owned by the caller. @default its video, decoded with the settings of the run */
  readonly decode?: ((question: Question) => Promise<VisionFrames>) | undefined;
  /** Videos are being looked at before training. */
  readonly onCheck?: ((done: number, total: number) => void) | undefined;
  readonly onStart?:
    | ((start: SftProgress & { readonly numItems: number; readonly numPacks: number }) => void)
    | undefined;
  readonly onStep?: ((report: SftStepReport) => void) | undefined;
  readonly onEvaluation?: ((step: number, stage: number, result: HeldOutResult) => void) | undefined;
}

export interface SftRunResult {
  readonly output_dir: string;
  readonly step: number;
  /** The last checkpoint written; the model of the run. */
  readonly checkpoint: string;
  readonly stopped: boolean;
  /** Stages of the curriculum that have ended. */
  readonly stages_done: number;
  /** Of the last evaluation. */
  readonly eval_strict?: number | undefined;
}

const stateSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal('sft'),
  step: z.int().min(0),
  numTokens: z.int().min(0),
  numQuestions: z.int().min(0),
  badStepsInARow: z.int().min(0),
  /** Wall time so far. */
  used_ms: z.number().min(0),
  stage: z.int().min(0),
  stage_steps: z.int().min(0),
  /** Last step whose held-out questions were asked; -1 before the first. */
  evaluated_step: z.int().min(-1),
  sampler: z.record(z.string(), z.unknown()),
  num_threads: z.int(),
});

/**
 * @throws ConfigError, DataError, CheckpointError, VideoError before or during training, each naming file and key
 * @throws TwgrpoError when too many updates in a row were refused, after saving
 */
export async function runSft(options: SftRunOptions): Promise<SftRunResult> {
  const { resolved, logger, signal } = options;
  const { config } = resolved;
  if (config.num_threads !== undefined) setNumThreads(config.num_threads);

  const { questions, heldOut, fingerprint } = loadData(config, logger);
  const perStep = config.per_device_train_batch_size * config.gradient_accumulation_steps;
  const readStateOf = (dir: string) => readState(dir, stateSchema);
  const resumed = findResumed(config, options.resume, readStateOf, logger);
  const { checkpointDir, saved } = resumed;
  if (config.save_only_model)
    logger.warn('save_only_model: checkpoints hold no optimizer, so nobody can resume this run from them');

  const base = config.model_name_or_path;
  const folder = openModelFolder(base);
  const { processor } = folder;
  const encoder = new SftEncoder({ ...config, processor });
  if (config.check_prompts && saved === undefined) {
    const all = [...questions, ...heldOut];
    await checkPrompts(all, { processor, config, logger, signal, onProgress: options.onCheck });
    for (const question of all) encoder.target(question);
  }
  const curriculum = new Curriculum(config.curriculum);
  checkStages(config.curriculum ?? [], questions, heldOut, config);
  if (saved !== undefined) curriculum.loadState(saved);
  const frames = new FrameCache(config.video_cache_mib, options.decode ?? frameDecoder(config));

  /** Packs of the present stage in their order. */
  const openFeed = (state?: Readonly<Record<string, unknown>>) => {
    const packs = packQuestions(
      questions.filter(({ item }) => isWhere(item, curriculum.current.where)),
      config.pack_size,
    );
    const sampler = new EpochSampler({
      length: packs.length,
      seed: config.data_seed ?? config.seed,
      fingerprint: `${fingerprint}/${curriculum.state().stage}`,
    });
    if (state !== undefined) sampler.loadState(state);
    return new ItemFeed<SftPack, ReadyPack>({
      questions: packs,
      sampler,
      load: async (pack) => {
        const held = await frames.get(pack.questions[0]!);
        return { pack, frames: held, dispose: () => held.dispose() };
      },
      on_bad_video: config.on_bad_video,
      logger,
    });
  };
  // Refuses a position in other data, so before weights are loaded.
  let feed = openFeed(curriculum.isFinished ? undefined : saved?.sampler);

  const model = loadPolicy(config, checkpointDir);
  const trainer = new SftTrainer({ config, model, encoder, logger });
  if (saved !== undefined && checkpointDir !== undefined) {
    const { step, numTokens, numQuestions, badStepsInARow } = saved;
    trainer.loadState({ step, numTokens, numQuestions, badStepsInARow });
    loadOptimizer(checkpointDir, trainer.optimizer);
  }

  const numPacks = packQuestions(questions, config.pack_size).length;
  const maxSteps =
    config.max_steps ??
    (config.max_minutes === undefined
      ? Math.ceil((numPacks * config.num_train_epochs) / perStep)
      : undefined);
  const maxMs = config.max_minutes === undefined ? undefined : config.max_minutes * 60_000;
  const began = performance.now();
  const usedMs = () => (saved?.used_ms ?? 0) + performance.now() - began;
  const progress = (): SftProgress => ({
    step: trainer.step,
    maxSteps,
    usedS: usedMs() / 1000,
    maxS: maxMs === undefined ? undefined : maxMs / 1000,
  });

  const run = openRun(resolved, resumed, logger);
  const events = config.report_to.includes('tensorboard')
    ? new EventWriter(config.output_dir, saved === undefined ? {} : { resumeStep: saved.step })
    : undefined;
  const record = (row: MetricsRow) => {
    run.appendMetrics(row);
    const { step, ...numbers } = row;
    events?.scalars(numbers as Record<string, number>, step);
  };
  options.onStart?.({ ...progress(), numItems: questions.length, numPacks });

  let checkpoint = checkpointDir ?? '';
  let savedStep = saved?.step ?? -1;
  let evaluatedStep = saved?.evaluated_step ?? -1;
  let strict: number | undefined;
  // Of the last whole step: the feed itself runs ahead while a step is under way.
  let position = feed.state();
  const save = () => {
    if (savedStep === trainer.step) return;
    const state = {
      format: 1 as const,
      kind: 'sft' as const,
      ...trainer.state(),
      ...curriculum.state(),
      used_ms: usedMs(),
      evaluated_step: evaluatedStep,
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
  const evaluate = async (): Promise<HeldOutResult | undefined> => {
    const asked = heldOutOf(heldOut, curriculum.current, config);
    const result = await evaluateHeldOut(asked, {
      model,
      encoder,
      frames,
      decode: (ids) => processor.tokenizer.decode(ids, { skip_special_tokens: true }),
      stop_token_ids: folder.stop_token_ids,
      banned_token_ids: folder.banned_token_ids,
      config,
      logger,
      signal,
    });
    if (result === undefined) return undefined;
    const { step } = trainer;
    const { stage } = curriculum.state();
    record({ step, ...heldOutMetrics(result) });
    const file = join(config.output_dir, 'eval', `${stepName(step)}.json`);
    writeFileAtomic(file, `${JSON.stringify(heldOutRecord(step, stage, result), null, 1)}\n`);
    options.onEvaluation?.(step, stage, result);
    return result;
  };

  try {
    for (;;) {
      const isOver =
        curriculum.isFinished ||
        trainer.step >= (maxSteps ?? Number.POSITIVE_INFINITY) ||
        usedMs() >= (maxMs ?? Number.POSITIVE_INFINITY);
      const isAsked = heldOut.length > 0 && trainer.step > 0 && evaluatedStep !== trainer.step;
      let asked: number | undefined;
      if (isAsked && (isOver || curriculum.isAtLimit || trainer.step % config.eval_steps === 0)) {
        const result = await evaluate();
        if (result === undefined) break;
        asked = strict = result.strict;
        evaluatedStep = trainer.step;
        // A checkpoint of this step that an interrupted evaluation left does not know of this one.
        savedStep = -1;
      }
      const { stage } = curriculum.state();
      const ended = curriculum.settle(asked);
      if (ended !== undefined) {
        logger.info(
          { step: trainer.step, strict: asked },
          `stage ${stage + 1} of ${config.curriculum!.length} ended by ${ended}: ${whereText(config.curriculum![stage]!.where)}`,
        );
        await feed.dispose();
        feed = openFeed();
        position = feed.state();
      }
      if (trainer.step > 0 && trainer.step % config.save_steps === 0) save();
      if (isOver || curriculum.isFinished || signal?.aborted === true) break;

      const started = performance.now();
      const batch = await feed.next(perStep);
      const waitedS = (performance.now() - started) / 1000;
      feed.prefetch(perStep);
      let metrics: MetricAccumulator;
      try {
        const rates = ratesNow(config, curriculum, trainer.step, maxSteps, usedMs(), maxMs);
        metrics = await trainer.trainStep(batch, rates);
      } finally {
        for (const one of batch) one.dispose();
      }
      curriculum.countStep();
      position = feed.state();
      const seconds = (performance.now() - started) / 1000;
      metrics.add('time/data', last(waitedS));
      metrics.add('step_time', last(seconds));
      metrics.add('videos_per_second', last(batch.length / seconds));
      metrics.add('epoch', last(feed.epoch));
      metrics.add('stage', last(curriculum.state().stage));
      const row = { step: trainer.step, ...metrics.reduce() };
      if (trainer.step % config.logging_steps === 0) record(row);
      options.onStep?.({ ...progress(), metrics: row });
      if (trainer.badStepsInARow >= config.max_bad_steps)
        throw new TwgrpoError(
          `${trainer.badStepsInARow} updates in a row were refused: loss or gradients are not finite`,
          {
            hint: 'lower learning_rate or max_grad_norm; the saved weights are those of the last good update',
          },
        );
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
    frames.dispose();
    trainer.dispose();
    model.dispose();
  }
  return {
    output_dir: config.output_dir,
    step: trainer.step,
    checkpoint,
    stopped: signal?.aborted === true,
    stages_done: config.curriculum === undefined ? 0 : curriculum.state().stage,
    ...(strict === undefined ? {} : { eval_strict: strict }),
  };
}

/** Learning rates of the next step: the stage's, at the run's place in its schedule. */
function ratesNow(
  config: SftConfig,
  curriculum: Curriculum,
  step: number,
  maxSteps: number | undefined,
  usedMs: number,
  maxMs: number | undefined,
): LearningRates {
  const byTime = maxMs === undefined ? -1 : usedMs / maxMs;
  const isByTime = byTime >= (maxSteps === undefined ? 0 : step / maxSteps);
  // Under a time budget a step's rate is that of the moment it begins; milliseconds are the steps of the schedule.
  const [at, end] = isByTime ? [usedMs, maxMs!] : [step, maxSteps!];
  const warmup = config.warmup_ratio * end;
  const factor = learningRateAt(at, {
    ...config,
    learning_rate: 1,
    max_steps: end,
    warmup_steps: isByTime ? warmup : Math.ceil(warmup),
  });
  const { learning_rate, muon_learning_rate } = curriculum.rates(config);
  return { learning_rate: factor * learning_rate, muon_learning_rate: factor * muon_learning_rate };
}

function loadData(config: SftConfig, logger: Logger) {
  // Mixed files such as Video-R1's hold questions without options; they are left out, and the number is told.
  const drop = ['unsupported_type'];
  const { questions, fingerprint, dropped } = loadQuestions(config, drop);
  tellDropped(config.jsonl_path, dropped, logger);
  const withProcess = questions.filter(({ item }) => item.process !== undefined).length;
  if (withProcess < questions.length)
    logger.info(
      `${questions.length - withProcess} of ${questions.length} items have no "process": their target is the solution alone`,
    );
  if (config.eval_jsonl_path === undefined) return { questions, heldOut: [], fingerprint };
  const held = loadQuestions({ ...config, jsonl_path: config.eval_jsonl_path, max_samples: undefined }, drop);
  tellDropped(config.eval_jsonl_path, held.dropped, logger);
  return { questions, heldOut: held.questions, fingerprint };
}

function tellDropped(file: string, dropped: Readonly<Record<string, number>>, logger: Logger): void {
  const { unsupported_type: number = 0 } = dropped;
  if (number > 0) logger.warn(`${file}: ${number} items are not multiple choice and are left out`);
}

/** Held-out questions of a stage: at most `max_eval_samples`, always the same ones. */
function heldOutOf(
  heldOut: readonly Question[],
  { where }: Pick<CurriculumStage, 'where'>,
  { max_eval_samples, data_seed, seed }: SftConfig,
): readonly Question[] {
  const own = heldOut.filter(({ item }) => isWhere(item, where));
  return drawSubset(own.length, max_eval_samples, data_seed ?? seed).map((index) => own[index]!);
}

/** @throws DataError when a stage has nothing to learn, or nothing to be judged by */
function checkStages(
  stages: readonly CurriculumStage[],
  questions: readonly Question[],
  heldOut: readonly Question[],
  { jsonl_path, eval_jsonl_path }: SftConfig,
): void {
  stages.forEach(({ where, until }, index) => {
    const check = (all: readonly Question[], file: string) => {
      if (all.some(({ item }) => isWhere(item, where))) return;
      const kinds = [...new Set(all.map(({ item }) => JSON.stringify(item.dims)))].slice(0, 5);
      throw new DataError(`curriculum.${index}: no item of ${file} is ${whereText(where)}`, {
        hint: `the items' dims are, for example, ${kinds.join(' ')}`,
      });
    };
    check(questions, jsonl_path);
    if (until !== undefined || heldOut.length > 0) check(heldOut, String(eval_jsonl_path));
  });
}
