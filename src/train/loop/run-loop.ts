/**
 * A training run from its configuration to its last checkpoint, the same for every kind of training: checks everything before
 * weights are loaded, steps, writes the run folder, saves, resumes, and stops cleanly. What a step is belongs to the method
 * (`grpo/grpo-run.ts`, `sft/sft-run.ts`).
 */
import { ConfigError, type Lock, type Logger, lockFolder, TwgrpoError } from '../../base/index.ts';
import type { Question } from '../../data/index.ts';
import { inProcessGroup, onlyMain, type Processes, SINGLE_PROCESS, together } from '../../dist/index.ts';
import { type ModelFolder, openModelFolder, type VideoLanguageModel } from '../../models/index.ts';
import { last, MetricAccumulator, type MetricsRow, PhaseClock, RunDirectory, sum } from '../../run/index.ts';
import { getNumThreads, liveBytes, setNumThreads } from '../../tensor/index.ts';
import type { Resolved } from '../config/config-layers.ts';
import type { GrpoConfig } from '../config/config-schema.ts';
import type { SftConfig } from '../config/sft-config.ts';
import { createOptimizer } from '../optim/optimizer.ts';
import { Updater } from '../optim/update.ts';
import { shardRun } from '../shard/shard-run.ts';
import type { ShardedWeights } from '../shard/sharded-weights.ts';
import { tracedGate } from '../shard/traced-gate.ts';
import { checkPrompts } from './check-prompts.ts';
import { CheckpointSaver } from './checkpoint.ts';
import { StepMemory } from './memory-metrics.ts';
import { loadOptimizer } from './optimizer-files.ts';
import { explainMemory } from './out-of-memory.ts';
import { loadPolicy } from './policy-model.ts';
import { type Preflight, preflight } from './preflight.ts';
import { findResumed, openRun, type Resumed } from './resume.ts';
import { RunLength } from './run-length.ts';
import { RunOutput } from './run-output.ts';
import type { OwnState, StateOf, TrainingKind, TrainingState } from './training-state.ts';

/** The keys of every kind of training. */
export type RunConfig = Pick<GrpoConfig, keyof GrpoConfig & keyof SftConfig> &
  Partial<Pick<SftConfig, 'optimizer'>>;

/** Where a run is, for a progress bar. */
export interface RunProgress {
  readonly step: number;
  /** Steps of the whole run; undefined where `max_minutes` alone ends it. */
  readonly maxSteps: number | undefined;
  /** Seconds of training so far, earlier attempts included. */
  readonly usedS: number;
  /** Seconds of the whole run, with `max_minutes`. */
  readonly maxS: number | undefined;
}

export interface RunStart extends RunProgress {
  readonly numItems: number;
  /** Groups of items that are computed together, where the method has them. */
  readonly numPacks?: number | undefined;
}

export interface StepReport extends RunProgress {
  readonly metrics: MetricsRow;
}

export interface RunOptions<Config, Report> {
  readonly resolved: Resolved<Config>;
  /** What `config.yaml` says in place of `resolved`: names where `resolved` has the paths they were found at. */
  readonly recorded?: Resolved<Config> | undefined;
  readonly logger: Logger;
  /** `auto`, or the path of a checkpoint or run folder. */
  readonly resume?: string | undefined;
  /** When aborted, the run finishes its step, saves and returns. */
  readonly signal?: AbortSignal | undefined;
  /** Videos are being looked at before training. */
  readonly onCheck?: ((done: number, total: number) => void) | undefined;
  readonly onStart?: ((start: RunStart) => void) | undefined;
  readonly onStep?: ((report: Report) => void) | undefined;
}

export interface RunResult {
  readonly output_dir: string;
  /** Steps done, those before a resume included. */
  readonly step: number;
  /** Undefined where `max_minutes` alone ended the run. */
  readonly max_steps: number | undefined;
  /** The last checkpoint written, the model of the run; undefined when it was stopped before its first step. */
  readonly checkpoint: string | undefined;
  readonly stopped: boolean;
  /** The signal that stopped it, whichever rank got it; undefined where none did. */
  readonly stopped_by?: string | undefined;
  /** Items left out because their video could not be read, since this process began. */
  readonly skipped_videos: number;
}

