/** Training: configuration, GRPO and supervised runs. */
export { type ConfigLayer, type ResolvedConfig, resolveGrpoConfig } from './config/config.ts';
export { grpoConfigSchema } from './config/config-schema.ts';
export { runConfigLayer, runFolderOf } from './config/run-config.ts';
export { resolveSftConfig } from './config/sft-config.ts';
export { checkGrpo, type GrpoRunResult, type GrpoStepReport, runGrpo } from './grpo/grpo-run.ts';
export { checkpointSteps } from './loop/checkpoint.ts';
export { readable } from './loop/preflight.ts';
export type { RunCheck, RunProgress, RunResult, RunStart } from './loop/run-loop.ts';
export { AdamW } from './optim/adamw.ts';
export { clipGradNorm } from './optim/grad-norm.ts';
export type { HeldOutResult } from './sft/held-out.ts';
export { checkSft, runSft, type SftStepReport } from './sft/sft-run.ts';
