/**
 * What a careful viewer would write down before answering: for each option in turn where its objects are in each temporal slice,
 * then the option's letter if it belongs to the answer, else `no`. Small models learn it from videos in minutes, and it
 * is how they bind what they see to the letters (the verdict stands right behind its evidence).
 *
 *     <think>red aa ab ac out B, blue none none none none no</think>
 *
 * Places are cells of a grid over the picture, row letter before column letter: `aa` is the upper left one.
 */
import { LETTERS } from '../../data/index.ts';
import type { Observation } from '../scene/events.ts';
import { stateAt } from '../scene/physics.ts';
import type { Look } from '../scene/scene.ts';
import type { Story } from '../scene/story.ts';
import type { WorldQuestion } from './questions.ts';

export interface TraceOptions {
  /** Moments to note places at, in seconds: one for each temporal slice the model sees. */
  readonly times: readonly number[];
  /** Rows and columns of the grid. @default 4 */
  readonly cells?: number;
}

/** Outside the picture; never in the scene at all. */
const OUT = 'out';
const NONE = 'none';

/** The thinking, in its tags. Objects go by colour where colours tell them apart, else by colour and shape. */
export function traceOf(question: WorldQuestion, story: Story, options: TraceOptions): string {
  const notes = question.statements.map((statement, at) => {
    const isRight = statement.isTrue !== question.isNegated;
    const tracks =
      statement.look === undefined
        ? statement.objects.map((index) => track(story, index, options))
        : [`${naming(story, statement.look)} ${options.times.map(() => NONE).join(' ')}`];
    return `${tracks.join(' ')} ${isRight ? LETTERS[at] : 'no'}`;
  });
  const anchor = question.anchor.objects.map((index) => track(story, index, options));
  return `<think>${[...anchor, ...notes].join(', ')}</think>`;
}

/** `red aa ab ac out` */
function track(story: Story, index: number, { times, cells = 4 }: TraceOptions): string {
  const places = times.map((time) => cellAt(story.seen, index, time, cells));
  return `${naming(story, story.scene.objects[index]!)} ${places.join(' ')}`;
}

function naming({ scene }: Story, { color, shape }: Pick<Look, 'color' | 'shape'>): string {
  return scene.uniqueColors ? color : `${color} ${shape}`;
}

function cellAt({ scene, motion }: Observation, index: number, time: number, cells: number): string {
  const { x, y } = stateAt(motion.paths[index]!, time);
  const [row, column] = [Math.floor((y / scene.height) * cells), Math.floor(x * cells)];
  if (row < 0 || row >= cells || column < 0 || column >= cells) return OUT;
  return cellName(row, column);
}

/** @example cellName(0, 3) is `ad` */
function cellName(row: number, column: number): string {
  return String.fromCharCode(97 + row) + String.fromCharCode(97 + column);
}
