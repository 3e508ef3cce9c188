export { heaviestWords, printResult, printSamples, verdict } from './demo-output.ts';
export {
  chooseFolder,
  chooseModel,
  DEFAULT_FOLDER,
  DEMO_FILE,
  DEMO_MODES,
  type DemoMode,
  type DemoModeName,
  demoConfig,
  demoWorlds,
  MAX_COMPLETION_LENGTH,
  PROMPT_TEMPLATE,
  trainMinutes,
  VIDEO_CACHE_MIB,
  VIDEO_KEYS,
} from './demo-plan.ts';
