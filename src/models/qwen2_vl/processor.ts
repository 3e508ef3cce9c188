/**
 * The family's processor: a conversation with videos and images to token ids with expanded placeholders, patches, grids and
 * the seconds of a temporal slice.
 *
 * Source: transformers `models/qwen2_5_vl/processing_qwen2_5_vl.py`, `processing_utils.py`.
 */

import { CheckpointError, DataError, processWarning } from '../../base/index.ts';
import {
  type ChatContent,
  type ChatMessage,
  ChatTemplate,
  TEXT_TEMPLATE_HINT,
  Tokenizer,
} from '../../io/index.ts';
import { cat, dispose, keep, scope, type Tensor } from '../../tensor/index.ts';
import type { FolderLimits } from '../../video/index.ts';
import type { ModelConfig } from '../config.ts';
import type {
  FrameSizes,
  MediaLoader,
  PreparedPrompt,
  PrepareOptions,
  Processor,
  PromptRequest,
  VisionFrames,
} from '../processor.ts';
import { toPatches } from './patches.ts';
import { type ProcessorConfig, type ProcessorDefaults, readProcessorConfig } from './processor-config.ts';

/** The token that ends a turn of the chat. */
const END_OF_TURN = '<|im_end|>';

/** What a family's processor does otherwise. */
export interface ProcessorStyle {
  /**
   * The rendered conversation with each video's placeholder replaced by what the model reads of it: one placeholder a slice. Undefined
   * where a video stands as one run of its tokens.
   * @param times_S seconds that stand before the slices, for each video
   */
  readonly tellSlices?: (
    text: string,
    times_S: readonly (readonly number[])[],
    markers: 'slices' | 'wrapped',
  ) => string;
  /** What absent keys of the processor files stand for. */
  readonly defaults?: ProcessorDefaults;
}

/** Frames a second of frames that come without times. */
const ASSUMED_FPS = 24;

class QwenProcessor implements Processor {
  readonly config: ModelConfig;
  readonly settings: ProcessorConfig;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  readonly #style: ProcessorStyle;
  #isRateAssumed = false;
  #opening: string | undefined;

  constructor(
    config: ModelConfig,
    settings: ProcessorConfig,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    style: ProcessorStyle,
  ) {
    this.#style = style;
    this.config = config;
    this.settings = settings;
    this.tokenizer = tokenizer;
    this.template = template;
    const named = {
      image_token_id: '<|image_pad|>',
      video_token_id: '<|video_pad|>',
      vision_start_token_id: '<|vision_start|>',
      vision_end_token_id: '<|vision_end|>',
    } as const;
    for (const [key, content] of Object.entries(named) as [keyof typeof named, string][]) {
      const id = tokenizer.tokenId(content);
      if (id !== config[key]) {
        throw new CheckpointError(
          `${tokenizer.file}: ${content} is ${id}, but ${key} of config.json is ${config[key]}`,
          {
            hint: 'Use the tokenizer of the same model folder.',
          },
        );
      }
    }
    if (tokenizer.size > config.text_config.vocab_size) {
      throw new CheckpointError(
        `${tokenizer.file}: has ids up to ${tokenizer.size - 1}, but vocab_size of config.json is ${config.text_config.vocab_size}`,
        { hint: 'Use the tokenizer of the same model folder.' },
      );
    }
  }

  get limits(): FolderLimits | undefined {
    return this.settings.limits;
  }

  get endOfTurn(): Processor['endOfTurn'] {
    const id = this.tokenizer.addedTokens.get(END_OF_TURN);
    if (id === undefined)
      throw new CheckpointError(`${this.tokenizer.file}: no ${END_OF_TURN}, the token that ends an answer`, {
        hint: 'use the tokenizer of an instruct checkpoint of the family',
      });
    return { text: END_OF_TURN, id };
  }

  get opening(): string {
    this.#opening ??= this.#findOpening();
    return this.#opening;
  }

