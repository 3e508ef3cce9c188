/** The demo: what it does in which mode, its run, and what it shows. */
export { printDemo } from './demo-output.ts';
export {
  chooseFolder,
  chooseModel,
  DEFAULT_FOLDER,
  DEMO_MODES,
  type DemoMode,
  type DemoModeName,
} from './demo-plan.ts';
export { here } from './demo-report.ts';
export { type DemoRecord, type DemoRequest, type DemoResult, runDemo } from './demo-run.ts';