/** Position in the data. */
export interface DataPosition {
  /** Position after the items handed out; those loaded ahead don't count. */
  state(): Record<string, unknown>;
  /** Passes over the data. */
  readonly epoch: number;
  /** Items whose video could not be read. */
  readonly skipped: number;
}

/** What one step gives beside its metrics. */
export interface StepOutcome<Details> {
  /** Counts that the loop turns into rates: `tokens` becomes `tokens_per_second`. */
  readonly counts: { readonly tokens: number } & Readonly<Record<string, number>>;
  /** What the step's report and its records are made of. */
  readonly details: Details;
}

/** What one method does at each step; both trainers have this form. */
export interface Trainer<Details> {
  /**
   * One step: data, gradients, one or several updates.
   * @param step steps done before
   * @param metrics is told what is worth a row
   */
  trainStep(step: number, metrics: MetricAccumulator): Promise<StepOutcome<Details>>;
}

/** What a method has after its checks, before weights are loaded. */
export interface PreparedMethod<Kind extends TrainingKind, Details> {
  /** Questions whose prompts are measured before the first step. */
  readonly questions: readonly Question[];
  /** Further checks of the texts, made with them. */
  readonly checkTexts?: () => void;
  readonly numItems: number;
  readonly numPacks?: number | undefined;
  /** Prompts or packs in an epoch. */
  readonly epochLength: number;
  /** Prompts or packs in a micro-batch. */
  readonly microBatchSize: number;
  /** Puts trainer and data together. */
  readonly start: (parts: TrainerParts) => StartedMethod<Kind, Details>;
}

/** What the loop gives to a trainer. */
export interface TrainerParts {
  /** @default this process alone */
  readonly processes?: Processes | undefined;
  /** Where weights lie on the ranks in parts: gathers them. */
  readonly weights?: ShardedWeights | undefined;
  readonly model: VideoLanguageModel;
  readonly updater: Updater;
  readonly clock: PhaseClock;
  readonly length: RunLength;
}

export interface StartedMethod<Kind extends TrainingKind, Details> {
  readonly trainer: Trainer<Details>;
  readonly data: () => DataPosition;
  /** Writes what the run folder gets of a step beside its row of metrics. */
  readonly record?: (step: number, details: Details, run: RunDirectory) => void;
  /**
   * Between two steps: evaluations, another part of the data.
   * @returns `changed` when a checkpoint of this step would differ from one made before, `stopped` when the signal came
   */
  readonly settle?: (moment: {
    readonly step: number;
    readonly isOver: boolean;
    readonly output: RunOutput;
  }) => Promise<'same' | 'changed' | 'stopped'>;
  /** Whether the method has nothing left to do. */
  readonly isFinished?: () => boolean;
  /** What a checkpoint keeps beside what all keep. */
  readonly state: () => OwnState<Kind>;
  readonly dispose: () => Promise<void>;
}

/** One kind of training. */
export interface Method<Kind extends TrainingKind, Details> {
  readonly kind: Kind;
  /** Reads and checks everything but weights. @throws ConfigError, DataError, CheckpointError */
  readonly prepare: (given: {
    readonly folder: ModelFolder;
    readonly saved: StateOf<Kind> | undefined;
  }) => Promise<PreparedMethod<Kind, Details>>;
}

/** First steps of a run whose collectives the log shows. */
const TRACED_STEPS = 2;

/** All that a run knows before it loads weights. */
interface PreparedRun<Kind extends TrainingKind, Details> {
  readonly folder: ModelFolder;
  readonly resumed: Resumed<Kind>;
  readonly checked: Preflight;
  readonly prepared: PreparedMethod<Kind, Details>;
  readonly newLength: () => RunLength;
}

