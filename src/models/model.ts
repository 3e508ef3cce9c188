/**
 * A video-language model as the rest of the program knows it: a vision tower, a merger that brings its features to the decoder's
 * width, and a decoder with a language model head. Which family it is of, only this room knows (`model-folder.ts` chooses it).
 *
 * Shapes: P prompt tokens, F features, G rows, C longest completion, V vocabulary, D hidden.
 */
import type { Device, DType, Tensor } from '../tensor/index.ts';
import type { ModelConfig } from './config.ts';
import type { DecodeSession } from './decoder/session.ts';
import type { LayerGate } from './layers.ts';
import type { LoraAdapter } from './lora/lora.ts';
import type { SaveModelOptions } from './weights.ts';

/** Patches of one image or video: temporal slices, rows, columns (before merging). */
export type Grid = readonly [t: number, h: number, w: number];

/**
 * Where text goes on after a video or image:
 * - `largest`: after the largest position so far, time included: how Qwen2-VL and Qwen2.5-VL were published and trained (arXiv
 *   2409.12191 section 2.1; transformers 4.45 to 5.2);
 * - `spatial`: max(rows, columns) merged positions further, however long the video is (transformers 5.3 and newer).
 * They differ only when a video reaches further in time than in space.
 */
export type TextAfterVision = 'spatial' | 'largest';

/** Grids of a prompt's images and videos as the processor gives them, in the order of their placeholders. */
export interface VisionGrids {
  readonly image_grid_thw?: readonly Grid[] | undefined;
  readonly video_grid_thw?: readonly Grid[] | undefined;
  /** Seconds between two temporal slices, one a video; 1 where absent. */
  readonly second_per_grid_ts?: readonly number[] | undefined;
}

export interface MropePositions {
  /** Positions on the time, height and width axes, each as long as the prompt. */
  readonly axes: readonly [time: Int32Array, height: Int32Array, width: Int32Array];
  /** Position of the first token after the prompt, on all three axes, when text goes on. */
  readonly next: number;
  /** Hugging Face's `rope_deltas`: largest position + 1 - number of tokens. */
  readonly rope_delta: number;
}

/** One prompt as the processor gives it. */
export interface PromptInputs extends VisionGrids {
  /** Token ids of the prompt, each placeholder expanded to its vision tokens. */
  readonly input_ids: readonly number[];
  /** Pixels of all images, (sum of t * h * w, channels * temporal_patch_size * patch_size^2). */
  readonly pixel_values?: Tensor | undefined;
  /** Pixels of all videos, in the form of `pixel_values`. */
  readonly pixel_values_videos?: Tensor | undefined;
}

/** A prompt ready for the decoder: ids, positions, and the vision features that stand in for its placeholders. */
export interface EncodedPrompt {
  readonly input_ids: readonly number[];
  readonly positions: MropePositions;
  /**
   * Features (F, D) and the prompt places they take, with what is added there after the first decoder layers, one (F, D) a layer;
   * undefined for a prompt of text alone.
   */
  readonly vision:
    | {
        readonly features: Tensor;
        readonly deepstack: readonly Tensor[];
        readonly places: readonly number[];
      }
    | undefined;
  /** Free the features. Safe to repeat. */
  dispose(): void;
}

export interface CompletionHidden {
  /** Hidden states (G, C, D) after the final norm. Places after a completion's end hold numbers without meaning. */
  readonly hidden_GCD: Tensor;
  /**
   * Adds to `.grad` of every parameter that asks for it. Once only.
   *
   * @param gradHidden_GCD Must be 0 after each completion's end.
   */
  backward(gradHidden_GCD: Tensor): void;
  /** Frees what backward would need, when it will not be called. */
  dispose(): void;
}

/** Parts that are frozen; what is left out trains. */
export interface FrozenParts {
  /** The vision tower without its merger. */
  readonly vision?: boolean | undefined;
  readonly merger?: boolean | undefined;
  /** Decoder, token embedding and head. */
  readonly text?: boolean | undefined;
}

export interface VideoLanguageModel {
  readonly config: ModelConfig;
  /** Every weight by its published name. */
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly device: Device;
  /** Dtype of activations. */
  readonly compute_dtype: DType;
  readonly text_after_vision: TextAfterVision;
  /** The low-rank adapter on top of the weights; undefined: none. Setting one does not freeze the weights. */
  adapter: LoraAdapter | undefined;
  /** Told of the decoder's layers by `completionHidden`; undefined: nobody is. */
  layerGate: LayerGate | undefined;

  /** Run `body` as if there were no adapter: the reference policy of a LoRA run. Synchronous only. */
  withoutAdapter<T>(body: () => T): T;
  /** Weights, then adapter weights, by name; those that train have `requires_grad`. */
  parameters(): Map<string, Tensor>;
  /** Choose the parameters that train: all but the frozen parts; with an adapter on, the adapter alone. */
  freeze(frozen: FrozenParts): void;
  /** True when any part of the vision tower or its merger trains, itself or through an adapter. */
  trainsVision(): boolean;
  /** True for a parameter of a hidden layer, false for the token embedding, the patch embedding and the head. */
  isHidden(name: string): boolean;
  /** `exclude_modules` of an adapter that leaves the frozen vision parts alone; undefined where both train. */
  excludedModules(frozen: FrozenParts): string | undefined;

  /**
   * Positions and vision features of a prompt, computed once for any number of completions. The features are constants without a
   * gradient and live until `dispose`.
   *
   * @throws DataError when placeholders, grids and pixels do not match.
   */
  encode(inputs: PromptInputs): EncodedPrompt;
  /** Positions and vision features of a prompt, inside the caller's scope, with gradients where the tower trains. */
  encodePrompt(inputs: PromptInputs): EncodedPrompt;
  /**
   * Hidden states that predict every token of the completions. Run it inside a scope: the result belongs to it.
   *
   * @param completions Token ids, each with at least one token.
   * @param options.gradient_checkpointing Less memory, one more forward of each layer.
   */
  completionHidden(
    prompt: EncodedPrompt,
    completions: readonly (readonly number[])[],
    options?: { readonly gradient_checkpointing: boolean },
  ): CompletionHidden;
  /**
   * Log-probability of every token of every completion, given the prompt and the tokens before it; no gradient.
   *
   * @param options.rows How many positions pass the head at a time; memory is rows x V.
   */
  completionLogps(
    prompt: EncodedPrompt,
    completions: readonly (readonly number[])[],
    options?: { readonly rows?: number },
  ): number[][];
  /** Prefill the prompts and open a session of `rows` rows each; no gradient. It lives until it is disposed. */
  decodeSession(prompts: readonly EncodedPrompt[], rows: number): DecodeSession;
  /** Weight of the language model head (V, D) as stored; the embedding itself where they are tied. */
  lmHead(): Tensor;
  /** (..., D) hidden states after the final norm to float32 logits (..., V). */
  logits(hidden: Tensor): Tensor;

  /** Write a model folder that transformers reads: config, weights (without the adapter), tokenizer and processor files. */
  save(dir: string, options?: SaveModelOptions): void;
  /** Free weights and adapter. */
  dispose(): void;
}
