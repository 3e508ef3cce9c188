/**
 * A randomly initialised model folder of any size, made offline: weights, config, tokenizer, chat template and
 * processor settings in the published form. It stands in for a real model in tests, benchmarks and the demo.
 *
 * Weights are drawn from a normal distribution with deviation `1 / sqrt(inputs)`, norms are ones and biases zeros:
 * unlike the fixed 0.02 of large models this keeps signals of order one at any width, so that tiny models train.
 */
import { join } from 'node:path';
import { ConfigError, writeFileAtomic, writeFolderAtomic } from '../../base/index.ts';
import { type TensorSource, writeWeightFiles } from '../../io/index.ts';
import type { ModelConfig } from '../config.ts';
import { familyOf, type ModelType, parseModelConfig } from '../families.ts';
import { CLIP_COLORS } from '../qwen2_vl/processor-config.ts';
import { CHAT_TEMPLATES, trainTinyTokenizer } from './tiny-tokenizer.ts';

export interface TinyCheckpointOptions {
  readonly model_type?: ModelType;
  /** Seed of the weights. Default 0. */
  readonly seed?: number;
  /** Rows of the embedding; the tokenizer is trained to at most so many ids. Default 512. */
  readonly vocab_size?: number;
  readonly hidden_size?: number;
  readonly intermediate_size?: number;
  readonly num_hidden_layers?: number;
  readonly num_attention_heads?: number;
  readonly num_key_value_heads?: number;
  /** Size of a head; only Qwen3-VL has another than `hidden_size / num_attention_heads`, which is the default. */
  readonly head_dim?: number;
  readonly tie_word_embeddings?: boolean;
  /** Base of the rotary frequencies: a small one for short prompts and narrow heads. Default 1,000,000, as published. */
  readonly rope_theta?: number;
  /** Frequency pairs that turn with time, height and width; they add up to half the head size. Default: a quarter, the rest halved. */
  readonly mrope_section?: readonly [time: number, height: number, width: number];
  /** Mean and deviation of the pixels, in [0, 1], the same for all channels. Default: as in the published models of the family. */
  readonly pixels?: { readonly mean: number; readonly std: number };
  /**
   * `default`: the published one, which in Qwen2-VL and Qwen2.5-VL opens with "You are a helpful assistant."; `short`: without that turn;
   * `thinking`: one that opens the answer with `<think>`, as Qwen3-VL's Thinking models have it.
   */
  readonly chat_template?: 'default' | 'short' | 'thinking';
  /** The tower: depth 4, width 64, 4 heads unless given; windows of 56 pixels, or a table of 8 x 8 positions and two blocks for the decoder. */
  readonly vision?: {
    readonly depth?: number;
    readonly hidden_size?: number;
    readonly intermediate_size?: number;
    readonly num_heads?: number;
    readonly patch_size?: number;
    readonly window_size?: number;
    readonly fullatt_block_indexes?: readonly number[];
    readonly num_position_embeddings?: number;
    readonly deepstack_visual_indexes?: readonly number[];
  };
  /** Sentences the tokenizer learns its merges from. */
  readonly corpus?: readonly string[];
  readonly dtype?: 'float32' | 'bfloat16';
  /** Bytes in a shard at most. */
  readonly max_shard_size?: number;
  /** Overwrite an existing folder. */
  readonly replace?: boolean;
}

/**
 * Make a model folder; everything not given is tiny (about 0.4 million weights).
 * @returns the configuration written
 * @throws ConfigError or CheckpointError when the sizes contradict each other; DataError when the folder exists
 */
