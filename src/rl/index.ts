/** Rewards, advantages, token weights and losses: pure functions over tensors and plain data. */
export {
  type AdvantageOptions,
  type Advantages,
  computeAdvantages,
  rewardStatistics,
  SCALE_REWARDS,
  type ScaleRewards,
} from './advantages.ts';
export {
  type ChunkedLoss,
  type ChunkedLossInputs,
  type ChunkedLossOptions,
  chunkedLoss,
} from './chunked-loss.ts';
export {
  type ChunkOptions,
  chunkMemory,
  logitsChunkBytes,
  type ScoredTokens,
  scoreTokens,
} from './chunks.ts';
export {
  IMPORTANCE_SAMPLING_LEVELS,
  type ImportanceSamplingLevel,
  KL_ESTIMATORS,
  type KlEstimator,
  LOSS_NORMS,
  type LossNorm,
  type LossScale,
  type PolicyLossConfig,
  type PolicyLossInputs,
  type PolicyMetrics,
} from './loss.ts';
export { LOSS_PRESETS, LOSS_TYPES, type LossPreset, type LossType } from './presets.ts';
export {
  BUILT_IN_REWARDS,
  type BuiltInRewardOptions,
  builtInReward,
  checkRewards,
  combineRewards,
  type NamedReward,
  type RewardFunction,
  type RewardInput,
  type RewardValue,
  rewardFromModule,
  scoreRewards,
} from './rewards.ts';
export {
  type TemporalContrast,
  type TemporalContrastOptions,
  temporalContrast,
} from './temporal-contrast.ts';
export {
  type DivergenceChunk,
  groupDivergence,
  TOKEN_WEIGHT_MODES,
  type TokenWeightConfig,
  type TokenWeightMode,
  type TokenWeightStatistics,
  weightsFromDivergence,
} from './token-weights.ts';