async function prepareRun<Kind extends TrainingKind, Details>(
  method: Method<Kind, Details>,
  options: RunOptions<RunConfig, never>,
  processes: Processes,
): Promise<PreparedRun<Kind, Details>> {
  const { logger, signal, onCheck } = options;
  const resume = processes.isRestart ? 'auto' : options.resume;
  const { config } = options.resolved;
  if (config.num_threads !== undefined) setNumThreads(config.num_threads);
  if (config.save_only_model)
    logger.warn('save_only_model: checkpoints hold no optimizer, so nobody can resume this run from them');
  const resumed = findResumed(config, resume, method.kind, logger);
  const { saved } = resumed;
  if (!resumed.isOldRun) RunDirectory.checkFree(config.output_dir);
  const folder = openModelFolder(config.model_name_or_path, {
    notice: (text) => logger.warn(text),
  });
  const { processor } = folder;
  const prepared = await method.prepare({ folder, saved });
  if (config.check_prompts && saved === undefined) {
    const { questions } = prepared;
    const { longest } = await checkPrompts(questions, {
      ...{ processor, config, logger, signal, processes },
      onProgress: onCheck,
    });
    logger.debug({ longest }, 'prompts measured');
    prepared.checkTexts?.();
  }
  const perStep = prepared.microBatchSize * config.gradient_accumulation_steps;
  if (perStep < processes.world_size)
    throw new ConfigError(
      `${processes.world_size} processes share ${perStep} prompts or packs a step: some would have nothing to do`,
      {
        hint: 'start fewer processes, or raise gradient_accumulation_steps: it counts those of all together',
      },
    );
  const newLength = () =>
    new RunLength({
      ...config,
      steps_of_data: Math.ceil((prepared.epochLength * config.num_train_epochs) / perStep),
      used_ms: saved?.used_ms ?? 0,
    });
  const checked = preflight(config, folder, resumed.checkpointDir, newLength().maxSteps, logger);
  return { folder, resumed, checked, prepared, newLength };
}

/** What a run would begin with. */
export interface RunCheck extends Preflight {
  readonly num_items: number;
  readonly num_packs?: number | undefined;
  /** Undefined where `max_minutes` alone ends the run. */
  readonly max_steps: number | undefined;
  /** What it would go on from. */
  readonly checkpoint: string | undefined;
}

/**
 * Everything a run does before it loads weights, and nothing after: no file is written.
 * @throws what `runTraining` throws there
 */
export async function checkTraining<Kind extends TrainingKind, Details>(
  method: Method<Kind, Details>,
  options: RunOptions<RunConfig, never>,
): Promise<RunCheck> {
  const { resumed, checked, prepared, newLength } = await prepareRun(method, options, SINGLE_PROCESS);
  return {
    ...checked,
    num_items: prepared.numItems,
    num_packs: prepared.numPacks,
    max_steps: newLength().maxSteps,
    checkpoint: resumed.checkpointDir,
  };
}

/**
 * @throws ConfigError, DataError, CheckpointError, VideoError before or during training, each naming file and key
 * @throws TwgrpoError when too many updates in a row were refused, after saving
 */
export async function runTraining<
  Kind extends TrainingKind,
  Details extends object,
  Options extends RunOptions<RunConfig, StepReport & Details>,
>(
  methodOf: (options: Options, processes: Processes) => Method<Kind, Details>,
  options: Options,
): Promise<RunResult> {
  const { logger, resolved } = options;
  return await inProcessGroup(resolved.config, async ({ processes, device }) => {
    const own = { ...options, resolved: { ...resolved, config: { ...resolved.config, device } } };
    // Taken before the folder is read: another process may be about to write the checkpoint that this one would go on from.
    const lock = await onlyMain(processes, 'the lock of the run folder', () =>
      lockFolder(resolved.config.output_dir, (text) => logger.info(text)),
    );
    try {
      return await runLocked(methodOf(own, processes), own, processes, lock);
    } finally {
      await lock?.release();
    }
  });
}

