/**
 * How pixels become patches, as a model folder says it: `processor_config.json` (transformers 5), else
 * `video_preprocessor_config.json` and `preprocessor_config.json` (published folders; there videos share the settings of
 * images). Frame counts and sizes decide only where the run's video settings say that the folder's count.
 *
 * Source: transformers `models/qwen2_vl/{image,video}_processing_qwen2_vl.py` (their defaults stand for absent keys).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, checkJson, readJsonFile } from '../../base/index.ts';
import type { FolderLimits } from '../../video/index.ts';
import type { ModelConfig } from '../config.ts';

export interface PatchSettings {
  readonly patch_size: number;
  readonly temporal_patch_size: number;
  readonly merge_size: number;
  /** One value a colour channel, on the scale 0..1. */
  readonly image_mean: readonly number[];
  readonly image_std: readonly number[];
  /** Factor from grey levels to 0..1: 1/255. */
  readonly rescale_factor: number;
}

export interface ProcessorConfig {
  readonly image: PatchSettings;
  readonly video: PatchSettings;
  /** Undefined where the family's videos have no settings of their own. */
  readonly limits: FolderLimits | undefined;
}

/** What transformers' classes of a family take for absent keys. */
export interface ProcessorDefaults {
  /** Mean and deviation of the colours. */
  readonly image: Pick<PatchSettings, 'image_mean' | 'image_std'>;
  readonly video: Pick<PatchSettings, 'image_mean' | 'image_std'>;
  readonly limits: FolderLimits;
}

/** OpenAI's CLIP statistics. */
export const CLIP_COLORS = {
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
} as const;

const on = z.literal(true, 'only true is supported').default(true);
const channels = z.tuple([z.number(), z.number(), z.number()]);
const schema = z.looseObject({
  do_resize: on,
  do_rescale: on,
  do_normalize: on,
  do_convert_rgb: on,
  resample: z.literal(3, 'only bicubic, 3, is supported').default(3),
  patch_size: z.number().int().positive().optional(),
  temporal_patch_size: z.number().int().positive().optional(),
  merge_size: z.number().int().positive().optional(),
  image_mean: channels.optional(),
  image_std: channels.optional(),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
});
const count = z.number().int().positive();
const limitsSchema = z.looseObject({
  size: z.looseObject({ shortest_edge: count.optional(), longest_edge: count.optional() }).nullish(),
  min_pixels: count.nullish(),
  max_pixels: count.nullish(),
  fps: z.number().positive().nullish(),
  num_frames: count.nullish(),
  do_sample_frames: z.boolean().nullish(),
  min_frames: count.nullish(),
  max_frames: count.nullish(),
  cap_pixels_per_frame: z.boolean().nullish(),
  max_video_tokens: count.nullish(),
});
const bothSchema = z.looseObject({
  image_processor: z.looseObject({}).optional(),
  video_processor: z.looseObject({}).optional(),
});

/**
 * Read the processor settings of a folder and hold them against its model config.
 * @throws CheckpointError naming file and key: no such file, a setting we do not support, or another patch than the model's
 */
export function readProcessorConfig(
  dir: string,
  config: ModelConfig,
  defaults?: ProcessorDefaults,
): ProcessorConfig {
  const read = (image: Section, video: Section): ProcessorConfig => ({
    image: parse(image, config, defaults?.image ?? CLIP_COLORS),
    video: parse(video, config, defaults?.video ?? CLIP_COLORS),
    limits: defaults && limitsOf(image, video, defaults.limits),
  });
  const both = join(dir, 'processor_config.json');
  if (existsSync(both)) {
    const { image_processor, video_processor } = checkJson(bothSchema, readJsonFile(both), both, []);
    if (image_processor !== undefined) {
      const image = { raw: image_processor, file: both, path: ['image_processor'] };
      return read(
        image,
        video_processor === undefined
          ? image
          : { raw: video_processor, file: both, path: ['video_processor'] },
      );
    }
  }
  const imageFile = join(dir, 'preprocessor_config.json');
  const videoFile = join(dir, 'video_preprocessor_config.json');
  const image = { raw: readJsonFile(imageFile), file: imageFile, path: [] };
  return read(
    image,
    existsSync(videoFile) ? { raw: readJsonFile(videoFile), file: videoFile, path: [] } : image,
  );
}

/** Settings of images or of videos, and where they stand. */
interface Section {
  readonly raw: unknown;
  readonly file: string;
  readonly path: readonly string[];
}

/**
 * Old folders state areas as `min_pixels` and `max_pixels`. Beside a `size` these win for images, and `size` does for videos, as in
 * transformers 5.18.
 */
function limitsOf(image: Section, video: Section, defaults: FolderLimits): FolderLimits {
  const found = ({ raw, file, path }: Section) => checkJson(limitsSchema, raw, file, path);
  const [ofImages, ofVideos] = [found(image), found(video)];
  return {
    fps: ofVideos.fps ?? defaults.fps,
    min_frames: ofVideos.min_frames ?? defaults.min_frames,
    max_frames: ofVideos.max_frames ?? defaults.max_frames,
    video: {
      shortest_edge: ofVideos.size?.shortest_edge ?? ofVideos.min_pixels ?? defaults.video.shortest_edge,
      longest_edge: ofVideos.size?.longest_edge ?? ofVideos.max_pixels ?? defaults.video.longest_edge,
    },
    image: {
      shortest_edge: ofImages.min_pixels ?? ofImages.size?.shortest_edge ?? defaults.image.shortest_edge,
      longest_edge: ofImages.max_pixels ?? ofImages.size?.longest_edge ?? defaults.image.longest_edge,
    },
    cap_pixels_per_frame: ofVideos.cap_pixels_per_frame ?? defaults.cap_pixels_per_frame,
    max_video_tokens: ofVideos.max_video_tokens ?? defaults.max_video_tokens,
    refused: refusedBy(video, ofVideos),
  };
}

/** Ways to choose frames that transformers has beside a rate. */
function refusedBy(
  { file, path }: Section,
  { fps, num_frames, do_sample_frames }: z.output<typeof limitsSchema>,
): string | undefined {
  const asks = (key: string, value: unknown) =>
    `${file}: ${[...path, key].join('.')} is ${value}; frames are chosen by a rate only`;
  if (typeof num_frames === 'number') return asks('num_frames', num_frames);
  if (do_sample_frames === false) return asks('do_sample_frames', false);
  return fps === null ? asks('fps', null) : undefined;
}

function parse(
  { raw, file, path }: Section,
  { vision_config: vision }: ModelConfig,
  colors: Pick<PatchSettings, 'image_mean' | 'image_std'>,
): PatchSettings {
  const settings = checkJson(schema, raw, file, path);
  const expected = {
    patch_size: vision.patch_size,
    temporal_patch_size: vision.temporal_patch_size,
    merge_size: vision.spatial_merge_size,
  };
  for (const key of ['patch_size', 'temporal_patch_size', 'merge_size'] as const) {
    const found = settings[key];
    if (found !== undefined && found !== expected[key]) {
      throw new CheckpointError(
        `${file}: ${[...path, key].join('.')} is ${found}, but the vision tower of config.json has ${expected[key]}`,
        { hint: 'Use the processor files of the same model folder.' },
      );
    }
  }
  const { image_mean = colors.image_mean, image_std = colors.image_std, rescale_factor } = settings;
  return { ...expected, image_mean, image_std, rescale_factor };
}
