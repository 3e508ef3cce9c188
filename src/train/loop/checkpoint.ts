/**
 * Checkpoints: `checkpoint-<step>` is a Hugging Face model folder with a `training_state/` beside the weights.
 *
 *     checkpoint-500/
 *       config.json model.safetensors tokenizer.json ...   loads anywhere
 *       adapter_config.json adapter_model.safetensors      instead of the weights in a LoRA run
 *       training_state/optimizer.safetensors               moments, momentum and float32 master weights; of several ranks each
 *                                                          writes its part, optimizer-00001-of-00002.safetensors
 *       training_state/trainer.json                        step, counters, data order, what it was made for
 *       SHA256SUMS                                         checksums of all of them
 *
 * The folder is written under a temporary name, flushed and renamed, so a killed run leaves a whole checkpoint or
 * none. It does not depend on the number of ranks: any number goes on from it. Pickled files (`optimizer.pt`) are neither read nor written.
 *
 * Training goes on while a thread writes: the bytes are copied in memory first. Where memory has no room for a copy they are written at once.
 */
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import {
  beginFolder,
  CHECKSUMS,
  CheckpointError,
  damageOf,
  type FileWriter,
  FolderThread,
  HeldFiles,
  type Lock,
  type Logger,
  type Notice,
  sizeText,
  writeFileAtomic,
} from '../../base/index.ts';
import { type Processes, together } from '../../dist/index.ts';
import { type VideoLanguageModel, writeLoraFiles, writeModelFiles } from '../../models/index.ts';
import { itemSize, type Tensor } from '../../tensor/index.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import type { OptimizedPiece } from '../shard/scattered-gradients.ts';
import type { ShardedWeights } from '../shard/sharded-weights.ts';
import { partName, saveOptimizerPart } from './optimizer-files.ts';
import type { TrainingState } from './training-state.ts';

export interface SaverOptions {
  readonly output_dir: string;
  readonly processes: Processes;
  /** Where weights lie on the ranks in parts. */
  readonly weights?: ShardedWeights | undefined;
  /** What this rank's optimizer updates, where that is not all. */
  readonly pieces?: ReadonlyMap<string, OptimizedPiece> | undefined;
  readonly model: VideoLanguageModel;
  /** Folder the run started from: its tokenizer and templates are copied. */
  readonly from: string;
  /** What an adapter says it belongs to. @default `from` */
  readonly base_model?: string | undefined;
  /** Absent with `save_only_model`: then nobody can resume from it. */
  readonly optimizer?: Optimizer | undefined;
  /** Keep only so many newest checkpoints. */
  readonly save_total_limit?: number | undefined;
  /** Of the run folder, in the process that has it. */
  readonly lock?: Lock | undefined;
  readonly logger: Logger;
  /** The checkpoint that the run went on from, and its step. */
  readonly checkpoint: string | undefined;
  readonly step: number;
}

function checkpointName(step: number): string {
  return `checkpoint-${step}`;
}

