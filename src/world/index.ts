export { drawEpisode, type Episode, generateWorld, type WorldFiles, type WorldOptions } from './generate.ts';
export { type Body, type Collision, type Motion, type Segment, simulate, stateAt } from './physics.ts';
export { makeQuestion, QUESTION_KINDS, type Question, type QuestionKind, statements } from './questions.ts';
export { type RenderOptions, renderFrame, renderFrames } from './render.ts';
export { drawScene, nameOf, type Scene, type SceneObject, type SceneOptions } from './scene.ts';