async function runLocked<Kind extends TrainingKind, Details extends object>(
  method: Method<Kind, Details>,
  options: RunOptions<RunConfig, StepReport & Details>,
  processes: Processes,
  lock: Lock | undefined,
): Promise<RunResult> {
  const { resolved, logger, signal } = options;
  const { config } = resolved;
  const { folder, resumed, prepared, newLength } = await together(
    processes,
    'the checks before the run',
    async () => await prepareRun(method, options, processes),
  );
  const { checkpointDir, saved } = resumed;
  const result = (step: number, checkpoint: string | undefined, skipped_videos = 0): RunResult => ({
    output_dir: config.output_dir,
    step,
    max_steps: newLength().maxSteps,
    checkpoint,
    stopped: stop !== undefined,
    stopped_by: stop === '' ? undefined : stop,
    skipped_videos,
  });
  /** Why the run stops: the signal that any rank got; empty for a caller's own reason. */
  let stop: string | undefined;
  const agreeStop = async (): Promise<boolean> => {
    const own = signal?.aborted === true ? nameOf(signal.reason) : undefined;
    const all = await processes.gather(own, 'agreement to go on');
    stop ??= all.find((reason) => reason !== undefined);
    return stop !== undefined;
  };
  if (await agreeStop()) return result(saved?.step ?? 0, checkpointDir);

  const sharding = shardRun(config, processes);
  const inMemory = <T>(body: () => T): T => {
    try {
      return body();
    } catch (error) {
      throw explainMemory(error, 'weights', config.device);
    }
  };
  const model = inMemory(() => loadPolicy(config, folder, checkpointDir, sharding.placing));
  const trainable = new Map([...model.parameters()].filter(([, weight]) => weight.requires_grad));
  const { gradients, pieces, weights } = sharding.divide(trainable);
  const optimizer = inMemory(() =>
    createOptimizer(
      pieces === undefined ? trainable : new Map([...pieces].map(([name, { tensor }]) => [name, tensor])),
      { ...config, isMatrix: (name: string) => (trainable.get(name)?.ndim ?? 0) >= 2 },
      (name) => model.isHidden(name),
    ),
  );
  const clock = new PhaseClock();
  model.layerGate = tracedGate(gradients?.gate, processes.tensors);
  const updater = inMemory(() => new Updater({ ...config, optimizer, processes, gradients, clock, logger }));
  const length = newLength();
  const started = prepared.start({ model, updater, clock, length, processes, weights });
  updater.badStepsInARow = saved?.badStepsInARow ?? 0;
  if (checkpointDir !== undefined) loadOptimizer(checkpointDir, optimizer, { whole: trainable, pieces });

  logger.debug(
    { pid: process.pid, live_bytes: liveBytes() },
    'weights, gradients and optimizer are in memory',
  );
  const run = await onlyMain(processes, 'the run folder', async () => {
    const opened = openRun(options.recorded ?? resolved, resumed, logger);
    await processes.noteStart();
    return opened;
  });
  const output = new RunOutput({ ...config, run, saved, logger });
  let step = saved?.step ?? 0;
  let numTokens = saved?.numTokens ?? 0;
  const progress = (): RunProgress => ({
    step,
    maxSteps: length.maxSteps,
    usedS: length.usedMs() / 1000,
    maxS: length.maxS,
  });
  options.onStart?.({ ...progress(), numItems: prepared.numItems, numPacks: prepared.numPacks });

  const saver = new CheckpointSaver({
    ...{ ...config, model, processes, weights, pieces, lock, logger, step, checkpoint: checkpointDir },
    from: config.model_name_or_path,
    // PEFT knows a model on the hub by its name, without a commit.
    base_model: options.recorded?.config.model_name_or_path.replace(/@[0-9a-f]{40}$/, ''),
    optimizer: config.save_only_model ? undefined : optimizer,
  });
  // False while the files of a step are being written: a checkpoint of it would be one whose row is missing.
  let isRecorded = true;
  // The data run ahead while a step is under way; what is saved is the position after the last whole one.
  let position = started.data().state();
  const save = async () => {
    if (saver.savedStep === step) return;
    lock?.check();
    const state = {
      format: 1,
      kind: method.kind,
      step,
      numTokens,
      badStepsInARow: updater.badStepsInARow,
      ...started.state(),
      ...(config.max_minutes === undefined ? {} : { used_ms: length.usedMs() }),
      sampler: position,
      num_threads: getNumThreads(),
      ...output.state(),
    } as unknown as TrainingState;
    await saver.save(step, config.save_only_model ? undefined : state);
  };
  const trainStep = async (): Promise<void> => {
    const metrics = new MetricAccumulator();
    const memory = new StepMemory(model.device);
    const skippedBefore = started.data().skipped;
    processes.step = step + 1;
    processes.takeWaited();
    clock.enter('data');
    const { counts, details } = await started.trainer.trainStep(step, metrics).catch((error: unknown) => {
      throw explainMemory(error, clock.phase, model.device);
    });
    const { phases, total } = clock.take();
    await addIdleShares(metrics, processes, total);
    if (processes.tensors !== undefined) {
      metrics.add('wire_bytes', sum(processes.tensors.takeSent()));
      const spans = processes.tensors.takeTrace();
      if (step < TRACED_STEPS)
        logger.debug({ step: step + 1, spans }, 'the way back and the collectives of a step');
    }
    step += 1;
    isRecorded = false;
    numTokens += counts.tokens;
    position = started.data().state();
    for (const [phase, seconds] of phases) metrics.add(`time/${phase}`, sum(seconds));
    metrics.add('step_time', sum(total));
    memory.addTo(metrics);
    for (const [name, count] of Object.entries(counts)) metrics.add(`${name}_per_second`, sum(count / total));
    metrics.add('num_tokens', last(numTokens));
    metrics.add('epoch', last(started.data().epoch));
    metrics.add('data/skipped_videos', sum(started.data().skipped - skippedBefore));
    lock?.check();
    if (run !== undefined) started.record?.(step, details, run);
    const row = output.step(step, metrics);
    isRecorded = true;
    options.onStep?.({ ...progress(), metrics: row, ...details });
    if (updater.badStepsInARow >= config.max_bad_steps) {
      await save();
      throw new TwgrpoError(
        `${updater.badStepsInARow} updates in a row were refused: loss or gradients are not finite`,
        {
          hint: 'lower learning_rate or max_grad_norm, and look at the last completions; the saved weights are those of the last good update',
        },
      );
    }
  };

  try {
    for (;;) {
      if (processes.world_size > 1 && config.max_minutes !== undefined)
        length.hold((await processes.gather(length.usedMs(), 'the time of the run'))[0]!);
      const isOver = length.isOver(step) || started.isFinished?.() === true;
      const settled = (await started.settle?.({ step, isOver, output })) ?? 'same';
      if (settled === 'stopped') {
        await agreeStop();
        break;
      }
      // A checkpoint that was made before does not know of this.
      if (settled === 'changed') saver.savedStep = -1;
      position = started.data().state();
      if (step % config.save_steps === 0) await save();
      if (isOver || started.isFinished?.() === true || (await agreeStop())) break;
      await trainStep();
      await saver.check();
    }
    await save();
    await saver.finish();
  } catch (error) {
    // Nothing is lost: what was learned up to the last whole step is saved before the error is shown. Several ranks save together or
    // not at all, and here one may be gone.
    if (!updater.isTorn && isRecorded && processes.world_size === 1) {
      try {
        await save();
        await saver.finish();
      } catch (cause) {
        logger.error({ err: cause }, 'and the last steps could not be saved');
      }
    }
    await saver.end();
    throw error;
  } finally {
    output.close();
    await started.dispose();
    updater.dispose();
    model.dispose();
  }
  return result(step, saver.checkpoint, started.data().skipped);
}

/** The name of a signal that a command was told to stop by; empty for any other reason. */
const nameOf = (reason: unknown): string => (typeof reason === 'string' ? reason : '');

/** Share of the step that each rank waited for others: `idle_share/rank_<n>`. */
async function addIdleShares(
  metrics: MetricAccumulator,
  processes: Processes,
  seconds: number,
): Promise<void> {
  if (processes.world_size === 1) return;
  const share = processes.takeWaited() / 1000 / seconds;
  const shares = await processes.gather(share, 'the idle time of a step');
  for (const [rank, idle] of shares.entries()) metrics.add(`idle_share/rank_${rank}`, sum(idle));
}
