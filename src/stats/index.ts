export {
  type Accuracy,
  type AccuracyTable,
  accuracy,
  accuracyCells,
  accuracyTable,
  type Breakdown,
  breakdowns,
  type ScoredRow,
} from './accuracy.ts';
export { type BeforeAfter, beforeAfter, type Change } from './before-after.ts';
export { type Comparison, compareRuns, type NamedRows } from './compare.ts';
export {
  checkEvaluationRow,
  checkSettings,
  type EvaluationRow,
  type RowCheck,
  readEvaluationRows,
  resumeRows,
  rowsPath,
} from './evaluation-rows.ts';
export {
  type BootstrapOptions,
  type ConfidenceLevel,
  type Interval,
  type McNemar,
  signFlipTest,
  studentMean,
} from './statistics.ts';
