/**
 * A conversation with videos and images as a model of its family reads it. Frames come in already sampled and resized (the prompt room
 * does both); turning them into inputs is pure. Nothing is ever cut: a prompt above the budget is an error that says what to
 * lower.
 */
import type { ChatMessage, ChatTemplate, Tokenizer } from '../io/index.ts';
import type { Tensor } from '../tensor/index.ts';
import type { FolderLimits } from '../video/index.ts';
import type { ModelConfig } from './config.ts';
import type { Grid, PromptInputs } from './model.ts';

/** Frames of one video, or the one frame of an image; `LoadedVideo` and `LoadedImage` of the prompt room fit. */
export interface VisionFrames {
  /** uint8 [N, 3, height, width]; sides multiples of `patch_size * merge_size`. */
  readonly frames: Tensor;
  /** Seconds between two temporal slices. Needed for videos of Qwen2.5-VL. */
  readonly secondPerGridS?: number | undefined;
  /** Indices of these frames among the decoded ones; only passed on. */
  readonly indices?: readonly number[] | undefined;
  /** Seconds from the first frame at which these are shown; only passed on. */
  readonly timesS?: readonly number[] | undefined;
  /** Times of the frames that a prompt states in words, where the family does; without them 24 frames a second are assumed. */
  readonly statedS?: readonly number[] | undefined;
}

/** The size of frames that are not decoded yet. */
export interface FrameSizes extends Pick<VisionFrames, 'statedS'> {
  readonly numFrames: number;
  readonly height: number;
  readonly width: number;
}

/**
 * A whole conversation, or one user turn: its videos, then its images, then its text. Special tokens in the messages of a conversation
 * are tokens unless `Tokenizer.quoted` marked them; in `text` and `system` they are plain words.
 */
export type PromptText =
  | { readonly messages: readonly ChatMessage[]; readonly text?: undefined; readonly system?: undefined }
  | { readonly messages?: undefined; readonly text: string; readonly system?: string | undefined };

/** A prompt; videos and images fill the placeholders of their kind in the order of the conversation. */
export type PromptRequest<Video = VisionFrames, Image = VisionFrames> = PromptText & {
  readonly videos?: readonly Video[] | undefined;
  readonly images?: readonly Image[] | undefined;
};

export interface PrepareOptions {
  /** Longest prompt allowed, in tokens, vision tokens included. Default: the model's `max_position_embeddings`. */
  readonly max_prompt_length?: number | undefined;
  /** End with the opening of the assistant's turn. Default true. */
  readonly add_generation_prompt?: boolean | undefined;
  /**
   * How a video whose slices are told one by one stands in the prompt: `slices`, its placeholder gives way to theirs (transformers 4.57, as
   * Qwen3-VL was published; vLLM); `wrapped`, the markers around the placeholder stay around all of them (transformers 5).
   * @default 'slices'
   */
  readonly video_markers?: 'slices' | 'wrapped' | undefined;
  /** More variables for the chat template, such as `add_vision_id`. */
  readonly template_variables?: Readonly<Record<string, unknown>> | undefined;
}

/** One prompt as the model reads it. The two pixel tensors belong to the caller's scope. */
export interface PreparedPrompt extends PromptInputs {
  /** The rendered conversation, each placeholder once. */
  readonly text: string;
  /** Modality of each token: 0 text, 1 image, 2 video. */
  readonly mm_token_type_ids: readonly number[];
  readonly image_grid_thw: readonly Grid[];
  readonly video_grid_thw: readonly Grid[];
  readonly second_per_grid_ts: readonly number[];
  /** Height and width of each video's frames as the model sees them. */
  readonly resized: readonly (readonly [height: number, width: number])[];
  /** Decoded frames of each video, where the caller said them. */
  readonly frame_indices: readonly (readonly number[])[];
  /** Presentation times of these frames in seconds, where the caller said them. */
  readonly frame_times: readonly (readonly number[])[];
}

/** Readers of frames from files: `loadVideo` and `loadImage` of the prompt room, with the run's settings filled in. */
export interface MediaLoader {
  readonly loadVideo: (path: string) => Promise<VisionFrames>;
  readonly loadImage: (path: string) => Promise<VisionFrames>;
}

export interface Processor {
  readonly config: ModelConfig;
  /** What the folder's processor files say of frames and areas; undefined where they do not say it for videos. */
  readonly limits: FolderLimits | undefined;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  /** Token that ends the assistant's turn, and so an answer. @throws CheckpointError where the tokenizer has none */
  readonly endOfTurn: { readonly text: string; readonly id: number };
  /**
   * What the chat template writes of an answer before the model goes on: `<think>\n` in Thinking models, mostly nothing. It belongs to the
   * answer and stands in the prompt.
   */
  readonly opening: string;
  /** Vision tokens that only the tokenizer knows; the others stand in `config` (`visionTokenIds`). */
  readonly reservedTokenIds: readonly number[];

  /**
   * Make sure that the chat template shows what a message holds.
   * @throws CheckpointError naming the template's file: it was made for text alone
   */
  checkTemplate(kind?: 'video' | 'image'): void;
  /** Place in a prompt's ids after its last image or video; 0 for text alone. */
  visionEnd(ids: readonly number[]): number;
  /**
   * Prepare one prompt from frames. Pure.
   * @throws DataError when videos, images and their placeholders do not match in number, frames do not fit, or the prompt is
   *   longer than `max_prompt_length`
   */
  prepareFrames(request: PromptRequest, options?: PrepareOptions): PreparedPrompt;
  /** Number of tokens that `prepareFrames` will give for frames of these sizes. @throws DataError as there, but for the length */
  countTokens(request: PromptRequest<FrameSizes, FrameSizes>, options?: PrepareOptions): number;
  /**
   * Prepare one prompt from files. Decoded frames are freed; the pixel tensors live until they are disposed.
   * @throws VideoError of the loader; DataError as `prepareFrames`
   */
  prepare(
    request: PromptRequest<string, string>,
    loader: MediaLoader,
    options?: PrepareOptions,
  ): Promise<PreparedPrompt>;
  /** The text of a prompt, each placeholder once: what the chat template makes of it. */
  render(request: PromptRequest<unknown, unknown>, options?: PrepareOptions): string;
}
