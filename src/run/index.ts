export { last, type Metric, MetricAccumulator, max, mean, min, sum } from './metrics.ts';
export { PhaseClock, type PhaseTimes } from './phase-clock.ts';
export {
  type CreateRunOptions,
  type MachineInfo,
  type MetricsRow,
  type ResumeRecord,
  RunDirectory,
  type RunInfo,
  stepName,
} from './run-directory.ts';
export type { CompletionRecord, TokenRecord } from './step-records.ts';
export { EventWriter } from './tensorboard.ts';
export { encodeTokens, type TokenFile } from './token-file.ts';
