export { KEY_ALIASES, KEY_NOTES, keysOfAlias, presentValue, presentWords, valueOfAlias } from './aliases.ts';
export {
  beginFolder,
  type FileWriter,
  isLeftover,
  sweepLeftovers,
  temporaryName,
  writeFileAtomic,
  writeFolderAtomic,
  writeFully,
} from './atomic.ts';
export { CHECKSUMS, type CheckedFile, damageOf, verifyChecksums } from './checksums.ts';
export { compiledModule } from './compiled-module.ts';
export { forEachConcurrently, limitConcurrency } from './concurrency.ts';
export { asDiskError, freeBytes, onDisk, sizeText } from './disk.ts';
export { type EngineFile, engineFilePath, readEngineFile, setUpCommandLine } from './engine-file.ts';
export {
  CheckpointError,
  ConfigError,
  DataError,
  DistError,
  type ErrorDetails,
  EXIT_CODES,
  exitCodeOf,
  formatError,
  HubError,
  ToldError,
  TwgrpoError,
  VideoError,
} from './errors.ts';
export { lastSignOfLife, lockFolder } from './folder-lock.ts';
export { FolderThread, HeldFiles } from './folder-thread.ts';
export { insideFolder } from './inside-folder.ts';
export { checkJson, firstDuplicateKey, isDeeper, readJsonFile } from './json-file.ts';
export { appendJsonLines, type JsonObject, readJsonLines, repairJsonLines } from './json-lines.ts';
export { FINAL_CODE, isEndedRun, LAUNCH_FOLDER, reportEnd, reportStart } from './launch-report.ts';
export { type Lock, takeLock } from './lock-file.ts';
export { createLogger, type Logger, type LoggerOptions, type LogLevel } from './logger.ts';
export { type Notice, processWarning } from './notice.ts';
export { mean, median, percent, percentNumber, percentRange, variance } from './numbers.ts';
export { Output, type Streams } from './output.ts';
export { gitCommit, packageRoot, packageVersion } from './package-root.ts';
export { isLiving } from './process-start.ts';
export { createProgress, formatSeconds, type Progress, type ProgressOptions } from './progress.ts';
export { deriveSeed, promptSeed, Random, type RandomState } from './random.ts';
export { closest } from './spelling.ts';
export { tableLines } from './table.ts';
export { recordOf, tally } from './tally.ts';
export { readTextFile, readWholeFile, UnreadableFile } from './text-file.ts';
export { afterAwake, withinTime } from './time-limit.ts';
export { parseYaml, readYamlFile, type Yaml } from './yaml.ts';
