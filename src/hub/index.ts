export type { HubTimes } from './client.ts';
export { type HubEnvironment, hubEnvironment } from './environment.ts';
export { fullName, isHubAddress, parseModelName, pinnedLike, type RepoName } from './names.ts';
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
