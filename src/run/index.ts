export {
  CheckpointError,
  ConfigError,
  DataError,
  DistError,
  type ErrorDetails,
  EXIT_CODES,
  exitCodeOf,
  formatError,
  TwgrpoError,
  VideoError,
} from './errors.ts';
export { appendJsonLines, type JsonObject, readJsonLines, repairJsonLines } from './json-lines.ts';
export { createLogger, type Logger, type LoggerOptions, type LogLevel } from './logger.ts';
export { last, type Metric, MetricAccumulator, max, mean, min, sum, summary } from './metrics.ts';
export { gitCommit, packageRoot, packageVersion } from './package-root.ts';
export { createProgress, formatSeconds, type Progress, type ProgressOptions } from './progress.ts';
export {
  type CreateRunOptions,
  type MachineInfo,
  type MetricsRow,
  type ResumeRecord,
  RunDirectory,
  type RunInfo,
  stepName,
} from './run-directory.ts';
export { EventWriter } from './tensorboard.ts';
export { decodeTokens, encodeTokens, type TokenFile, type TokenRecord } from './token-file.ts';
