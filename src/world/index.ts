export { type BaselineScores, type Baselines, measureBaselines } from './baselines.ts';
export { drawEpisode, type Episode, type EpisodeOptions } from './episode.ts';
export { Observation, type Place, type Verdict } from './events.ts';
export { generateWorld, type WorldFiles, type WorldOptions } from './generate.ts';
export { KINDS, QUESTION_KINDS, type QuestionKind } from './kinds.ts';
export { LESSON } from './lesson.ts';
export { type Body, type Collision, type Motion, type Segment, simulate, stateAt } from './physics.ts';
export { drawPlan, makeQuestion, type Question, type QuestionPlan } from './questions.ts';
export { drawFloor, type RenderOptions, renderFrame, renderFrames } from './render.ts';
export { type ReportedSet, writeWorldReport } from './report.ts';
export {
  COLOR_NAMES,
  drawScene,
  nameOf,
  type Scene,
  type SceneObject,
  type SceneOptions,
  SHAPES,
} from './scene.ts';
export { type Kind, RUNGS, type Rung, type Statement } from './statements.ts';
export { Story } from './story.ts';
export { type TraceOptions, traceOf } from './trace.ts';
