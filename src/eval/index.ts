/** Scores, their statistics, and the reports made of them. */
export { type Accuracy, type AccuracyTable, accuracy, accuracyTable, type ScoredRow } from './accuracy.ts';
export { accuracyPlot } from './accuracy-plot.ts';
export { type BeforeAfter, beforeAfter, type Change } from './before-after.ts';
export {
  BENCHMARK_NAMES,
  BENCHMARKS,
  type Benchmark,
  type BenchmarkName,
  benchmarkOf,
  type QuestionSet,
  type QuestionSetOptions,
  readQuestionSet,
} from './benchmarks.ts';
export { answerBothWays, type BothWays, type BothWaysOptions, WAYS, type Way } from './both-ways.ts';
export { type Comparison, compareRuns, type NamedRows } from './compare.ts';
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluate.ts';
export { type EvaluationRow, readEvaluationRows } from './evaluation-rows.ts';
export { modelFingerprint } from './model-fingerprint.ts';
export {
  type Answers,
  PROTOCOL_NAMES,
  PROTOCOLS,
  type Protocol,
  type ProtocolName,
  protocolOf,
  samplingOf,
} from './protocols.ts';
export { renderReport, writeReport } from './report.ts';
export { type AnswerFigures, evaluationReport, logReport, type ReportContent } from './report-content.ts';
export { type SampleAnswers, sampleAnswers, splitAnswer } from './sample-answers.ts';
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
  signFlipTest,
  studentMean,
  wilsonInterval,
} from './statistics.ts';
export { pText, type TrainingPage, trainingPage } from './training-page.ts';
export { readTrainingRun, type TrainingRun, wordsOf } from './training-run.ts';
