/** What `--resume` means: which checkpoint a run goes on from, and its folder cut to that step. The same for every kind of run. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  CheckpointError,
  ConfigError,
  type JsonObject,
  type Logger,
  sweepLeftovers,
} from '../../base/index.ts';
import { RunDirectory } from '../../run/index.ts';
import { getNumThreads } from '../../tensor/index.ts';
import type { Resolved } from '../config/config-layers.ts';
import { changedKeys, runConfigLayer } from '../config/run-config.ts';
import { findCheckpoint, setAsideAfter } from './checkpoint.ts';
import { readTrainingState, type StateOf, type TrainingKind, type TrainingState } from './training-state.ts';

export interface Resumed<Kind extends TrainingKind> {
  /** Absent for a new run, and for one that is begun again because it never saved. */
  readonly checkpointDir?: string | undefined;
  readonly saved?: StateOf<Kind> | undefined;
  /** Whether `output_dir` holds a run to go on with. */
  readonly isOldRun: boolean;
}

/**
 * @param resume `auto`, or the path of a checkpoint or run folder; undefined for a new run
 * @throws CheckpointError, ConfigError when the checkpoint can not be gone on from in `output_dir`
 */
export function findResumed<Kind extends TrainingKind>(
  config: { readonly output_dir: string },
  resume: string | undefined,
  kind: Kind,
  logger: Logger,
): Resumed<Kind> {
  if (resume === undefined) return { isOldRun: false };
  const isOldRun = existsSync(join(config.output_dir, 'run.json'));
  const checkpointDir = findCheckpoint(config.output_dir, resume, (text) => logger.warn(text));
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
  const saved = readTrainingState(checkpointDir, kind);
  if (saved.num_threads !== getNumThreads())
    logger.warn(
      { saved: saved.num_threads, now: getNumThreads() },
      'the number of threads differs from the saved run: results will differ in the last bits',
    );
  return { checkpointDir, saved, isOldRun };
}

/** A new run folder, or the old one cut at the step that was restored. */
export function openRun(
  { config, sources }: Resolved<{ readonly output_dir: string }>,
  { saved, isOldRun }: { readonly saved?: TrainingState | undefined; readonly isOldRun: boolean },
  logger: Logger,
): RunDirectory {
  const swept = sweepLeftovers(config.output_dir);
  if (swept.length > 0) logger.info(`removed what a killed process left half written: ${swept.join(', ')}`);
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
