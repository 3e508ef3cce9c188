/** Training: configuration, GRPO and supervised runs, and the parts that a benchmark puts together itself. */
export {
  type ConfigLayer,
  type GrpoConfig,
  type GrpoConfigInput,
  type ResolvedConfig,
  resolveGrpoConfig,
} from './config/config.ts';
export { CONFIG_SECTIONS } from './config/config-schema.ts';
export { configTable } from './config/config-table.ts';
export { runConfigLayer, runFolderOf } from './config/run-config.ts';
export { resolveSftConfig, SFT_CONFIG_SECTIONS, type SftConfig } from './config/sft-config.ts';
export { checkGrpo, runGrpo } from './grpo/grpo-run.ts';
export { type GrpoStepReport, GrpoTrainer, type PromptSource } from './grpo/grpo-trainer.ts';
export { checkpointSteps } from './loop/checkpoint.ts';
export { RunLength } from './loop/run-length.ts';
export type { RunCheck, RunProgress, RunResult, RunStart, StepReport } from './loop/run-loop.ts';
export { AdamW } from './optim/adamw.ts';
export { clipGradNorm } from './optim/grad-norm.ts';
export { createOptimizer, type Optimizer } from './optim/optimizer.ts';
export { Updater } from './optim/update.ts';
export type { HeldOutResult } from './sft/held-out.ts';
export { checkSft, runSft } from './sft/sft-run.ts';
export {
  createTrainProgress,
  type Facts,
  grpoFacts,
  sftFacts,
  type TrainProgress,
} from './train-progress.ts';
