/**
 * The one form of a question about videos and images that everything after the readers works with. Readers turn the
 * field's many file forms into it; `data convert` writes it as JSON Lines; the `items` reader takes it back. With its
 * media found it is a `Question`, where the way to a completion begins: `rollout/types.ts` goes on, and
 * `run/step-records.ts` has what is written of it.
 */
import { z } from 'zod';
import { solutionProblem, type Task, taskOf } from '../answers/index.ts';

/** Text that can be shown and tokenized: no NUL, no broken surrogate pairs, not endless. */
export function text(maxLength = 100_000) {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .refine((value) => !value.includes('\0'), 'must not hold a NUL character')
    .refine((value) => !/\p{Surrogate}/u.test(value), 'must be well-formed Unicode');
}

export const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Unicode's object replacement character: where a medium stands inside a question; without it all stand before the text. */
export const MEDIUM_PLACE = '\ufffc';

const letter = z.string().regex(/^[A-Z]$/, 'must be one capital letter');
const count = z.int().positive();

/** A video, a folder of frames or an image, and how it is to be shown; keys as in qwen-vl-utils. */
export const mediumSchema = z
  .strictObject({
    /** A video file, a folder of frames, or an image. */
    type: z.enum(['video', 'frames', 'image']).default('video'),
    /** Path as the data file gives it; `mediaPath` makes the real one. */
    path: text(4096),
    /** Part of the video to use, in seconds. */
    start: z.number().min(0).optional(),
    end: z.number().positive().optional(),
    /** Frames to take of each second of a video; of a folder of frames, how many of them are one second. */
    fps: z.number().positive().optional(),
    /** Frames to take of the whole, instead of `fps`. */
    nframes: z.number().min(2).optional(),
    min_frames: count.optional(),
    max_frames: z.int().min(2).optional(),
    /** Area of one frame, in pixels. */
    min_pixels: z.number().positive().optional(),
    max_pixels: z.number().positive().optional(),
    /** Area of all frames, counted for two of them at a time, in pixels. */
    total_pixels: z.number().positive().optional(),
    /** Size to show frames in, rounded to whole patches; both or none. */
    resized_height: count.optional(),
    resized_width: count.optional(),
  })
  .superRefine((medium, context) => {
    const fail = (key: string, message: string): void =>
      void context.addIssue({ code: 'custom', path: [key], message });
    const { type, start, end, fps, nframes } = medium;
    if (start !== undefined && end !== undefined && end <= start)
      fail('end', `must be after start (${start}), got ${end}`);
    if (type === 'video' && fps !== undefined && nframes !== undefined)
      fail('nframes', 'fps and nframes can not both say how many frames to take');
    for (const [least, most] of [
      // A stated number of frames needs no bounds; qwen-vl-utils does not read them then.
      ...(nframes === undefined ? ([['min_frames', 'max_frames']] as const) : []),
      ['min_pixels', 'max_pixels'],
    ] as const) {
      const [low, high] = [medium[least], medium[most]];
      if (low !== undefined && high !== undefined && low > high)
        fail(most, `must not be below ${least} (${low}), got ${high}`);
    }
    const sides = [medium.resized_height ?? 1, medium.resized_width ?? 1];
    if (
      medium.resized_height !== undefined &&
      medium.resized_width !== undefined &&
      Math.max(...sides) > 200 * Math.min(...sides)
    )
      fail('resized_width', `one side must not be over 200 times the other, got ${sides.join('x')}`);
    if ((medium.resized_height === undefined) !== (medium.resized_width === undefined))
      fail('resized_height', 'resized_height and resized_width belong together');
    if (type === 'image')
      for (const key of [
        'start',
        'end',
        'fps',
        'nframes',
        'min_frames',
        'max_frames',
        'total_pixels',
      ] as const)
        if (medium[key] !== undefined) fail(key, 'means nothing for an image');
  });

/** A video, folder of frames or image of an item. */
export type Medium = Readonly<z.output<typeof mediumSchema>>;

const fields = z.strictObject({
  /** Unique within the data set. */
  id: text(500),
  /** Videos and images in the order in which they are shown; none for a question of text alone. */
  media: z.array(mediumSchema).max(64).default([]),
  /** The question without its options; may hold `MEDIUM_PLACE`. */
  question: text(),
  /** Option texts without their letters; the first is A. Empty for questions that are not multiple choice. */
  options: z.array(text(20_000)).max(26),
  /** Letters of all right options, ascending; empty where there are no options. */
  answer: z.array(letter).max(26),
  /** The true answer of a question without options: a number, a text, windows of time. */
  solution: text().optional(),
  /** Question and options in one text exactly as the source wrote them, when it did. */
  problem: text().optional(),
  /** Text of the system turn, where the source has one. */
  system: text().optional(),
  /** Written-out reasoning that leads to the answer, `<think>...</think>`: what supervised training teaches before it. */
  process: text().optional(),
  /** The source's name for the kind of question; `taskOf` reads it. */
  type: z.string().max(200).default('multiple choice'),
  /** Dimensions to report accuracy by, for example `{ "duration": "short" }`. */
  dims: z.record(z.string(), z.string()).default({}),
  /** Data set, for example `clevrer`. */
  source: z.string().max(200).default(''),
  split: z.string().max(200).default(''),
  /** Origin of the item, and the changes made to it. */
  provenance: z.record(z.string(), z.unknown()).default({}),
});

