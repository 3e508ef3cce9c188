/**
 * What supervised training reads: packs of questions about one video, and their tokens. The beginning that all rows of a
 * pack share, from the chat's opening to the end of the video, is computed once (`sft-update.ts`).
 */

import { DataError } from '../../base/index.ts';
import { clipOf, type DataItem, type Question, solutionText, truthOf } from '../../data/index.ts';
import {
  type PreparedPrompt,
  type Processor,
  type VisionFrames,
  visionTokenIds,
} from '../../models/index.ts';
import { PromptBuilder } from '../../prompt/index.ts';
import type { SftConfig } from '../config/sft-config.ts';
import type { SftGroup, SftRow } from './sft-update.ts';

/** Questions about the same part of the same video. */
export interface SftPack {
  /** The id of its first question. */
  readonly id: string;
  readonly questions: readonly Question[];
}

/** Packs of at most `packSize` questions, in the order in which their videos first appear. */
export function packQuestions(questions: readonly Question[], packSize: number): SftPack[] {
  const byClip = new Map<string, Question[]>();
  for (const question of questions) {
    const clip = clipOf(question);
    const known = byClip.get(clip);
    if (known === undefined) byClip.set(clip, [question]);
    else known.push(question);
  }
  return [...byClip.values()].flatMap((all) =>
    Array.from({ length: Math.ceil(all.length / packSize) }, (_, i) => {
      const part = all.slice(i * packSize, (i + 1) * packSize);
      return { id: part[0]!.id, questions: part };
    }),
  );
}

/**
 * What the model is to say: the reasoning where the item has one, then the solution.
 * @param opening what stands of it in the prompt: reasoning goes on from there, and without any it is closed at once
 */
export function targetText(item: Pick<DataItem, 'process' | 'answer' | 'solution'>, opening: string): string {
  const { process } = item;
  const solution = solutionText(truthOf(item));
  const whole = process === undefined ? solution : `${process}\n${solution}`;
  const begun = opening.trim();
  if (begun === '') return whole;
  if (whole.startsWith(begun)) return whole.slice(begun.length).trimStart();
  return begun.includes('<think>') && !begun.includes('</think>') ? `</think>\n${whole}` : whole;
}

export interface SftEncoderOptions
  extends Pick<
    SftConfig,
    'prompt_template' | 'question_type' | 'max_prompt_length' | 'max_completion_length' | 'video'
  > {
  readonly processor: Processor;
}

/** Turns questions into token ids; what depends on text alone is checked before any video is decoded. */
export class SftEncoder {
  readonly #options: SftEncoderOptions;
  readonly #builder: PromptBuilder;
  readonly #end: number;
  readonly #forbidden: ReadonlyMap<number, string>;

  /** @throws CheckpointError when the tokenizer has no end token */
  constructor(options: SftEncoderOptions) {
    this.#options = options;
    this.#builder = new PromptBuilder(options.processor, options);
    const { tokenizer, config } = options.processor;
    this.#end = options.processor.endOfTurn.id;
    const named = new Map([...tokenizer.addedTokens].map(([text, id]) => [id, text]));
    this.#forbidden = new Map(
      [this.#end, ...visionTokenIds(config)].map((id) => [id, named.get(id) ?? String(id)]),
    );
  }

  /** Token ids of the target, end token included. @throws DataError when it is too long or holds a token it can't hold */
  target({ id, item }: Question): number[] {
    const { processor, max_completion_length } = this.#options;
    const ids = processor.tokenizer.encode(targetText(item, processor.opening));
    const wrong = ids.find((one) => this.#forbidden.has(one));
    if (wrong !== undefined)
      throw new DataError(
        `item ${id}: its process holds ${this.#forbidden.get(wrong)}, which an answer can't say`,
        {
          hint: 'take the token out of the field "process"',
        },
      );
    if (ids.length + 1 > max_completion_length)
      throw new DataError(
        `item ${id}: process and solution are ${ids.length + 1} tokens long, max_completion_length is ${max_completion_length}`,
        { hint: 'raise max_completion_length, or take the item out; nothing is cut' },
      );
    return [...ids, this.#end];
  }

  /** The prompt of one question alone, as generation reads it. Its pixels belong to the caller's scope. */
  prompt({ item }: Question, frames: readonly VisionFrames[]): PreparedPrompt {
    return this.#builder.build(item, frames);
  }

  get processor(): Processor {
    return this.#options.processor;
  }

  /** Tokens of a pack's rows: what stands after the video in each prompt, then the target. No pixels needed. */
  rows({ questions }: SftPack): SftRow[] {
    return questions.map((question) => {
      const { ids, cut } = this.#cutText(question.item);
      const asked = ids.slice(cut);
      return { ids: [...asked, ...this.target(question)], lossFrom: asked.length };
    });
  }

  /** A pack's shared beginning, cut after the video, before its rows. Its pixels belong to the caller's scope. */
  group({ questions }: SftPack, rows: readonly SftRow[], frames: readonly VisionFrames[]): SftGroup {
    const inputs = this.prompt(questions[0]!, frames);
    const { max_prompt_length, processor } = this.#options;
    const cut = sharedLength(processor, inputs.input_ids);
    rows.forEach(({ lossFrom }, index) => {
      if (cut + lossFrom > max_prompt_length)
        throw new DataError(
          `item ${questions[index]!.id}: the prompt is ${cut + lossFrom} tokens long, max_prompt_length is ${max_prompt_length}`,
          { hint: 'lower max_frames or max_pixels, or raise max_prompt_length' },
        );
    });
    return { inputs: { ...inputs, input_ids: inputs.input_ids.slice(0, cut) }, rows };
  }

  /** Ids of a prompt with its placeholders unexpanded, and where the shared beginning ends. */
  #cutText(item: DataItem): { readonly ids: readonly number[]; readonly cut: number } {
    const ids = this.#builder.textIds(item);
    return { ids, cut: sharedLength(this.#options.processor, ids) };
  }
}

/** Tokens up to the end of the last video or image; without any the chat's opening, for all prompts begin with the same token. */
function sharedLength(processor: Processor, ids: readonly number[]): number {
  return Math.max(1, processor.visionEnd(ids));
}