export function createTinyCheckpoint(dir: string, options: TinyCheckpointOptions = {}): ModelConfig {
  const dtype = options.dtype ?? 'float32';
  const isQwen3 = options.model_type === 'qwen3_vl';
  const { chat_template: template = isQwen3 ? 'short' : 'default' } = options;
  const chat_template = CHAT_TEMPLATES[template];
  const vocab_size = options.vocab_size ?? 512;
  const words = trainTinyTokenizer({ vocab_size, ...(options.corpus ? { corpus: options.corpus } : {}) });
  if (words.size > vocab_size) {
    throw new ConfigError(
      `vocab_size is ${vocab_size}; at least ${words.size} are needed (bytes and special tokens)`,
    );
  }
  const config = tinyConfig(options, vocab_size, dtype, words.special);
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  writeFolderAtomic(
    dir,
    (folder) => {
      const write = (name: string, text: string) => writeFileAtomic(join(folder, name), text);
      write('config.json', json(familyOf(config).writeConfig(config)));
      write(
        'generation_config.json',
        json({
          bos_token_id: words.special['<|endoftext|>'],
          do_sample: true,
          eos_token_id: [words.special['<|im_end|>'], words.special['<|endoftext|>']],
          pad_token_id: words.special['<|endoftext|>'],
        }),
      );
      write('preprocessor_config.json', json(preprocessorJson(config, options.pixels)));
      if (isQwen3)
        write('video_preprocessor_config.json', json(videoPreprocessorJson(config, options.pixels)));
      write('chat_template.json', json({ chat_template }));
      write('tokenizer.json', json(words.tokenizer));
      write('tokenizer_config.json', json({ ...words.tokenizer_config, chat_template }));
      const sources = randomWeights(config, options.seed ?? 0, dtype);
      const { max_shard_size } = options;
      writeWeightFiles(folder, sources, max_shard_size === undefined ? {} : { max_shard_size });
    },
    { replace: options.replace ?? false },
  );
  return config;
}

function tinyConfig(
  options: TinyCheckpointOptions,
  vocab_size: number,
  dtype: 'float32' | 'bfloat16',
  special: ReturnType<typeof trainTinyTokenizer>['special'],
): ModelConfig {
  const hidden_size = options.hidden_size ?? 64;
  const heads = options.num_attention_heads ?? 4;
  const { vision = {} } = options;
  const model_type = options.model_type ?? 'qwen2_5_vl';
  const depth = vision.depth ?? 4;
  const width = vision.hidden_size ?? 64;
  const isQwen3 = model_type === 'qwen3_vl';
  const patch_size = vision.patch_size ?? (isQwen3 ? 16 : 14);
  const head_dim = options.head_dim ?? hidden_size / heads;
  // As in the published models time gets a quarter of the pairs, height and width share the rest.
  const pairs = head_dim / 2;
  const time = Math.max(1, Math.round(pairs / 4));
  const height = Math.floor((pairs - time) / 2);
  const tower = isQwen3
    ? {
        hidden_size: width,
        intermediate_size: vision.intermediate_size ?? width * 2,
        out_hidden_size: hidden_size,
        num_position_embeddings: vision.num_position_embeddings ?? 64,
        deepstack_visual_indexes: vision.deepstack_visual_indexes ?? [0, depth - 2].filter((at) => at >= 0),
      }
    : model_type === 'qwen2_5_vl'
      ? {
          hidden_size: width,
          intermediate_size: vision.intermediate_size ?? width * 2,
          out_hidden_size: hidden_size,
          window_size: vision.window_size ?? 4 * patch_size,
          fullatt_block_indexes: vision.fullatt_block_indexes ?? [depth - 1],
          tokens_per_second: 2,
        }
      : { embed_dim: width, mlp_ratio: (vision.intermediate_size ?? width * 2) / width, hidden_size };
  const text = {
    vocab_size,
    hidden_size,
    head_dim,
    intermediate_size: options.intermediate_size ?? hidden_size * 3,
    num_hidden_layers: options.num_hidden_layers ?? 3,
    num_attention_heads: heads,
    num_key_value_heads: options.num_key_value_heads ?? Math.max(1, Math.floor(heads / 2)),
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-6,
    rope_theta: options.rope_theta ?? 1_000_000,
    rope_scaling: {
      type: isQwen3 ? 'default' : 'mrope',
      mrope_section: options.mrope_section ?? [time, height, pairs - time - height],
    },
    bos_token_id: special['<|endoftext|>'],
    eos_token_id: special['<|im_end|>'],
  };
  const raw = {
    model_type,
    ...(isQwen3 ? { text_config: text } : text),
    tie_word_embeddings: options.tie_word_embeddings ?? true,
    torch_dtype: dtype,
    vision_start_token_id: special['<|vision_start|>'],
    vision_end_token_id: special['<|vision_end|>'],
    image_token_id: special['<|image_pad|>'],
    video_token_id: special['<|video_pad|>'],
    vision_config: {
      depth,
      num_heads: vision.num_heads ?? 4,
      patch_size,
      in_chans: 3,
      spatial_merge_size: 2,
      temporal_patch_size: 2,
      ...tower,
    },
  };
  return parseModelConfig(raw, 'createTinyCheckpoint');
}

