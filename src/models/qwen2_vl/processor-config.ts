/**
 * How pixels become patches, as a model folder says it: `processor_config.json` (transformers 5), else
 * `video_preprocessor_config.json` and `preprocessor_config.json` (published folders; there videos share the settings of
 * images). Frame counts and sizes are not taken from here: the run's video settings decide them.
 *
 * Source: transformers `models/qwen2_vl/{image,video}_processing_qwen2_vl.py` (their defaults stand for absent keys).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, checkJson, readJsonFile } from '../../base/index.ts';
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
}

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
  // OpenAI's CLIP statistics, the default of the family
  image_mean: channels.default([0.48145466, 0.4578275, 0.40821073]),
  image_std: channels.default([0.26862954, 0.26130258, 0.27577711]),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
});
const bothSchema = z.looseObject({
  image_processor: z.looseObject({}).optional(),
  video_processor: z.looseObject({}).optional(),
});

/**
 * Read the processor settings of a folder and hold them against its model config.
 * @throws CheckpointError naming file and key: no such file, a setting we do not support, or another patch than the model's
 */
export function readProcessorConfig(dir: string, config: ModelConfig): ProcessorConfig {
  const both = join(dir, 'processor_config.json');
  if (existsSync(both)) {
    const { image_processor, video_processor } = checkJson(bothSchema, readJsonFile(both), both, []);
    if (image_processor !== undefined) {
      const image = parse(image_processor, both, ['image_processor'], config);
      const video =
        video_processor === undefined ? image : parse(video_processor, both, ['video_processor'], config);
      return { image, video };
    }
  }
  const imageFile = join(dir, 'preprocessor_config.json');
  const videoFile = join(dir, 'video_preprocessor_config.json');
  const image = parse(readJsonFile(imageFile), imageFile, [], config);
  const video = existsSync(videoFile) ? parse(readJsonFile(videoFile), videoFile, [], config) : image;
  return { image, video };
}

function parse(
  raw: unknown,
  file: string,
  path: readonly string[],
  { vision_config: vision }: ModelConfig,
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
  const { image_mean, image_std, rescale_factor } = settings;
  return { ...expected, image_mean, image_std, rescale_factor };
}
