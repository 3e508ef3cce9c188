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
export { type GrpoRunOptions, type GrpoRunResult, type GrpoStepReport, runGrpo } from './grpo/grpo-run.ts';
export { textEnds } from './grpo/run-records.ts';
export { checkpointSteps, findCheckpoint } from './loop/checkpoint.ts';
export type { RunProgress, RunResult, RunStart } from './loop/run-loop.ts';
export { AdamW } from './optim/adamw.ts';
export { clipGradNorm } from './optim/grad-norm.ts';
export type { HeldOutResult } from './sft/held-out.ts';
export { runSft, type SftStepReport } from './sft/sft-run.ts';
