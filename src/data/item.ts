/**
 * The one form of a question about a video or image that everything after the readers works with. Readers turn the
 * field's many file forms into it; `data convert` writes it as JSON Lines; the `items` reader takes it back. With its
 * video found it is a `Question`, where the way to a completion begins: `rollout/types.ts` goes on, and
 * `run/step-records.ts` has what is written of it.
 */
import { z } from 'zod';

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

const letter = z.string().regex(/^[A-Z]$/, 'must be one capital letter');

export const itemSchema = z
  .strictObject({
    /** Unique within the data set. */
    id: text(500),
    /** Kind of medium: a video file, a folder of frames, or an image. */
    media: z.enum(['video', 'frames', 'image']).default('video'),
    /** Path as the data file gives it; `mediaPath` makes the real one. */
    path: text(4096),
    /** Part of the video to use, in seconds. */
    start: z.number().min(0).optional(),
    end: z.number().positive().optional(),
    /** Frames a second of a folder of frames. */
    fps: z.number().positive().optional(),
    /** The question without its options. */
    question: text(),
    /** Option texts without their letters; the first is A. */
    options: z.array(text(20_000)).min(1).max(26),
    /** Letters of all right options, ascending. */
    answer: z.array(letter).min(1).max(26),
    /** Question and options in one text exactly as the source wrote them, when it did. */
    problem: text().optional(),
    /** Written-out reasoning that leads to the answer, `<think>...</think>`: what supervised training teaches before it. */
    process: text().optional(),
    /** The source's name for the kind of question. */
    type: z.string().max(200).default('multiple choice'),
    /** Dimensions to report accuracy by, for example `{ "duration": "short" }`. */
    dims: z.record(z.string(), z.string()).default({}),
    /** Data set, for example `clevrer`. */
    source: z.string().max(200).default(''),
    split: z.string().max(200).default(''),
    /** Origin of the item, and the changes made to it. */
    provenance: z.record(z.string(), z.unknown()).default({}),
  })
  .superRefine((item, context) => {
    const known = LETTERS.slice(0, item.options.length);
    for (const [index, one] of item.answer.entries()) {
      if (!known.includes(one)) {
        const message = `${one} names no option: there are ${item.options.length} (A to ${known.at(-1)})`;
        context.addIssue({ code: 'custom', path: ['answer', index], message });
      }
      if (index > 0 && one <= item.answer[index - 1]!) {
        context.addIssue({
          code: 'custom',
          path: ['answer', index],
          message: 'letters must ascend without repeats',
        });
      }
    }
    if (item.start !== undefined && item.end !== undefined && item.end <= item.start) {
      context.addIssue({ code: 'custom', path: ['end'], message: `must be after start (${item.start})` });
    }
  });

/** A question about a video, a folder of frames or an image. */
export type DataItem = ReadonlyFields<z.output<typeof itemSchema>>;
type ReadonlyFields<T> = {
  readonly [K in keyof T]: T[K] extends (infer Element)[] ? readonly Element[] : T[K];
};
/** An item before defaults are filled in. */
export type DataItemInput = z.input<typeof itemSchema>;

/** An item as training and evaluation ask it: its video found on this machine (`toQuestion`). */
export interface Question {
  readonly id: string;
  /** Question with its options, as shown. */
  readonly problem: string;
  readonly options: readonly string[];
  /** Path of the video on this machine. */
  readonly video: string;
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
export type PromptItem = Pick<DataItem, 'question' | 'options' | 'problem'>;

/** Question and options as one text: the source's own, else the question and a line for each option. */
export function problemText(item: PromptItem): string {
  return item.problem ?? [item.question, ...labelled(item.options)].join('\n');
}

/** `<answer>A,C</answer>`, the authors' form of a solution. */
export function solutionText(answer: readonly string[]): string {
  return `<answer>${answer.join(',')}</answer>`;
}

/** True when more than one option is right. */
export function isMultiple(item: Pick<DataItem, 'answer'>): boolean {
  return item.answer.length > 1;
}

/** A choice of items: all, those with one right option, those with several. */
export type QuestionType = 'mixed' | 'single' | 'multiple';

/** True when the item belongs to the chosen kind. */
export function isOfType(item: Pick<DataItem, 'answer'>, type: QuestionType): boolean {
  return type === 'mixed' || isMultiple(item) === (type === 'multiple');
}
