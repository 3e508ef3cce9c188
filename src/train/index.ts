/** Training: configuration, GRPO and supervised runs, checkpoints. */
export {
  CONFIG_SECTIONS,
  type ConfigLayer,
  type GrpoConfig,
  grpoConfigSchema,
  type ResolvedConfig,
  resolveGrpoConfig,
} from './config/config.ts';
export { runConfigLayer, runFolderOf } from './config/run-config.ts';
export {
  type CurriculumStage,
  resolveSftConfig,
  SFT_CONFIG_SECTIONS,
  type SftConfig,
  sftConfigSchema,
} from './config/sft-config.ts';
export { type GrpoRunOptions, type GrpoRunResult, runGrpo } from './grpo/grpo-run.ts';
export type { StepReport } from './grpo/grpo-trainer.ts';

export { textEnds } from './grpo/run-records.ts';
export { checkpointSteps, findCheckpoint } from './loop/checkpoint.ts';
export { Muon, type MuonOptions } from './optim/muon.ts';
export { AdamW, type AdamWOptions, clipGradNorm, gradNorm } from './optim/optimizer.ts';
export { learningRateAt, SCHEDULER_TYPES, type SchedulerType } from './optim/schedule.ts';
export type { HeldOutResult } from './sft/held-out.ts';
export {
  runSft,
  type SftProgress,
  type SftRunOptions,
  type SftRunResult,
  type SftStepReport,
} from './sft/sft-run.ts';
