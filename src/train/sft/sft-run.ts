/**
 * A supervised run: what the run loop needs to know of it. Packs of the curriculum's present stage, held-out questions between
 * steps, another stage when one ends.
 */
import { join } from 'node:path';
import { writeFileAtomic } from '../../base/index.ts';
import { EpochSampler, type Question } from '../../data/index.ts';
import { type Processes, SINGLE_PROCESS } from '../../dist/index.ts';
import type { ModelFolder, Processor } from '../../models/index.ts';
import { FrameStore, ItemFeed } from '../../prompt/index.ts';
import { stepName } from '../../run/index.ts';
import { videoSettings } from '../../video/index.ts';
import type { SftConfig } from '../config/sft-config.ts';
import {
  checkTraining,
  type Method,
  type RunCheck,
  type RunOptions,
  type RunResult,
  runTraining,
  type StepReport,
  type TrainerParts,
} from '../loop/run-loop.ts';
import type { RunOutput } from '../loop/run-output.ts';
import type { StateOf } from '../loop/training-state.ts';
import { Curriculum, isWhere, whereText } from './curriculum.ts';
import { evaluateHeldOut, type HeldOutResult, heldOutMetrics, heldOutRecord } from './held-out.ts';
import { checkStages, heldOutOf, loadSftData } from './sft-data.ts';
import { packQuestions, SftEncoder, type SftPack } from './sft-packs.ts';
import { type ReadyPack, SftTrainer } from './sft-trainer.ts';

export interface SftRunOptions extends RunOptions<SftConfig, StepReport> {
  /** Decoded frames, which stay the caller's. Default: a store of `video_cache_mib`. */
  readonly frames?: FrameStore | undefined;
  readonly onEvaluation?: ((step: number, stage: number, result: HeldOutResult) => void) | undefined;
}

export interface SftRunResult extends RunResult {
  /** Stages of the curriculum that have ended. */
  readonly stages_done: number;
  /** Strict accuracy in the last evaluation of this process. */
  readonly eval_strict?: number | undefined;
}

/**
 * @throws ConfigError, DataError, CheckpointError, VideoError before or during training, each naming file and key
 * @throws TwgrpoError when too many updates in a row were refused, after saving
 */
export async function runSft(options: SftRunOptions): Promise<SftRunResult> {
  const { config } = options.resolved;
  const curriculum = new Curriculum(config.curriculum);
  const heldOut: { strict?: number } = {};
  const result = await runTraining(
    (own: SftRunOptions, processes) => sftMethod(own, processes, curriculum, heldOut),
    options,
  );
  return {
    ...result,
    stages_done: config.curriculum === undefined ? 0 : curriculum.state().stage,
    ...(heldOut.strict === undefined ? {} : { eval_strict: heldOut.strict }),
  };
}

/** What a run would begin with, found out as the run does. @throws what `runSft` throws before it loads weights */
export async function checkSft(options: SftRunOptions): Promise<RunCheck> {
  return await checkTraining(
    sftMethod(options, SINGLE_PROCESS, new Curriculum(options.resolved.config.curriculum), {}),
    options,
  );
}

function sftMethod(
  options: SftRunOptions,
  processes: Processes,
  curriculum: Curriculum,
  last: { strict?: number },
): Method<'sft', object> {
  const { logger } = options;
  const { config } = options.resolved;
  return {
    kind: 'sft',
    prepare: async ({ folder, saved }) => {
      const { questions, heldOut, fingerprint } = loadSftData(config, logger);
      const encoder = new SftEncoder({ ...config, processor: folder.processor });
      checkStages(config.curriculum ?? [], questions, heldOut, config);
      if (saved !== undefined) curriculum.loadState(saved);
      const frames = options.frames ?? new FrameStore({ budget_mib: config.video_cache_mib, logger });
      const packs = new StagePacks({
        ...options,
        processes,
        questions,
        fingerprint,
        curriculum,
        frames,
        processor: folder.processor,
      });
      // Refuses a position in other data.
      packs.open(curriculum.isFinished ? undefined : saved?.sampler);
      const all = [...questions, ...heldOut];
      const numPacks = packQuestions(questions, config.pack_size).length;
      return {
        questions: all,
        checkTexts: () => {
          for (const question of all) encoder.target(question);
        },
        numItems: questions.length,
        numPacks,
        epochLength: numPacks,
        microBatchSize: config.packs_per_micro_batch,
        start: (parts) => {
          const trainer = new SftTrainer({
            ...parts,
            config,
            encoder,
            curriculum,
            packs: () => packs.feed,
            numQuestions: saved?.numQuestions ?? 0,
          });
          const stages = new StageChange(
            { ...options, ...parts, folder, encoder, heldOut, curriculum, frames, packs, last },
            saved,
          );
          return {
            trainer,
            data: () => packs,
            settle: (moment) => stages.settle(moment),
            isFinished: () => curriculum.isFinished,
            state: () => ({
              numQuestions: trainer.numQuestions,
              ...curriculum.state(),
              evaluated_step: stages.evaluatedStep,
            }),
            dispose: async () => {
              await packs.feed.dispose();
              if (options.frames === undefined) frames.dispose();
            },
          };
        },
      };
    },
  };
}

