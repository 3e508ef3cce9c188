export type { HubTimes } from './client.ts';
export type { HubEnvironment } from './environment.ts';
export { lastPart, type ModelCard, modelCard } from './model-card.ts';
export { type ModelHeaders, resolveModelHeaders } from './model-headers.ts';
export {
  isHubAddress,
  parseDatasetFile,
  parseModelName,
  pinnedLike,
  type RepoName,
} from './names.ts';
export type { HubSource, Resolved, ResolvePlan } from './plan.ts';
export { licenseOf, type PushFile, type PushOptions, pushFiles } from './push.ts';
export {
  planDataFile,
  planModel,
  type ResolveOptions,
  resolveDataFile,
  resolveModel,
  resolveModelConfig,
} from './resolve.ts';
