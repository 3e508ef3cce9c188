/** Several processes as one run: who they are, how they start, what they tell each other. */
export { type RankEnvironment, readRankEnvironment } from './environment.ts';
export { inProcessGroup, onlyMain, onMain, type RankContext, together } from './in-process-group.ts';
export { launchRanks } from './launch.ts';
export {
  type Pending,
  type Processes,
  SINGLE_PROCESS,
  type TensorCollectives,
  type TraceSpan,
} from './process-group.ts';