export const itemSchema = fields.superRefine((item, context) => {
  const fail = (path: (string | number)[], message: string): void =>
    void context.addIssue({ code: 'custom', path, message });
  const task = taskOf(item.type);
  const places = [...(item.problem ?? item.question)].filter((char) => char === MEDIUM_PLACE).length;
  if (places > 0 && places !== item.media.length)
    fail(['question'], `has ${places} places of media, but there are ${item.media.length} media`);
  if (item.options.length === 0) {
    if (task === undefined || task === 'multiple choice') fail(['options'], 'a choice needs options');
    else {
      const problem = item.solution === undefined ? undefined : solutionProblem(task, item.solution);
      if (item.solution === undefined && task !== 'open') fail(['solution'], 'the true answer is missing');
      else if (problem !== undefined) fail(['solution'], problem);
    }
  } else if (item.answer.length === 0) fail(['answer'], 'no option is right');
  const known = LETTERS.slice(0, item.options.length);
  for (const [index, one] of item.answer.entries()) {
    if (!known.includes(one))
      fail(
        ['answer', index],
        item.options.length === 0
          ? `${one} names no option: there are none`
          : `${one} names no option: there are ${item.options.length} (A to ${known.at(-1)})`,
      );
    if (index > 0 && one <= item.answer[index - 1]!)
      fail(['answer', index], 'letters must ascend without repeats');
  }
});

/** A question about videos, folders of frames and images, or text alone. */
export type DataItem = ReadonlyFields<z.output<typeof itemSchema>>;
type ReadonlyFields<T> = {
  readonly [K in keyof T]: T[K] extends (infer Element)[] ? readonly Element[] : T[K];
};
/** An item before defaults are filled in. */
export type DataItemInput = z.input<typeof itemSchema>;

/** A medium and its path on this machine. */
export interface FoundMedium extends Medium {
  readonly file: string;
}

/** An item as training and evaluation ask it: its media found on this machine (`toQuestion`). */
export interface Question {
  readonly id: string;
  /** Question with its options, as shown. */
  readonly problem: string;
  readonly options: readonly string[];
  readonly media: readonly FoundMedium[];
  readonly item: DataItem;
}

/** Letters for option indices, ascending: [2, 0] gives ['A', 'C']. */
export function lettersOf(indices: readonly number[]): string[] {
  return [...new Set(indices)].sort((a, b) => a - b).map((index) => LETTERS[index]!);
}

/** `A. first` */
export function labelled(options: readonly string[]): string[] {
  return options.map((option, index) => `${LETTERS[index]}. ${option}`);
}

/** The parts of an item that are shown. */
export type PromptItem = Pick<DataItem, 'question' | 'options' | 'problem'> & Partial<Pick<DataItem, 'type'>>;

/** Question and options as one text: the source's own, else the question and a line for each option. */
export function problemText(item: PromptItem): string {
  return item.problem ?? [item.question, ...labelled(item.options)].join('\n');
}

/** How an item is scored: its type, and multiple choice for every other kind of question with options. */
export function itemTask(item: Pick<PromptItem, 'type' | 'options'>): Task {
  return item.options.length > 0 ? 'multiple choice' : (taskOf(item.type ?? '') ?? 'open');
}

/** `<answer>A,C</answer>`, the authors' form of a solution. */
export function solutionText(answer: readonly string[]): string {
  return `<answer>${answer.join(',')}</answer>`;
}

/** The true answer of an item: letters, or the text of a question without options; empty where there is none. */
export function truthOf({ answer, solution }: Pick<DataItem, 'answer' | 'solution'>): readonly string[] {
  return answer.length > 0 || solution === undefined ? answer : [solution];
}

/** True when more than one option is right. */
export function isMultiple(item: Pick<DataItem, 'answer'>): boolean {
  return item.answer.length > 1;
}

/** A choice of items: all, those with one right option, those with several. */
export type QuestionType = 'mixed' | 'single' | 'multiple';

/** True when the item belongs to the chosen kind. */
export function isOfType(item: Pick<DataItem, 'answer'>, type: QuestionType): boolean {
  return type === 'mixed' || (item.answer.length > 0 && isMultiple(item) === (type === 'multiple'));
}
