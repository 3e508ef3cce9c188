/**
 * What a program that imports `twgrpo` uses, and all that the package exports: load a model, ask it, train it with rewards of one's
 * own, evaluate it, read question files and run folders. The other rooms may change from one version to the next; this one
 * says so in the changelog.
 */
export { CheckpointError, ConfigError, DataError, TwgrpoError, VideoError } from '../base/index.ts';
export { type DataItem, type LoadedItems, type Question, readItems, toQuestion } from '../data/index.ts';
export type { RewardFunction, RewardInput, RewardValue } from '../rl/index.ts';
export { type CompletionRecord, type MetricsRow, RunDirectory } from '../run/index.ts';
export type { GrpoConfigInput, GrpoStepReport, RunResult } from '../train/index.ts';
export { generateWorld, type WorldFiles, type WorldOptions } from '../world/index.ts';
export { type EvaluateOptions, type EvaluateResult, evaluate } from './evaluate.ts';
export { type Answer, type GenerateOptions, generate } from './generate.ts';
export { LoadedModel, type LoadOptions, loadModel, smallModel } from './load-model.ts';
export { type TrainOptions, train } from './train.ts';
