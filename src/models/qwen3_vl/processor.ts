/**
 * Qwen3-VL's processor: Qwen2-VL's, with the slices of a video told one by one, the time of each in words before it.
 *
 * Source: transformers 4.57.3 and 5.18 `models/qwen3_vl/processing_qwen3_vl.py`, `video_processing_qwen3_vl.py`. 5.x leaves the markers of
 * the chat template around the whole video beside those of each slice; see `PrepareOptions.video_markers`.
 */
import type { ModelConfig } from '../config.ts';
import type { Processor } from '../processor.ts';
import { type ProcessorStyle, readProcessor } from '../qwen2_vl/processor.ts';
import { CLIP_COLORS } from '../qwen2_vl/processor-config.ts';

/** `<1.2 seconds>` with five digits before the point takes so many tokens, the two markers included. */
export const SLICE_WORDS = 14;

const HALVES = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] } as const;
const VIDEO = { start: '<|vision_start|>', pad: '<|video_pad|>', end: '<|vision_end|>' } as const;
const PLACEHOLDER = /<\|vision_start\|><\|video_pad\|><\|vision_end\|>|<\|video_pad\|>/g;

const STYLE: ProcessorStyle = {
  tellSlices: (text, times_S, markers) => {
    let video = 0;
    return text.replace(PLACEHOLDER, (found) => {
      const told = (times_S[video++] ?? [])
        .map((time) => `<${tenths(time)} seconds>${VIDEO.start}${VIDEO.pad}${VIDEO.end}`)
        .join('');
      return markers === 'wrapped' && found !== VIDEO.pad ? `${VIDEO.start}${told}${VIDEO.end}` : told;
    });
  },
  defaults: {
    image: CLIP_COLORS,
    video: HALVES,
    limits: {
      ...{ fps: 2, min_frames: 4, max_frames: 768, cap_pixels_per_frame: false, max_video_tokens: 768 },
      video: { shortest_edge: 128 * 32 * 32, longest_edge: 768 * 32 * 32 },
      image: { shortest_edge: 56 * 56, longest_edge: 28 * 28 * 1280 },
    },
  },
};

/** Python's `f'{seconds:.1f}'`: a tie, which only multiples of a quarter are, goes to the even digit. */
export function tenths(seconds: number): string {
  const tens = seconds * 10;
  const isTie = Number.isInteger(seconds * 4) && tens % 1 === 0.5;
  return isTie ? ((Math.floor(tens) + (Math.floor(tens) % 2)) / 10).toFixed(1) : seconds.toFixed(1);
}

/** Processor settings, tokenizer and chat template of a folder. @throws CheckpointError naming file and key */
export function readQwen3Processor(dir: string, config: ModelConfig): Processor {
  return readProcessor(dir, config, STYLE);
}
