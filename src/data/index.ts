export { drawLikeAuthors } from './authors-order.ts';
export {
  type CheckOptions,
  checkData,
  type DataReport,
  type SourceReport,
  VIDEO_CHECKS,
  type VideoCheck,
} from './check-data.ts';
export { type ConvertClevrerOptions, type ConvertClevrerResult, convertClevrer } from './convert-clevrer.ts';
export { csvText, isCsvPath } from './csv.ts';
export { type FieldValue, type FileRecord, filterRows } from './filter-rows.ts';
export { type DataIssue, formatIssue, nextStep } from './issues.ts';
export {
  type DataItem,
  type DataItemInput,
  type FoundMedium,
  isMultiple,
  isOfType,
  itemSchema,
  itemTask,
  LETTERS,
  labelled,
  lettersOf,
  MEDIUM_PLACE,
  type Medium,
  mediumSchema,
  problemText,
  type Question,
  type QuestionType,
  solutionText,
  truthOf,
} from './item.ts';
export { type JsonProblem, type JsonScan, scanJson } from './json-scan.ts';
export { FOLDER_FPS, mediaFacts, type VideoFacts } from './media-facts.ts';
export type { MediaRoot } from './media-path.ts';
export { splitProblem } from './options.ts';
export {
  PROMPT_TEMPLATES,
  type PromptOptions,
  type PromptTemplate,
  promptMessages,
  promptText,
} from './prompts.ts';
export * from './qai/index.ts';
export { clipOf, toQuestion } from './question.ts';
export {
  DATA_FORMATS,
  type DataFormat,
  fingerprint,
  type LoadedItems,
  type QuestionRecords,
  type ReadOptions,
  readItems,
  readItemsWithIssues,
  readQuestionRecords,
} from './read-items.ts';
export { CLEVRER_QUESTION_TYPES, clevrerPath } from './readers/clevrer.ts';
export type { ReadResult } from './readers/reader.ts';
export { recordedFiles } from './recorded-media.ts';
export { DATA_ORDERS, type DataOrder, drawSubset, EpochSampler, type SamplerOptions } from './sampler.ts';
