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