function preprocessorJson(
  config: ModelConfig,
  pixels: TinyCheckpointOptions['pixels'],
): Record<string, unknown> {
  const { vision_config: vision, pixel_unit } = config;
  const { processorClass, model_type } = familyOf(config);
  const mean = pixels?.mean ?? (model_type === 'qwen3_vl' ? 0.5 : undefined);
  const std = pixels?.std ?? (model_type === 'qwen3_vl' ? 0.5 : undefined);
  return {
    min_pixels: 4 * pixel_unit * pixel_unit,
    max_pixels: 16384 * pixel_unit * pixel_unit,
    patch_size: vision.patch_size,
    temporal_patch_size: vision.temporal_patch_size,
    merge_size: vision.spatial_merge_size,
    image_mean: mean === undefined ? [...CLIP_COLORS.image_mean] : Array(3).fill(mean),
    image_std: std === undefined ? [...CLIP_COLORS.image_std] : Array(3).fill(std),
    image_processor_type: 'Qwen2VLImageProcessor',
    processor_class: processorClass,
  };
}

/** What Qwen3-VL's folders say of videos: one area for all frames together. */
function videoPreprocessorJson(
  config: ModelConfig,
  pixels: TinyCheckpointOptions['pixels'],
): Record<string, unknown> {
  const {
    min_pixels: _,
    max_pixels: __,
    image_processor_type: ___,
    ...shared
  } = preprocessorJson(config, pixels);
  return {
    ...shared,
    size: { shortest_edge: 4096, longest_edge: 25_165_824 },
    ...{ fps: 2, min_frames: 4, max_frames: 768 },
    video_processor_type: 'Qwen3VLVideoProcessor',
  };
}

function randomWeights(config: ModelConfig, seed: number, dtype: 'float32' | 'bfloat16'): TensorSource[] {
  const { weightShapes, storedName } = familyOf(config);
  return [...weightShapes(config)].map(([name, shape], index) => ({
    name: storedName(name),
    shape,
    dtype: dtype === 'float32' ? ('F32' as const) : ('BF16' as const),
    write: (put: (piece: Uint8Array) => void) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const isNorm = /(norm\d?|layernorm|ln_q)\.weight$/.test(name);
      const isBias = name.endsWith('.bias');
      const deviation = isNorm || isBias ? 0 : 1 / Math.sqrt(size / (shape[0] as number));
      const normal = normalDraws(seed, index);
      for (let begin = 0; begin < size; begin += CHUNK) {
        const values = new Float32Array(Math.min(CHUNK, size - begin));
        if (isNorm) values.fill(1);
        else if (!isBias) for (let i = 0; i < values.length; i++) values[i] = deviation * normal();
        put(dtype === 'float32' ? new Uint8Array(values.buffer) : toBfloat16(values));
      }
    },
  }));
}

const CHUNK = 1 << 20;

/** Float32 to bfloat16 bytes, rounded to nearest even. Finite values only. */
function toBfloat16(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const word = bits[i] as number;
    out[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return new Uint8Array(out.buffer);
}

/** Standard normal numbers (Box-Muller over sfc32), one stream for each seed and tensor. */
function normalDraws(seed: number, stream: number): () => number {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = stream >>> 0;
  let counter = 1;
  const uniform = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return ((sum >>> 0) + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) uniform();
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
