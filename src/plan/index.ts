/** Memory and time of a run before anything is loaded. */
export { type MemoryPlan, PHASES, type PlanItem } from './memory.ts';
export { type Change, changeThatFits, longestPrompt, onDevice, planRun } from './plan-run.ts';
export { H100, passSizes, planTime, type TimePlan } from './time.ts';
