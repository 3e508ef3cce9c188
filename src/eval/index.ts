/** Scores, their statistics, and the reports made of them. */
export { type AnswerKeys, answerSettings } from './answer-settings.ts';
export {
  BENCHMARK_NAMES,
  type Benchmark,
  type BenchmarkName,
  benchmarkOf,
  type QuestionSet,
  type QuestionSetOptions,
  readQuestionSet,
} from './benchmarks.ts';
export { answerBothWays, type BothWays, type BothWaysOptions, WAYS, type Way } from './both-ways.ts';
export {
  CONTROL_WORDS,
  CONTROLS,
  type Control,
  controlQuestions,
  controlReader,
} from './controls.ts';
export {
  type KeptShares,
  LEFT_OUT,
  LEFT_OUT_WORDS,
  type LeftOut,
} from './difficulty.ts';
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluate.ts';
export {
  FILTERS,
  type Filtered,
  type FilterFigures,
  type FilterName,
  filterQuestions,
} from './filter-questions.ts';
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
export { SAMPLING } from './sampled-answers.ts';
