export { type AnswerStatistics, answerStatistics } from './answer-statistics.ts';
export {
  ANSWER_PARSERS,
  type AnswerForm,
  type AnswerParser,
  type AnswerSource,
  type ParsedAnswer,
  type ParseOptions,
  parseAnswer,
  parseSolution,
  pythonStrip,
  withoutPrompt,
} from './answers.ts';
export {
  ACCURACY_KINDS,
  type AccuracyKind,
  accuracyScore,
  formatAuthors,
  formatAuthorsEval,
  formatStrict,
} from './scores.ts';
export {
  answerText,
  solutionProblem,
  type Task,
  type TextTask,
  taskOf,
  taskScore,
} from './task-scores.ts';