  #findOpening(): string {
    const [open, closed] = [true, false].map((add_generation_prompt) =>
      this.render({ text: 'x' }, { add_generation_prompt }),
    ) as [string, string];
    const [, opening = ''] = /^<\|im_start\|>assistant\n(.*)$/s.exec(open.slice(closed.length)) ?? [];
    return open.startsWith(closed) ? opening : '';
  }

  get reservedTokenIds(): readonly number[] {
    const pad = this.tokenizer.addedTokens.get('<|vision_pad|>');
    return pad === undefined ? [] : [pad];
  }

  checkTemplate(kind: 'video' | 'image' = 'video'): void {
    const text = this.render({ text: 'x', [`${kind}s`]: [kind] });
    if (this.tokenizer.encode(text).includes(this.config[`${kind}_token_id`])) return;
    throw new CheckpointError(
      `${this.template.file}: the template shows nothing where a message has a ${kind} (no <|${kind}_pad|>)`,
      { hint: TEXT_TEMPLATE_HINT },
    );
  }

  visionEnd(ids: readonly number[]): number {
    return ids.lastIndexOf(this.config.vision_end_token_id) + 1;
  }

  prepareFrames(request: PromptRequest, options: PrepareOptions = {}): PreparedPrompt {
    const { videos = [], images = [] } = request;
    const isTimed = this.config.vision_config.tokens_per_second !== undefined;
    const second_per_grid_ts = videos.map(({ secondPerGridS }, index) => {
      if (secondPerGridS === undefined && isTimed) {
        throw new DataError(
          `video ${index}: secondPerGridS is missing: the model needs to know how much time a slice spans`,
        );
      }
      return secondPerGridS ?? 1;
    });

    // The length is known from shapes alone: an over-long prompt fails before any pixel is touched.
    const sized = {
      ...request,
      videos: videos.map(sizesOf),
      images: images.map(sizesOf),
    } as PromptRequest<FrameSizes, FrameSizes>;
    const { text, tokens, input_ids, mm_token_type_ids } = this.#layOut(sized, options);
    const budget = options.max_prompt_length ?? this.config.text_config.max_position_embeddings;
    if (input_ids.length > budget) throw tooLong(input_ids.length, budget, tokens);

    const video = videos.map(({ frames }, i) => toPatches(frames, this.settings.video, `video ${i}`));
    const image = images.map(({ frames }, i) => toPatches(frames, this.settings.image, `image ${i}`));
    return {
      text: this.tokenizer.unquoted(text),
      input_ids,
      mm_token_type_ids,
      pixel_values: joined(image.map(({ pixels_PX }) => pixels_PX)),
      pixel_values_videos: joined(video.map(({ pixels_PX }) => pixels_PX)),
      image_grid_thw: image.map(({ grid }) => grid),
      video_grid_thw: video.map(({ grid }) => grid),
      second_per_grid_ts,
      resized: videos.map(({ frames }) => [frames.size(2), frames.size(3)] as const),
      frame_indices: videos.map(({ indices }) => indices ?? []),
      frame_times: videos.map(({ timesS }) => timesS ?? []),
    };
  }

  countTokens(request: PromptRequest<FrameSizes, FrameSizes>, options: PrepareOptions = {}): number {
    return this.#layOut(request, options).input_ids.length;
  }

  /** The prompt's tokens with placeholders expanded, and how many each video and image takes. */
  #layOut(request: PromptRequest<FrameSizes, FrameSizes>, options: PrepareOptions) {
    const { videos = [], images = [] } = request;
    const { image_token_id, video_token_id } = this.config;
    const text = this.render(request, options);
    const rendered = this.tokenizer.encode(text);
    this.#checkCount('video', rendered, video_token_id, videos.length);
    this.#checkCount('image', rendered, image_token_id, images.length);
    const { tellSlices } = this.#style;
    const ids =
      tellSlices === undefined || videos.length === 0
        ? rendered
        : this.tokenizer.encode(
            tellSlices(
              text,
              videos.map((video) => this.#sliceTimes(video)),
              options.video_markers ?? 'slices',
            ),
          );
    const videoSlices = videos.map((video) => this.#slices(video, 'video'));
    const imageSlices = images.map((image) => this.#slices(image, 'image'));
    const whole = ({ slices, tokens }: SliceTokens) => slices * tokens;
    const runs = {
      video:
        tellSlices === undefined
          ? videoSlices.map(whole)
          : videoSlices.flatMap(({ slices, tokens }) => Array.from({ length: slices }, () => tokens)),
      image: imageSlices.map(whole),
    };
    const input_ids: number[] = [];
    const mm_token_type_ids: number[] = [];
    const seen = { video: 0, image: 0 };
    for (const id of ids) {
      const kind = id === video_token_id ? 'video' : id === image_token_id ? 'image' : undefined;
      const times = kind === undefined ? 1 : (runs[kind][seen[kind]++] as number);
      const type = kind === undefined ? 0 : kind === 'image' ? 1 : 2;
      for (let i = 0; i < times; i++) {
        input_ids.push(id);
        mm_token_type_ids.push(type);
      }
    }
    const tokens = { video: videoSlices.map(whole), image: runs.image };
    return { text, tokens, input_ids, mm_token_type_ids };
  }

  /** Seconds that stand before each slice: the middle between its first and last frame. */
  #sliceTimes({ numFrames, statedS }: FrameSizes): number[] {
    if (statedS === undefined && !this.#isRateAssumed) {
      this.#isRateAssumed = true;
      processWarning(
        `frames came without times: the prompt tells them as ${ASSUMED_FPS} a second, as transformers does`,
      );
    }
    const depth = this.settings.video.temporal_patch_size;
    const timeOf = (frame: number): number => {
      const shown = Math.min(frame, numFrames - 1);
      return statedS?.[shown] ?? shown / ASSUMED_FPS;
    };
    return Array.from(
      { length: Math.ceil(numFrames / depth) },
      (_, slice) => (timeOf(slice * depth) + timeOf(slice * depth + depth - 1)) / 2,
    );
  }

  async prepare(
    request: PromptRequest<string, string>,
    loader: MediaLoader,
    options: PrepareOptions = {},
  ): Promise<PreparedPrompt> {
    const loaded: VisionFrames[] = [];
    const load = async (path: string, read: (path: string) => Promise<VisionFrames>) => {
      const frames = await read(path);
      loaded.push(frames);
      return frames;
    };
    try {
      // One after another: each decode already uses all cores.
      const videos: VisionFrames[] = [];
      for (const path of request.videos ?? []) videos.push(await load(path, loader.loadVideo));
      const images: VisionFrames[] = [];
      for (const path of request.images ?? []) images.push(await load(path, loader.loadImage));
      return keep(scope(() => this.prepareFrames({ ...request, videos, images }, options)));
    } finally {
      for (const { frames } of loaded) dispose(frames);
    }
  }

  render(request: PromptRequest<unknown, unknown>, options: PrepareOptions = {}): string {
    return this.template.render(request.messages ?? this.#userTurn(request), {
      add_generation_prompt: options.add_generation_prompt ?? true,
      variables: options.template_variables ?? {},
    });
  }

  /** One user turn, behind a system turn where there is one. Special tokens in their words are words. */
  #userTurn(request: PromptRequest<unknown, unknown>): ChatMessage[] {
    const { text = '', system, videos = [], images = [] } = request;
    const content: ChatContent[] = [
      ...videos.map(() => ({ type: 'video' as const })),
      ...images.map(() => ({ type: 'image' as const })),
      { type: 'text', text: this.tokenizer.quoted(text) },
    ];
    const turn: ChatMessage = { role: 'user', content };
    return system === undefined ? [turn] : [{ role: 'system', content: this.tokenizer.quoted(system) }, turn];
  }

  #checkCount(kind: 'video' | 'image', ids: readonly number[], token: number, given: number): void {
    const places = ids.reduce((count, id) => count + (id === token ? 1 : 0), 0);
    if (places === given) return;
    if (places < given) this.checkTemplate(kind);
    throw new DataError(
      `the prompt has ${places} ${kind} placeholders (<|${kind}_pad|>), but ${given} ${kind}s were given`,
      {
        hint: `Put one {type: "${kind}"} part in the messages for each ${kind}, and no <|${kind}_pad|> in their text.`,
      },
    );
  }

  #slices({ numFrames, height, width }: FrameSizes, kind: 'video' | 'image'): SliceTokens {
    const { patch_size, temporal_patch_size, merge_size } = this.settings[kind];
    const unit = patch_size * merge_size;
    return {
      slices: Math.ceil(numFrames / temporal_patch_size),
      tokens: Math.floor(height / unit) * Math.floor(width / unit),
    };
  }
}

