/**
 * @file What both sides of the GRPO benchmark start from: one model folder and one prompt with a real clip, made once and
 * kept in the cache folder.
 *
 * The model is Qwen2.5-VL-3B seen from far away: every width divided by 8, depths by about 4, tied embeddings, two query
 * heads a key head, a quarter of the vision blocks with full attention, random weights. The vocabulary shrinks with the
 * parameters, so that the head is about a seventh of them (3B: a tenth).
 *
 *              3B                              here
 *   decoder    2048 x 36, 16/2 heads, ff 11008   256 x 8, 4/2 heads, ff 1376
 *   tower      1280 x 32, 16 heads, ff 3420      160 x 8, 4 heads, ff 428
 *   words      151936                          8192
 *   weights    3.75 B                          15.4 M
 *
 * The clip is sampled by the authors' settings (2 frames a second, at most 196 * 28^2 pixels a frame): 10 frames of a
 * CLEVRER clip are 5 slices of 187 tokens, and with the question the prompt is about 1,100 tokens.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { saveSafetensors } from '../src/io/index.ts';
import { createTinyCheckpoint, loadProcessor } from '../src/models/index.ts';
import { loadVideo } from '../src/prompt/index.ts';
import { scope } from '../src/tensor/index.ts';
import { type VideoSettings, videoSettings } from '../src/video/index.ts';

export const MODEL = {
  seed: 1,
  vocab_size: 8192,
  hidden_size: 256,
  intermediate_size: 1376,
  num_hidden_layers: 8,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
  vision: {
    depth: 8,
    hidden_size: 160,
    intermediate_size: 428,
    num_heads: 4,
    window_size: 112,
    fullatt_block_indexes: [1, 3, 5, 7],
  },
};

/** A CLEVRER question in the authors' prompt. */
const QUESTION = `Which event will happen if the green rubber cylinder is removed?
Options:
A. The metal sphere and the cyan cylinder collide
B. The brown cube collides with the metal sphere
C. The cyan cylinder and the brown cube collide
D. The purple sphere leaves the scene
Please think about this question as if you were a human pondering deeply. Engage in an internal dialogue using \
expressions such as 'let me think', 'wait', 'hmm', 'oh, I see', 'let's break it down'. Provide your detailed reasoning \
between the <think> </think> tags, and then give your final answer between the <answer> </answer> \
tags: the letters of the right options, separated by commas.`;

export function cacheFolder(): string {
  return (
    process.env['TWGRPO_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'twgrpo')
  );
}

/** The prompt beside its pixels, which lie in a file of their own. */
export interface PromptFacts {
  readonly input_ids: readonly number[];
  readonly video_grid_thw: readonly (readonly [t: number, h: number, w: number])[];
  readonly second_per_grid_ts: readonly number[];
  /** Tokens. */
  readonly promptLength: number;
  readonly visionTokens: number;
  readonly frames: number;
  /** Seconds. */
  readonly prepareS: { readonly decode: number; readonly processor: number };
}

export interface GrpoInputs extends PromptFacts {
  /** Folder. */
  readonly model: string;
  /** File of pixels; the same with `.json` holds the prompt. */
  readonly inputs: string;
}

/**
 * Makes what is not there yet.
 * @param clip a video file
 * @param video changed settings of its sampling, for the curve over the prompt length
 */
export async function prepareInputs(clip: string, video: Partial<VideoSettings> = {}): Promise<GrpoInputs> {
  const { size, mtimeMs } = statSync(clip);
  const key = (value: unknown): string =>
    createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12);
  const root = join(cacheFolder(), 'bench');
  const model = join(root, `model-${key(MODEL)}`);
  if (!existsSync(model)) {
    mkdirSync(root, { recursive: true });
    createTinyCheckpoint(model, { ...MODEL, corpus: [QUESTION, QUESTION.toLowerCase()] });
  }
  const inputs = join(root, `inputs-${key([MODEL, QUESTION, clip, size, mtimeMs, video])}`);
  if (!existsSync(`${inputs}.json`)) await writeInputs(inputs, model, clip, video);
  const facts = JSON.parse(readFileSync(`${inputs}.json`, 'utf8')) as PromptFacts;
  return { model, inputs: `${inputs}.safetensors`, ...facts };
}

async function writeInputs(
  file: string,
  model: string,
  clip: string,
  video: Partial<VideoSettings>,
): Promise<void> {
  const decodeStarted = performance.now();
  const loaded = await loadVideo(clip, { ...videoSettings({ video: 'authors' }, 28), ...video });
  const processStarted = performance.now();
  const processor = loadProcessor(model);
  const facts = scope((): PromptFacts => {
    const prompt = processor.prepareFrames({ videos: [loaded], text: QUESTION });
    const done = performance.now();
    saveSafetensors(`${file}.safetensors`, new Map([['pixel_values_videos', prompt.pixel_values_videos!]]));
    return {
      input_ids: prompt.input_ids,
      video_grid_thw: prompt.video_grid_thw,
      second_per_grid_ts: prompt.second_per_grid_ts,
      promptLength: prompt.input_ids.length,
      visionTokens: prompt.mm_token_type_ids.filter((type) => type === 2).length,
      frames: loaded.numFrames,
      prepareS: {
        decode: (processStarted - decodeStarted) / 1000,
        processor: (done - processStarted) / 1000,
      },
    };
  });
  loaded.frames.dispose();
  writeFileSync(`${file}.tmp`, JSON.stringify(facts));
  renameSync(`${file}.tmp`, `${file}.json`);
}
