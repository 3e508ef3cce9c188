/** A GRPO run from a program: the same run as `twgrpo train`, with reward functions that need no module of their own. */
import { createLogger, type JsonObject } from '../base/index.ts';
import type { RewardFunction } from '../rl/index.ts';
import {
  type GrpoConfigInput,
  type GrpoStepReport,
  type RunResult,
  resolveGrpoConfig,
  runGrpo,
} from '../train/index.ts';

export interface TrainOptions {
  /** Reward functions by the names that `reward_funcs` uses. */
  readonly rewards?: Readonly<Record<string, RewardFunction>>;
  /** `auto`, or the path of a checkpoint or run folder to go on from. */
  readonly resume?: string;
  /** When aborted, the run finishes its step, saves and returns. */
  readonly signal?: AbortSignal;
  readonly onStep?: (report: GrpoStepReport) => void;
  /** Print warnings and errors alone. @default false */
  readonly quiet?: boolean;
}

/**
 * Trains a model and leaves a run folder in `output_dir`.
 * @param config the keys of docs/training.md, as in a YAML file
 * @returns where the run and its last checkpoint are
 * @throws ConfigError, DataError, CheckpointError, VideoError before or during training, each naming file and key
 */
export async function train(config: GrpoConfigInput, options: TrainOptions = {}): Promise<RunResult> {
  const { quiet = false, ...rest } = options;
  const resolved = resolveGrpoConfig([{ source: 'train()', values: { ...config } as JsonObject }]);
  return await runGrpo({ resolved, logger: createLogger({ quiet, fd: 2 }), ...rest });
}
