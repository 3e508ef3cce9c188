export { authorsLogLine } from './authors-log.ts';
export {
  type Agreement,
  type Duplicate,
  type LogScore,
  type RefusedLog,
  type RuleFinding,
  SCORE_MODES,
  type ScoreChange,
  type ScoreLogOptions,
  type ScoreMode,
  scoreLog,
} from './score-log.ts';
