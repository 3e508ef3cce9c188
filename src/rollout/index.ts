/** Generation: the sampler chain, the caches, and groups of completions that share their prompt. */
export {
  type Completion,
  type GeneratedToken,
  type GenerateOptions,
  generateGroup,
  generateGroups,
  visionTokenIds,
} from './generate.ts';
export { GroupCache } from './kv-cache.ts';
export { checkSampling, drawTokens, type SamplingOptions, sampleScores } from './sampler.ts';