interface SliceTokens {
  readonly slices: number;
  /** Of one slice. */
  readonly tokens: number;
}

function sizesOf({ frames, statedS }: VisionFrames): FrameSizes {
  const [numFrames = 0, , height = 0, width = 0] = frames.shape;
  return { numFrames, height, width, statedS };
}

/** Processor settings, tokenizer and chat template of a folder. @throws CheckpointError naming file and key */
export function readProcessor(dir: string, config: ModelConfig, style: ProcessorStyle = {}): Processor {
  const tokenizer = Tokenizer.fromPretrained(dir);
  const template = ChatTemplate.fromPretrained(dir, tokenizer.namedTokens);
  return new QwenProcessor(
    config,
    readProcessorConfig(dir, config, style.defaults),
    tokenizer,
    template,
    style,
  );
}

/** One user turn: videos, then images, then the text; a system turn before it where one is given. */
function tooLong(
  length: number,
  budget: number,
  tokens: Record<'video' | 'image', readonly number[]>,
): DataError {
  const parts = (['video', 'image'] as const)
    .filter((kind) => tokens[kind].length > 0)
    .map((kind) => `${kind}s take ${tokens[kind].join(' + ')}`);
  const isVision = parts.length > 0;
  return new DataError(
    `the prompt is ${length} tokens long, max_prompt_length is ${budget}${isVision ? ` (${parts.join(', ')})` : ''}`,
    {
      hint: isVision
        ? 'Lower max_frames or max_pixels, or raise max_prompt_length.'
        : 'Shorten the text, or raise max_prompt_length.',
    },
  );
}

function joined(parts: readonly Tensor[]): Tensor | undefined {
  if (parts.length <= 1) return parts[0];
  const all = cat(parts, 0);
  dispose(parts);
  return all;
}
