/** From a question to a prompt the model can read: its frames out of the store, its tokens from the builder. */
import type { Question } from '../data/index.ts';
import type { Processor, PromptInputs } from '../models/index.ts';
import { dispose, keep, scope } from '../tensor/index.ts';
import { type VideoKeys, videoSettings } from '../video/index.ts';
import type { FrameStore } from './frame-store.ts';
import { PromptBuilder, type PromptKeys } from './prompt-builder.ts';

/** A prompt ready for the model. Its pixels live until `dispose`. */
export interface ReadyPrompt {
  readonly question: Question;
  /** The user's turn as it is shown to the model. */
  readonly text: string;
  readonly inputs: PromptInputs;
  dispose(): void;
}

/** A function that decodes and prepares one question. @throws VideoError, DataError (prompt too long) */
export function promptLoader(processor: Processor, keys: PromptKeys & VideoKeys, store: FrameStore) {
  const settings = videoSettings(keys, processor.config.pixel_unit, processor.limits);
  const builder = new PromptBuilder(processor, keys);
  return async (question: Question): Promise<ReadyPrompt> => {
    const { item } = question;
    const media = await store.getAll(question, settings);
    try {
      const inputs = keep(scope('prompt', () => builder.build(item, media.frames)));
      const free = () => dispose([inputs.pixel_values, inputs.pixel_values_videos]);
      return { question, text: builder.text(item), inputs, dispose: free };
    } finally {
      media.dispose();
    }
  };
}