/** Steps that have a checkpoint in a run folder, ascending. */
export function checkpointSteps(outputDir: string): number[] {
  if (!existsSync(outputDir)) return [];
  return readdirSync(outputDir)
    .flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** A checkpoint that is being written. */
interface Pending {
  readonly target: string;
  /** Undefined on ranks that write into the folder of the first. */
  readonly making: ReturnType<typeof beginFolder> | undefined;
  readonly thread: FolderThread;
}

/**
 * Writes checkpoints beside training, one at a time. All ranks call every method equally often: the first writes the model, each its part
 * of the optimizer.
 */
export class CheckpointSaver {
  readonly #options: SaverOptions;
  #pending: Pending | undefined;
  #checkpoint: string | undefined;
  #isTold = false;
  /** Step whose checkpoint is written or being written; -1: none. */
  savedStep: number;

  constructor(options: SaverOptions) {
    this.#options = options;
    this.#checkpoint = options.checkpoint;
    this.savedStep = options.step;
  }

  /** The newest that is whole. */
  get checkpoint(): string | undefined {
    return this.#checkpoint;
  }

  /**
   * Takes a copy of what `checkpoint-<step>` holds and begins to write it, once the one before is whole. Those beyond `save_total_limit`
   * go when it reads back.
   * @param state absent with `save_only_model`
   * @throws what the one before failed with
   */
  async save(step: number, state: TrainingState | undefined): Promise<void> {
    await this.finish();
    const since = performance.now();
    const { output_dir, processes, weights, lock, logger } = this.#options;
    const target = join(output_dir, checkpointName(step));
    const making = await together(processes, 'the begin of a checkpoint', () =>
      processes.is_main_process ? beginFolder(target, { replace: true }) : undefined,
    );
    const [temporary] = await processes.gather(making?.temporary, 'the place of a checkpoint');
    const held = this.#hasRoom() ? new HeldFiles() : undefined;
    const write = () => writeShare(temporary!, state, this.#options, held?.write ?? writeFileAtomic);
    try {
      await together(processes, 'the copy of a checkpoint', () =>
        weights === undefined ? write() : weights.whole(write),
      );
    } catch (error) {
      making?.abort();
      throw error;
    }
    const others = Array.from({ length: processes.world_size - 1 }, (_, i) => i + 1);
    const thread = new FolderThread({
      files: held?.files ?? [],
      end: making && {
        temporary: making.temporary,
        target,
        awaited:
          state === undefined
            ? []
            : others.map((rank) => join('training_state', partName(rank, processes.world_size))),
        replaced: this.#replacedBy(step),
        lock: lock?.proof,
      },
    });
    this.#pending = { target, making, thread };
    this.savedStep = step;
    logger.debug({ step, copied_ms: Math.round(performance.now() - since) }, 'checkpoint begun');
  }

  /** Between two steps. @throws what writing failed with */
  async check(): Promise<void> {
    if (this.#pending === undefined) return;
    const { thread } = this.#pending;
    // What a thread says is heard between two turns of the event loop, and a step may have none.
    await new Promise((resolve) => setImmediate(resolve));
    const all = await this.#options.processes.gather(
      { isDone: thread.isDone, hasFailed: thread.error !== undefined },
      'how a checkpoint is written',
    );
    if (all.some(({ hasFailed }) => hasFailed) || all.every(({ isDone }) => isDone)) await this.finish();
  }

  /** Waits until the last one is whole. @throws what writing failed with */
  async finish(): Promise<void> {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    const { processes, logger } = this.#options;
    const { thread, making, target } = pending;
    try {
      // The first rank's thread waits for the others' parts: where one failed they never come.
      if (making === undefined) await thread.settled();
      const hasPartFailed = making === undefined && thread.error !== undefined;
      const isVain = (await processes.gather(hasPartFailed, 'the parts of a checkpoint')).includes(true);
      const own = thread.error;
      if (isVain) await thread.end('stop');
      await together(processes, 'the writing of a checkpoint', async () => {
        if (!isVain) await thread.done();
        else if (own !== undefined) throw own;
      });
    } catch (error) {
      this.savedStep = -1;
      making?.abort();
      throw error;
    }
    this.#checkpoint = target;
    logger.debug({ checkpoint: target }, 'checkpoint saved');
  }

  /** After an error: what can be whole without the other processes becomes so, or is removed. */
  async end(): Promise<void> {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    await pending.thread.end('last');
    if (pending.thread.error === undefined) this.#checkpoint = pending.target;
    else {
      this.#options.logger.error({ err: pending.thread.error }, `and ${pending.target} could not be written`);
      pending.making?.abort();
    }
  }

  #replacedBy(step: number): string[] {
    const { output_dir, save_total_limit } = this.#options;
    if (save_total_limit === undefined) return [];
    const steps = [...checkpointSteps(output_dir).filter((one) => one !== step), step].sort((a, b) => a - b);
    return steps.slice(0, -save_total_limit).map((old) => join(output_dir, checkpointName(old)));
  }

  /** Whether half of the free memory has room for a copy: the other half is the rest's, and another process may be copying too. */
  #hasRoom(): boolean {
    const { model, optimizer, pieces, processes, logger } = this.#options;
    const bytesOf = (tensors: Iterable<Tensor>): number =>
      [...tensors].reduce((sum, tensor) => sum + tensor.numel() * itemSize(tensor.dtype), 0);
    // Of a state that all ranks have whole, each writes an equal share.
    const share = pieces === undefined ? processes.world_size : 1;
    const needed =
      (processes.is_main_process ? bytesOf(modelTensors(model)) : 0) +
      bytesOf(optimizer?.state().values() ?? []) / share;
    const room = (process.availableMemory?.() ?? freemem()) / 2 / processes.world_size;
    if (needed <= room) return true;
    if (!this.#isTold)
      logger.warn(
        `a copy of a checkpoint takes ${sizeText(needed)} of memory, ${sizeText(room)} are free for it: training stands still while it is written`,
      );
    this.#isTold = true;
    return false;
  }
}

function modelTensors({ adapter, weights }: VideoLanguageModel): readonly Tensor[] {
  if (adapter === undefined) return [...weights.values()];
  return [...[...adapter.pairs.values()].flatMap(({ A, B }) => [A, B]), ...adapter.replaced.values()];
}

/** What this rank writes. */
function writeShare(
  folder: string,
  state: TrainingState | undefined,
  { model, from, base_model, processes, pieces, optimizer }: SaverOptions,
  writer: FileWriter,
): void {
  if (processes.is_main_process) {
    if (model.adapter === undefined) writeModelFiles(folder, model.config, model.weights, { from, writer });
    else writeLoraFiles(folder, model, model.adapter, base_model ?? from, writer);
  }
  if (state === undefined || optimizer === undefined) return;
  const stateDir = join(folder, 'training_state');
  saveOptimizerPart(stateDir, optimizer, { processes, pieces, writer });
  if (processes.is_main_process)
    writer(join(stateDir, 'trainer.json'), `${JSON.stringify(state, null, 2)}\n`);
}

/**
 * The checkpoint to resume from.
 * @param resume `auto`: the newest in `outputDir` that can be resumed, or undefined when there is none; else the path of a
 *   checkpoint, or of a run folder for its newest one
 * @param notice hears of damaged checkpoints that are passed over
 * @throws CheckpointError when a named checkpoint does not exist, holds no training state, or is not as it was saved
 */
export function findCheckpoint(outputDir: string, resume: string, notice: Notice): string | undefined {
  const isRun = resume !== 'auto' && existsSync(join(resume, 'run.json'));
  if (resume === 'auto' || isRun) {
    const folder = isRun ? resume : outputDir;
    const newest = checkpointSteps(folder)
      .map((step) => join(folder, checkpointName(step)))
      .filter(isResumable)
      .findLast((path) => {
        const damage = damageOf(path);
        if (damage !== undefined) notice(`${damage}; an older checkpoint is taken`);
        return damage === undefined;
      });
    if (newest === undefined && isRun)
      throw new CheckpointError(`${resume}: the run has no checkpoint that can be resumed`, {
        hint: 'start it again from its beginning with --resume auto',
      });
    return newest;
  }
  if (!isResumable(resume))
    throw new CheckpointError(`${resume}: no training_state in it, so nothing can be resumed`, {
      hint: existsSync(resume)
        ? 'it was saved with save_only_model; use it as model_name_or_path of a new run'
        : 'the folder does not exist; give the path of a checkpoint-<step> folder, or --resume auto',
    });
  const damage = damageOf(resume);
  if (damage !== undefined)
    throw new CheckpointError(damage, {
      hint: `resume from an older checkpoint (--resume auto takes the newest that is whole); if the change is yours, remove ${CHECKSUMS}`,
    });
  return resume;
}

/**
 * Gives checkpoints of steps after `step` another name: a run resumed before them writes its own, and the next
 * `--resume auto` must not take these.
 * @returns the new paths
 */
export function setAsideAfter(outputDir: string, step: number): string[] {
  return checkpointSteps(outputDir)
    .filter((later) => later > step)
    .map((later) => {
      const old = join(outputDir, checkpointName(later));
      let number = 1;
      while (existsSync(`${old}.old-${number}`)) number += 1;
      renameSync(old, `${old}.old-${number}`);
      return `${old}.old-${number}`;
    });
}

function isResumable(dir: string): boolean {
  return existsSync(join(dir, 'training_state', 'trainer.json'));
}
