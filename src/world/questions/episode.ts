/**
 * One video with its questions, before it is drawn. Episode `i` of a seed comes from a random stream of its own, so any part
 * of a set can be made again, in any order and by several processes.
 */
import { ConfigError, Random } from '../../base/index.ts';
import { drawScene, type SceneOptions } from '../scene/scene.ts';
import { Story } from '../scene/story.ts';
import { KINDS, QUESTION_KINDS, type QuestionKind } from './kinds.ts';
import {
  drawPlan,
  makeQuestion,
  type PlanOptions,
  type QuestionPlan,
  type WorldQuestion,
} from './questions.ts';
import { STYLES } from './statements.ts';

export interface EpisodeOptions extends PlanOptions, SceneOptions {
  /** Kinds of question, used in turn. @default all */
  readonly kinds?: readonly QuestionKind[];
  /** Most questions of a video; a scene may not allow so many. @default 1 */
  readonly questionsPerVideo?: number;
}

export interface Episode {
  readonly index: number;
  readonly story: Story;
  readonly questions: readonly WorldQuestion[];
}

const MAX_DRAWS = 20_000;

/**
 * Draws scenes until one can carry the planned first question; further questions are those that the scene happens to allow.
 * @throws ConfigError when no scene allows it
 */
export function drawEpisode(seed: number, index: number, options: EpisodeOptions): Episode {
  const {
    kinds = QUESTION_KINDS,
    questionsPerVideo = 1,
    negatedShare,
    maxOptions,
    ...sceneOptions
  } = options;
  const random = Random.stream(seed, 'episode', index);
  const planOptions = {
    ...(negatedShare === undefined ? {} : { negatedShare }),
    ...(maxOptions === undefined ? {} : { maxOptions }),
  };
  const name = kinds[index % kinds.length]!;
  const plan = drawPlan(random, name, planOptions);
  const style = { ...styleOf(plan), ...sceneOptions };
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const story = new Story(drawScene(random, style));
    const first = makeQuestion(random, plan, story);
    if (first === undefined) continue;
    const questions = [first];
    for (let next = 1; next < kinds.length * 2 && questions.length < questionsPerVideo; next++) {
      const other = drawPlan(random, kinds[(index + next) % kinds.length]!, planOptions);
      const question = makeQuestion(random, other, story);
      if (question !== undefined && questions.every((one) => one.question !== question.question))
        questions.push(question);
    }
    return { index, story, questions };
  }
  const numTrue = plan.options.filter(({ isTrue }) => isTrue).length;
  throw new ConfigError(
    `no scene in ${MAX_DRAWS} draws allows a "${name}" question with ${numTrue} of ${plan.options.length} statements true`,
    { hint: 'allow more objects, longer videos or other speeds' },
  );
}

/** Options for drawing scenes that probably allow the question: with an object or two more than it speaks of. */
function styleOf({ kind, options }: QuestionPlan): Omit<SceneOptions, 'height' | 'durationS'> {
  const { style, extraObjects } = KINDS[kind];
  const [least, most] = STYLES[style].numObjects;
  const needed = extraObjects === undefined ? 0 : options.length + extraObjects;
  return { ...STYLES[style], numObjects: [Math.max(least, needed), Math.max(most, needed + 1)] };
}
