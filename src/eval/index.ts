/** Scores, their statistics, and the reports made of them. */
export { type Accuracy, type AccuracyTable, accuracy, accuracyTable, type ScoredRow } from './accuracy.ts';
export { type Comparison, compareRuns, type NamedRows } from './compare.ts';
export { type EvaluateOptions, type Evaluation, type EvaluationRow, evaluate } from './evaluate.ts';
export {
  type Agreement,
  type Duplicate,
  type LogScore,
  type RefusedLog,
  type RuleFinding,
  SCORE_MODES,
  type ScoreChange,
  type ScoreLogOptions,
  type ScoreMode,
  scoreLog,
} from './score-log.ts';
export {
  type BootstrapOptions,
  bootstrapMean,
  type ConfidenceLevel,
  type Interval,
  type McNemar,
  mcnemar,
  wilsonInterval,
} from './statistics.ts';
