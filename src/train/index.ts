/** Training: configuration, GRPO runs, checkpoints. */
export { checkpointSteps, findCheckpoint } from './checkpoint.ts';
export {
  CONFIG_SECTIONS,
  type ConfigLayer,
  type GrpoConfig,
  grpoConfigSchema,
  type ResolvedConfig,
  resolveGrpoConfig,
} from './config.ts';
export { type GrpoRunOptions, type GrpoRunResult, runGrpo } from './grpo-run.ts';
export type { StepReport } from './grpo-trainer.ts';
export { AdamW, type AdamWOptions, clipGradNorm, gradNorm } from './optimizer.ts';
export { runConfigLayer, runFolderOf } from './run-config.ts';
export { learningRateAt, SCHEDULER_TYPES, type SchedulerType } from './schedule.ts';
