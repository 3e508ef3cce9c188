export type { HubTimes } from './client.ts';
export { type HubEnvironment, hubEnvironment } from './environment.ts';
export { lastPart, type ModelCard, modelCard } from './model-card.ts';
export {
  isHubAddress,
  parseDatasetFile,
  parseModelName,
  pinnedLike,
  type RepoName,
} from './names.ts';
export { licenseOf, type PushFile, type PushOptions, pushFiles } from './push.ts';
export {
  type HubSource,
  planDataFile,
  planModel,
  type Resolved,
  type ResolveOptions,
  type ResolvePlan,
  resolveDataFile,
  resolveModel,
  sizeText,
} from './resolve.ts';
