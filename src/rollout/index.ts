/** From questions to completions: prompts with their videos, the sampler chain, the caches, and groups that share their prompt. */
export { type AnswerOptions, answerGroups, answerPrompts } from './answer-prompts.ts';
export {
  type GeneratedToken,
  type GenerateOptions,
  generateGroup,
  generateGroups,
} from './generate.ts';
export { type JudgedAnswer, judgeAnswer } from './judge-answer.ts';
export { type ReadOptions, readCompletion } from './read-completion.ts';
export { loadRewards } from './rewards.ts';
export { rollOut, rollOutShuffled } from './roll-out.ts';
export { checkSampling, type SamplingOptions } from './sampler.ts';
export { score } from './score.ts';
export type { Completion, FinishReason, Rollout, RolloutGroup, RolloutPrompt } from './types.ts';
