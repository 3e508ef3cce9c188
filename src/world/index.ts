export { generateWorld, type WorldFiles, type WorldOptions } from './files/generate.ts';
export type { BaselineScores, Baselines } from './questions/baselines.ts';
export { drawEpisode, type Episode, type EpisodeOptions } from './questions/episode.ts';
export { KINDS, QUESTION_KINDS, type QuestionKind } from './questions/kinds.ts';
export { LESSON } from './questions/lesson.ts';
export type { QuestionPlan } from './questions/questions.ts';
export { type Kind, RUNGS, type Rung, type Statement } from './questions/statements.ts';
export { type TraceOptions, traceOf } from './questions/trace.ts';
export type { Place, Verdict } from './scene/events.ts';
export type { Body, Collision, Motion, Segment } from './scene/physics.ts';
export { drawFloor, type RenderOptions, renderFrame } from './scene/render.ts';
export type {
  Scene,
  SceneObject,
  SceneOptions,
} from './scene/scene.ts';
export { Story } from './scene/story.ts';