interface StagePacksOptions extends Pick<SftRunOptions, 'resolved' | 'logger'> {
  readonly processes: Processes;
  readonly questions: readonly Question[];
  readonly fingerprint: string;
  readonly curriculum: Curriculum;
  readonly frames: FrameStore;
  readonly processor: Pick<Processor, 'config' | 'limits'>;
}

/** Packs of the present stage, in their order, with their frames. */
class StagePacks {
  readonly #options: StagePacksOptions;
  #feed: ItemFeed<SftPack, ReadyPack> | undefined;
  #skippedBefore = 0;

  constructor(options: StagePacksOptions) {
    this.#options = options;
  }

  get feed(): ItemFeed<SftPack, ReadyPack> {
    if (this.#feed === undefined) throw new Error('internal: packs are asked for before their stage is open');
    return this.#feed;
  }

  /** Opens the present stage. @param state where to go on in it */
  open(state?: Readonly<Record<string, unknown>>): void {
    const { resolved, logger, questions, fingerprint, curriculum, frames, processor } = this.#options;
    const { config } = resolved;
    const settings = videoSettings(config, processor.config.pixel_unit, processor.limits);
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
    this.#skippedBefore = this.skipped;
    this.#feed = new ItemFeed<SftPack, ReadyPack>({
      questions: packs,
      sampler,
      load: async (pack) => {
        const held = await frames.getAll(pack.questions[0]!, settings);
        return { pack, frames: held, dispose: () => held.dispose() };
      },
      on_bad_video: config.on_bad_video,
      logger,
      processes: this.#options.processes,
    });
  }

  state(): Record<string, unknown> {
    return this.feed.state();
  }

  get epoch(): number {
    return this.feed.epoch;
  }

  /** Packs of all stages whose video could not be read. */
  get skipped(): number {
    return this.#skippedBefore + (this.#feed?.skipped ?? 0);
  }
}

interface StageChangeOptions
  extends Pick<SftRunOptions, 'resolved' | 'logger' | 'signal' | 'onEvaluation'>,
    Pick<TrainerParts, 'model' | 'processes' | 'weights'> {
  readonly folder: ModelFolder;
  readonly encoder: SftEncoder;
  readonly heldOut: readonly Question[];
  readonly curriculum: Curriculum;
  readonly frames: FrameStore;
  readonly packs: StagePacks;
  /** Is told the share of the last evaluation. */
  readonly last: { strict?: number };
}

/** What happens between two steps: held-out questions are asked, and a stage that is done gives way to the next. */
class StageChange {
  /** Last step whose held-out questions were asked; -1 before the first. */
  evaluatedStep: number;
  readonly #options: StageChangeOptions;

  constructor(options: StageChangeOptions, saved: StateOf<'sft'> | undefined) {
    this.#options = options;
    this.evaluatedStep = saved?.evaluated_step ?? -1;
  }

  async settle({
    step,
    isOver,
    output,
  }: {
    readonly step: number;
    readonly isOver: boolean;
    readonly output: RunOutput;
  }): Promise<'same' | 'changed' | 'stopped'> {
    const { resolved, heldOut, curriculum, packs, logger, last } = this.#options;
    const { config } = resolved;
    const isDue = isOver || curriculum.isAtLimit || step % config.eval_steps === 0;
    const isAsked = isDue && heldOut.length > 0 && step > 0 && this.evaluatedStep !== step;
    let strict: number | undefined;
    if (isAsked) {
      const result = await this.#evaluate(step, output);
      if (result === undefined) return 'stopped';
      strict = last.strict = result.strict;
      this.evaluatedStep = step;
    }
    const { stage } = curriculum.state();
    const ended = curriculum.settle(strict);
    if (ended !== undefined) {
      logger.info(
        { step, strict },
        `stage ${stage + 1} of ${config.curriculum!.length} ended by ${ended}: ${whereText(config.curriculum![stage]!.where)}`,
      );
      await packs.feed.dispose();
      packs.open();
    }
    return isAsked || ended !== undefined ? 'changed' : 'same';
  }

  /** @returns undefined when the signal stopped it */
  async #evaluate(step: number, output: RunOutput): Promise<HeldOutResult | undefined> {
    const { resolved, folder, heldOut, curriculum, onEvaluation, processes = SINGLE_PROCESS } = this.#options;
    const { config } = resolved;
    const ask = async () =>
      await evaluateHeldOut(heldOutOf(heldOut, curriculum.current, config), {
        ...this.#options,
        tokenizer: folder.processor.tokenizer,
        stop_token_ids: folder.stop_token_ids,
        banned_token_ids: folder.banned_token_ids,
        config,
      });
    const { weights } = this.#options;
    const result = await (weights === undefined ? ask() : weights.whole(ask));
    if (result === undefined) return undefined;
    const { stage } = curriculum.state();
    output.row({ step, ...heldOutMetrics(result) });
    if (processes.is_main_process) {
      const file = join(config.output_dir, 'eval', `${stepName(step)}.json`);
      writeFileAtomic(file, `${JSON.stringify(heldOutRecord(step, stage, result), null, 1)}\n`);
    }
    onEvaluation?.(step, stage, result);
    return result;
  }
}
