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

  /** The user's turn without its video, as the model reads it. */
  text(item: DataItem): string {
    return promptText(item, this.#wording());
  }

  /** The whole prompt as text: every turn in the chat template; the one placeholder of its video or image stands unexpanded. */
  rendered(item: DataItem): string {
    const media = item.media === 'image' ? { images: [0] } : { videos: [0] };
    return this.processor.render({ messages: promptMessages(item, this.#wording()), ...media });
  }

  /** Token ids of `rendered`. */
  textIds(item: DataItem): number[] {
    return this.processor.tokenizer.encode(this.rendered(item));
  }

  /**
   * The prompt as the model reads it. Its pixels belong to the caller's scope.
   * @throws DataError when it is longer than `max_prompt_length`
   */
  build(item: DataItem, frames: VisionFrames): PreparedPrompt {
    const media = item.media === 'image' ? { images: [frames] } : { videos: [frames] };
    const messages = promptMessages(item, this.#wording());
    const { max_prompt_length } = this.#keys;
    return this.processor.prepareFrames({ messages, ...media }, { max_prompt_length });
  }

  #wording() {
    const { prompt_template: template, question_type } = this.#keys;
    return { template, question_type };
  }
}
