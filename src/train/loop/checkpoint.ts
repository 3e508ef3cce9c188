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
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  beginFolder,
  CHECKSUMS,
  CheckpointError,
  type Notice,
  verifyChecksums,
  writeChecksums,
  writeFileAtomic,
} from '../../base/index.ts';
import { type Processes, together } from '../../dist/index.ts';
import { type VideoLanguageModel, writeLoraFiles, writeModelFiles } from '../../models/index.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import type { OptimizedPiece } from '../shard/scattered-gradients.ts';
import type { ShardedWeights } from '../shard/sharded-weights.ts';
import { saveOptimizerPart } from './optimizer-files.ts';
import type { TrainingState } from './training-state.ts';

export interface SaveOptions {
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
  readonly training?: { readonly optimizer: Optimizer; readonly state: TrainingState } | undefined;
  /** Keep only so many newest checkpoints. */
  readonly save_total_limit?: number | undefined;
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

/**
 * Writes `checkpoint-<step>` and removes the oldest ones beyond the limit. All ranks call it: the first writes the model, each its part
 * of the optimizer.
 * @returns its path
 */
export async function saveTrainingCheckpoint(
  outputDir: string,
  step: number,
  options: SaveOptions,
): Promise<string> {
  const { processes, weights } = options;
  const target = join(outputDir, checkpointName(step));
  const making = await together(processes, 'the begin of a checkpoint', () =>
    processes.is_main_process ? beginFolder(target, { replace: true }) : undefined,
  );
  const [temporary] = await processes.gather(making?.temporary, 'the place of a checkpoint');
  const write = () => writeShare(temporary!, options);
  try {
    await together(processes, 'the writing of a checkpoint', () =>
      weights === undefined ? write() : weights.whole(write),
    );
  } catch (error) {
    making?.abort();
    throw error;
  }
  await together(processes, 'the end of a checkpoint', () => {
    if (making === undefined) return;
    writeChecksums(making.temporary);
    making.commit();
    if (options.save_total_limit === undefined) return;
    // Older ones go only when the new one reads back as it was written.
    const damage = damageOf(target);
    if (damage !== undefined)
      throw new CheckpointError(damage, {
        hint: 'the disk does not keep what is written: use another output_dir',
      });
    for (const old of checkpointSteps(outputDir).slice(0, -options.save_total_limit))
      rmSync(join(outputDir, checkpointName(old)), { recursive: true });
  });
  return target;
}

/** What this rank writes. */
function writeShare(folder: string, options: SaveOptions): void {
  const { model, from, training, processes, pieces } = options;
  const stateDir = join(folder, 'training_state');
  if (processes.is_main_process) {
    if (model.adapter === undefined) writeModelFiles(folder, model.config, model.weights, { from });
    else writeLoraFiles(folder, model, model.adapter, options.base_model ?? from);
  }
  if (training === undefined) return;
  mkdirSync(stateDir, { recursive: true });
  saveOptimizerPart(stateDir, training.optimizer, { processes, pieces });
  if (processes.is_main_process) writeJson(join(stateDir, 'trainer.json'), training.state);
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

/** What is wrong with the files of a checkpoint, as a sentence; undefined for a whole one, and for one without checksums. */
function damageOf(dir: string): string | undefined {
  const damaged = verifyChecksums(dir)?.filter(({ state }) => state !== 'equal') ?? [];
  if (damaged.length === 0) return undefined;
  const names = damaged.map(({ name, state }) => `${name} ${state === 'missing' ? 'is missing' : 'differs'}`);
  return `${dir}: not as it was saved (${CHECKSUMS}): ${names.join(', ')}`;
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

function writeJson(file: string, value: unknown): void {
  writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`);
}
