/** A question as a prompt of the model: the wording, the conversation, the tokens. Everyone who asks a model builds prompts here. */
import { type DataItem, promptMessages, promptText, type QuestionType } from '../data/index.ts';
import type { PreparedPrompt, Processor, VisionFrames } from '../models/index.ts';

/** How a question is put; the keys of docs/training.md. */
export interface PromptKeys {
  readonly prompt_template: string;
  readonly question_type: QuestionType;
  /** Tokens of a prompt at most. */
  readonly max_prompt_length: number;
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
    const media = {
      videos: frames.filter((_, index) => item.media[index]?.type !== 'image'),
      images: frames.filter((_, index) => item.media[index]?.type === 'image'),
    };
    const messages = this.#messages(item);
    const { max_prompt_length } = this.#keys;
    return this.processor.prepareFrames({ messages, ...media }, { max_prompt_length });
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
