/**
 * @file Qwen3-VL's prompts against transformers' processors, 5.18 and 4.57: tokens with times in words, grids, patches to the bit, and
 * which frames of a video are taken at what size (goldens/qwen3_vl/make_processor.py).
 */
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadProcessor } from '../src/models/index.ts';
import { tenths } from '../src/models/qwen3_vl/processor.ts';
import { resizeFrames } from '../src/prompt/resize.ts';
import { scope, type Tensor } from '../src/tensor/index.ts';
import { sampleFrames, smartResize, videoFrameSize, videoSettings } from '../src/video/index.ts';
import { hashedBytes } from './support/model-goldens.ts';
import { scratchFolder } from './support/scratch-folder.ts';

interface PromptGolden {
  readonly name: string;
  readonly system: string | null;
  readonly question: string;
  readonly text: string;
  readonly videos: readonly {
    readonly indices: readonly number[];
    readonly height: number;
    readonly width: number;
    readonly fps: number | null;
  }[];
  readonly images: readonly { readonly height: number; readonly width: number }[];
  readonly pixels: Readonly<
    Record<'pixel_values' | 'pixel_values_videos', { readonly shape: number[]; readonly sha256: string }>
  >;
  readonly input_ids: readonly number[];
  readonly input_ids_457: readonly number[];
  readonly video_grid_thw: readonly number[][];
  readonly image_grid_thw: readonly number[][];
}

interface ChoiceGolden {
  readonly size: { readonly shortest_edge: number; readonly longest_edge: number };
  readonly cap: boolean | null;
  readonly max_frames: number;
  readonly total: number;
  readonly fps: number;
  readonly indices: readonly number[];
  readonly height: number;
  readonly width: number;
  readonly count: number;
  readonly shown: readonly [height: number, width: number];
}

const GOLDENS = join(import.meta.dirname, 'goldens/qwen3_vl');
const golden: { readonly prompts: PromptGolden[]; readonly choices: ChoiceGolden[] } = JSON.parse(
  readFileSync(join(GOLDENS, 'processor.json'), 'utf8'),
);

/** The model's folder: processor files of the goldens, config.json of a small model with their token ids. */
const folder = join(scratchFolder(), 'model');
cpSync(join(GOLDENS, 'folder'), folder, { recursive: true });
const [{ flat }] = JSON.parse(readFileSync(join(GOLDENS, 'shapes.json'), 'utf8')) as [{ flat: object }];
writeFileSync(join(folder, 'config.json'), JSON.stringify(flat));
const processor = loadProcessor(folder);
const settings = videoSettings({ video: 'transformers' }, 32, processor.limits);

/** uint8 pictures in torch's layout as the decoder hands them over, resized as the preset says. */
function shown(
  seed: number,
  numFrames: number,
  height: number,
  width: number,
  size: { height: number; width: number },
) {
  const planes = hashedBytes(seed, numFrames * 3 * height * width);
  const frames = Uint8Array.from(planes, (_, at) => {
    const channel = at % 3;
    const place = Math.floor(at / 3) % (height * width);
    return planes[(Math.floor(at / (3 * height * width)) * 3 + channel) * height * width + place]!;
  });
  return resizeFrames({ frames, numFrames, height, width }, size, settings.resize_kernel);
}

function request({ question, system, videos, images }: PromptGolden) {
  return {
    text: question,
    system: system ?? undefined,
    videos: videos.map(({ indices, height, width, fps }, i) => ({
      frames: shown(
        70 + i,
        indices.length,
        height,
        width,
        videoFrameSize(settings, { height, width }, indices.length),
      ),
      statedS: fps === null ? undefined : indices.map((index) => index / fps),
    })),
    images: images.map(({ height, width }, i) => ({
      frames: shown(
        80 + i,
        1,
        height,
        width,
        smartResize(height, width, { pixel_unit: 32, ...settings.image! }),
      ),
    })),
  };
}

const sha256 = (tensor: Tensor) => {
  const values = tensor.contiguous().toTypedArray() as Float32Array;
  return createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
};

describe("prepareFrames gives what transformers' processor for Qwen3-VL gives", () => {
  it.each(golden.prompts)('$name', (one) => {
    scope(() => {
      const asked = request(one);
      const prompt = processor.prepareFrames(asked, { video_markers: 'wrapped' });
      expect(prompt.text).toBe(one.text);
      expect(prompt.input_ids).toEqual(one.input_ids);
      expect(processor.prepareFrames(asked).input_ids).toEqual(one.input_ids_457);
      expect(prompt.video_grid_thw).toEqual(one.video_grid_thw);
      expect(prompt.image_grid_thw).toEqual(one.image_grid_thw);
      for (const key of ['pixel_values', 'pixel_values_videos'] as const) {
        const found = prompt[key];
        expect(found && { shape: [...found.shape], sha256: sha256(found) }).toEqual(one.pixels[key]);
      }
      const sizes = { ...asked, videos: asked.videos.map(sizeOf), images: asked.images.map(sizeOf) };
      expect(processor.countTokens(sizes)).toBe(one.input_ids_457.length);
    });
  });
});

const sizeOf = ({ frames, statedS }: { frames: Tensor; statedS?: readonly number[] | undefined }) => ({
  numFrames: frames.size(0),
  height: frames.size(2),
  width: frames.size(3),
  statedS,
});

describe('the presets that follow the folder', () => {
  it('take the frames that transformers takes, at its size', () => {
    expect(golden.choices.length).toBeGreaterThan(100);
    for (const one of golden.choices) {
      const limits = { ...processor.limits!, video: one.size };
      const keys = {
        video: one.cap ? ('transformers_capped' as const) : ('transformers' as const),
        max_frames: one.max_frames,
      };
      const own = videoSettings(keys, 32, limits);
      const told = JSON.stringify(one);
      const { indices, statedS } = sampleFrames(own, { totalFrames: one.total, fps: one.fps });
      expect([...indices], told).toEqual(one.indices);
      expect(statedS, told).toEqual(one.indices.map((index) => index / one.fps));
      const size = videoFrameSize(own, one, one.count);
      expect([size.height, size.width], told).toEqual(one.shown);
    }
  });

  it('read the areas of the folder, and those published where it is silent', () => {
    expect(processor.limits).toEqual({
      ...{ fps: 2, min_frames: 4, max_frames: 768, cap_pixels_per_frame: false, max_video_tokens: 768 },
      video: { shortest_edge: 4096, longest_edge: 81920 },
      image: { shortest_edge: 2048, longest_edge: 40960 },
    });
    expect(videoSettings({ video: 'transformers' }, 32)).toMatchObject({
      ...{
        max_frames: 768,
        min_pixels: 4096,
        total_pixels: 25_165_824,
        clip: 'free',
        resize_kernel: 'uint8',
      },
    });
  });
});

it('times in words are rounded as Python rounds them', () => {
  const cases = {
    0.25: '0.2',
    0.75: '0.8',
    1.25: '1.2',
    0.05: '0.1',
    0.15: '0.1',
    2.5: '2.5',
    3: '3.0',
    0.35: '0.3',
  };
  for (const [seconds, text] of Object.entries(cases)) expect(tenths(Number(seconds)), seconds).toBe(text);
});
