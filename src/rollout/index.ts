/** From questions to completions: prompts with their videos, the sampler chain, the caches, and groups that share their prompt. */
export {
  type Completion,
  type GeneratedToken,
  type GenerateOptions,
  generateGroup,
  generateGroups,
} from './generate.ts';
export { GroupCache } from './kv-cache.ts';
export { promptCounter } from './prompt-length.ts';
export {
  type PromptLoaderOptions,
  promptLoader,
  type Question,
  type ReadyPrompt,
  toQuestion,
  type VideoKeys,
  videoSettings,
} from './prompt-loader.ts';
export { checkSampling, drawTokens, type SamplingOptions, sampleScores } from './sampler.ts';
export { bannedTokenIds, stopTokenIds, visionTokenIds } from './token-ids.ts';
