/** Asking a loaded model about videos and images. */
import { imageLimits, loadImage, loadVideo } from '../prompt/index.ts';
import { type Completion, checkSampling, generateGroup, type SamplingOptions } from '../rollout/index.ts';
import { dispose, Generator } from '../tensor/index.ts';
import { type VideoKeys, videoSettings } from '../video/index.ts';
import type { LoadedModel } from './load-model.ts';

export interface GenerateOptions extends SamplingOptions {
  /** The question; it stands after videos and images in one user turn. */
  readonly text: string;
  readonly system?: string;
  /** Paths of videos. */
  readonly videos?: readonly string[];
  /** Paths of images. */
  readonly images?: readonly string[];
  /** Answers to draw. @default 1 */
  readonly num_generations?: number;
  /** Tokens of an answer at most. @default 256 */
  readonly max_completion_length?: number;
  /** @default 0 */
  readonly seed?: number;
  /** Choice and size of frames. @default the preset `correct`: 2 frames a second, 4 to 16 of them */
  readonly frames?: Omit<VideoKeys, 'video'>;
}

/**
 * An answer: its text without special tokens, and the completion it was read from. Where the chat template begins the answer
 * itself, as a thinking model's `<think>`, the text goes on from there: `folder.processor.opening` is what stands before it.
 */
export interface Answer extends Completion {
  readonly text: string;
}

/**
 * Draws answers to one question; greedily only with `greedy: true`.
 * @returns `num_generations` of them
 * @throws VideoError, DataError (prompt too long), ConfigError (sampling)
 */
export async function generate({ folder, model }: LoadedModel, options: GenerateOptions): Promise<Answer[]> {
  const { text, system, videos, images, frames, seed = 0, num_generations = 1, ...rest } = options;
  const { max_completion_length = 256, ...sampling } = rest;
  checkSampling(sampling);
  const { processor, stop_token_ids, banned_token_ids } = folder;
  const { pixel_unit } = processor.config;
  const settings = videoSettings({ ...frames, video: 'correct' }, pixel_unit, processor.limits);
  const inputs = await processor.prepare(
    { text, system, videos, images },
    {
      loadVideo: (file) => loadVideo(file, settings),
      loadImage: (file) => loadImage(file, imageLimits(pixel_unit)),
    },
  );
  const prompt = model.encode(inputs);
  dispose([inputs.pixel_values, inputs.pixel_values_videos]);
  try {
    const completions = await generateGroup(model, prompt, {
      ...sampling,
      ...{ num_generations, max_completion_length, stop_token_ids, banned_token_ids },
      generator: new Generator(seed),
    });
    return completions.map((completion) => ({
      text: processor.tokenizer.decode(completion.ids, { skip_special_tokens: true }),
      ...completion,
    }));
  } finally {
    prompt.dispose();
  }
}
