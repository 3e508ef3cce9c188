export { writeComplete } from './files/batch.ts';
export { generateWorld, type WorldFiles, type WorldOptions } from './files/generate.ts';
export { type BaselineScores, type Baselines, measureBaselines } from './questions/baselines.ts';
export { drawEpisode, type Episode, type EpisodeOptions } from './questions/episode.ts';
export { KINDS, QUESTION_KINDS, type QuestionKind } from './questions/kinds.ts';
export { LESSON } from './questions/lesson.ts';
export { drawPlan, makeQuestion, type QuestionPlan } from './questions/questions.ts';
export { type Kind, RUNGS, type Rung, type Statement } from './questions/statements.ts';
export { type TraceOptions, traceOf } from './questions/trace.ts';
export { Observation, type Place, type Verdict } from './scene/events.ts';
export { type Body, type Collision, type Motion, type Segment, simulate, stateAt } from './scene/physics.ts';
export { drawFloor, type RenderOptions, renderFrame, renderFrames } from './scene/render.ts';
export {
  COLOR_NAMES,
  drawScene,
  nameOf,
  type Scene,
  type SceneObject,
  type SceneOptions,
  SHAPES,
} from './scene/scene.ts';
export { Story } from './scene/story.ts';
