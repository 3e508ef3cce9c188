/** Training: configuration, GRPO and supervised runs, checkpoints. */
export { checkpointSteps, findCheckpoint } from './checkpoint.ts';
export {
  CONFIG_SECTIONS,
  type ConfigLayer,
  type GrpoConfig,
  grpoConfigSchema,
  type ResolvedConfig,
  resolveGrpoConfig,
} from './config.ts';
export { frameDecoder } from './frame-cache.ts';
export { type GrpoRunOptions, type GrpoRunResult, runGrpo } from './grpo-run.ts';
export type { StepReport } from './grpo-trainer.ts';
export type { HeldOutResult } from './held-out.ts';
export { Muon, type MuonOptions } from './muon.ts';
export { AdamW, type AdamWOptions, clipGradNorm, gradNorm } from './optimizer.ts';
export { runConfigLayer, runFolderOf } from './run-config.ts';
export { textEnds } from './run-records.ts';
export { learningRateAt, SCHEDULER_TYPES, type SchedulerType } from './schedule.ts';
export {
  type CurriculumStage,
  resolveSftConfig,
  SFT_CONFIG_SECTIONS,
  type SftConfig,
  sftConfigSchema,
} from './sft-config.ts';
export {
  runSft,
  type SftProgress,
  type SftRunOptions,
  type SftRunResult,
  type SftStepReport,
} from './sft-run.ts';
