/** Scores, their statistics, and the reports made of them. */
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
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluate.ts';
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
