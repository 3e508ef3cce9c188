/** From questions to completions: prompts with their videos, the sampler chain, the caches, and groups that share their prompt. */
export { type ExperienceGroup, type PolicyGroup, type PromptEntry, rollOut, score } from './experience.ts';
export {
  type Completion,
  type GeneratedToken,
  type GenerateOptions,
  generateGroup,
  generateGroups,
} from './generate.ts';
export { loadRewards } from './rewards.ts';
export { checkSampling, drawTokens, type SamplingOptions, sampleScores } from './sampler.ts';
