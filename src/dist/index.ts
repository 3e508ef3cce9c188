/** Several processes as one run: who they are, how they start, what they tell each other. */
export { type RankEnvironment, readRankEnvironment } from './environment.ts';
export { launchRanks } from './launch.ts';
export {
  type CollectiveTrace,
  inProcessGroup,
  type Pending,
  type Processes,
  type RankContext,
  SINGLE_PROCESS,
  type TensorCollectives,
  together,
} from './process-group.ts';
