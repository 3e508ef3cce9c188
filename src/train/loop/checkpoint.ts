/**
 * Checkpoints: `checkpoint-<step>` is a Hugging Face model folder with a `training_state/` beside the weights.
 *
 *     checkpoint-500/
 *       config.json model.safetensors tokenizer.json ...   loads anywhere
 *       adapter_config.json adapter_model.safetensors      instead of the weights in a LoRA run
 *       training_state/optimizer.safetensors               moments, momentum and float32 master weights
 *       training_state/trainer.json                        step, counters, data order, what it was made for
 *
 * The folder is written under a temporary name, flushed and renamed, so a killed run leaves a whole checkpoint or
 * none. Pickled files (`optimizer.pt`) are neither read nor written.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, writeFileAtomic, writeFolderAtomic } from '../../base/index.ts';
import { openSafetensors, saveSafetensors } from '../../io/index.ts';
import { type VideoLanguageModel, writeLoraFiles, writeModelFiles } from '../../models/index.ts';
import { scope } from '../../tensor/index.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import type { TrainingState } from './training-state.ts';

export interface SaveOptions {
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

/** Writes `checkpoint-<step>` and removes the oldest ones beyond the limit. @returns its path */
export function saveTrainingCheckpoint(outputDir: string, step: number, options: SaveOptions): string {
  const target = join(outputDir, checkpointName(step));
  writeFolderAtomic(
    target,
    (folder) => {
      const { model, from, training } = options;
      if (model.adapter === undefined) writeModelFiles(folder, model.config, model.weights, { from });
      else writeLoraFiles(folder, model, model.adapter, options.base_model ?? from);
      if (training === undefined) return;
      const stateDir = join(folder, 'training_state');
      mkdirSync(stateDir);
      saveSafetensors(join(stateDir, 'optimizer.safetensors'), training.optimizer.state());
      writeJson(join(stateDir, 'trainer.json'), training.state);
    },
    { replace: true },
  );
  if (options.save_total_limit !== undefined) {
    for (const old of checkpointSteps(outputDir).slice(0, -options.save_total_limit))
      rmSync(join(outputDir, checkpointName(old)), { recursive: true });
  }
  return target;
}

/**
 * The checkpoint to resume from.
 * @param resume `auto`: the newest in `outputDir` that can be resumed, or undefined when there is none; else the path of a
 *   checkpoint, or of a run folder for its newest one
 * @throws CheckpointError when a named checkpoint does not exist or holds no training state
 */
export function findCheckpoint(outputDir: string, resume: string): string | undefined {
  const isRun = resume !== 'auto' && existsSync(join(resume, 'run.json'));
  if (resume === 'auto' || isRun) {
    const folder = isRun ? resume : outputDir;
    const newest = checkpointSteps(folder)
      .map((step) => join(folder, checkpointName(step)))
      .findLast(isResumable);
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

/** Restores the optimizer from a checkpoint. */
export function loadOptimizer(dir: string, optimizer: Optimizer): void {
  const files = openSafetensors(join(dir, 'training_state', 'optimizer.safetensors'));
  try {
    scope('loadOptimizer', () => {
      optimizer.loadState(new Map([...files].map(([name, lazy]) => [name, lazy.read()])));
    });
  } finally {
    files.close();
  }
}

function writeJson(file: string, value: unknown): void {
  writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`);
}
