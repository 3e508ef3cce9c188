/** A question as a prompt of the model: the wording, the conversation, the tokens. Everyone who asks a model builds prompts here. */
import { type DataItem, promptMessages, promptText, type QuestionType } from '../data/index.ts';
import type { FrameSizes, PreparedPrompt, Processor, VisionFrames } from '../models/index.ts';
import { followsFolder, type VideoPreset } from '../video/index.ts';

/** How a question is put; the keys of docs/training.md. */
export interface PromptKeys {
  readonly prompt_template: string;
  readonly question_type: QuestionType;
  /** Tokens of a prompt at most. */
  readonly max_prompt_length: number;
  /** The preset decides how slices of a video are marked; see `PrepareOptions.video_markers`. */
  readonly video: VideoPreset;
}

/** Media of an item as the processor takes them. */
function byKind<T>({ media }: DataItem, all: readonly T[]) {
  return {
    videos: all.filter((_, index) => media[index]?.type !== 'image'),
    images: all.filter((_, index) => media[index]?.type === 'image'),
  };
}

export class PromptBuilder {
  readonly processor: Processor;
  readonly #keys: PromptKeys;

  constructor(processor: Processor, keys: PromptKeys) {
    this.processor = processor;
    this.#keys = keys;
  }

  /** The user's turn without its media, as the model reads it. */
  text(item: DataItem): string {
    return promptText(item, this.#wording());
  }

  /** The whole prompt as text: every turn in the chat template; the one placeholder of each video and image stands unexpanded. */
  rendered(item: DataItem): string {
    return this.processor.tokenizer.unquoted(this.#render(item));
  }

  /**
   * Number of tokens of the prompt, vision tokens included.
   * @param sizes of the item's media, in their order
   */
  countTokens(item: DataItem, sizes: readonly FrameSizes[]): number {
    const request = { messages: this.#messages(item), ...byKind(item, sizes) };
    return this.processor.countTokens(request, { video_markers: this.#markers });
  }

  /** Token ids of `rendered`. */
  textIds(item: DataItem): number[] {
    return this.processor.tokenizer.encode(this.#render(item));
  }

  /**
   * The prompt as the model reads it. Its pixels belong to the caller's scope.
   * @param frames of the item's media, in their order
   * @throws DataError when it is longer than `max_prompt_length`
   */
  build(item: DataItem, frames: readonly VisionFrames[]): PreparedPrompt {
    const request = { messages: this.#messages(item), ...byKind(item, frames) };
    const { max_prompt_length } = this.#keys;
    return this.processor.prepareFrames(request, { max_prompt_length, video_markers: this.#markers });
  }

  get #markers() {
    return followsFolder(this.#keys.video) ? ('wrapped' as const) : ('slices' as const);
  }

  #render(item: DataItem): string {
    return this.processor.render({ messages: this.#messages(item) });
  }

  /** The conversation. Special tokens in the item's words are words: a question may ask what `<|im_end|>` means. */
  #messages(item: DataItem): ReturnType<typeof promptMessages> {
    const { tokenizer } = this.processor;
    return promptMessages(item, this.#wording()).map(({ role, content }) => ({
      role,
      content:
        typeof content === 'string'
          ? tokenizer.quoted(content)
          : content.map((part) =>
              part.type === 'text' ? { ...part, text: tokenizer.quoted(part.text) } : part,
            ),
    }));
  }

  #wording() {
    const { prompt_template: template, question_type } = this.#keys;
    return { template, question_type };
  }
}
