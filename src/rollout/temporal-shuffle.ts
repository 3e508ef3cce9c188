/**
 * The other half of T-GRPO's comparison: the same prompt with the frames of its video in random order (the reward rule is
 * `rl/temporal-contrast.ts`).
 *
 * Whole frames are shuffled, as Video-R1 does before its processor. Patches are per-frame normalized pixels laid out by
 * (slice, place, channel, frame of the slice, row, column), so moving frames between slices afterwards gives the very same
 * numbers, and the video needs no second decoding. A frame that was repeated to fill the last slice is shuffled like the others.
 * Token ids, grids and times stay: only what is shown when changes.
 *
 * Source: tulerfeng/Video-R1 `src/r1-v/src/open_r1/trainer/grpo_trainer.py` (arXiv 2503.21776).
 */
import type { ModelConfig, PromptInputs } from '../models/index.ts';
import { cat, Generator, randperm, scope, type Tensor } from '../tensor/index.ts';

/** Whether the prompt shows a video at all. */
export function hasVideo(inputs: PromptInputs): boolean {
  return inputs.pixel_values_videos !== undefined && (inputs.video_grid_thw?.length ?? 0) > 0;
}

/**
 * The prompt with the frames of each of its videos in random order.
 *
 * @param seed of the permutation; the same seed gives the same order
 * @returns inputs whose `pixel_values_videos` belongs to the caller's scope; everything else is shared
 */
export function shuffleFrames(
  inputs: PromptInputs,
  { vision_config }: Pick<ModelConfig, 'vision_config'>,
  seed: bigint,
): PromptInputs {
  const { pixel_values_videos: pixels_PX, video_grid_thw: grids } = inputs;
  if (pixels_PX === undefined || grids === undefined)
    throw new Error('internal: a prompt without a video has no frames to shuffle');
  const { temporal_patch_size: depth, in_channels: channels } = vision_config;
  const generator = new Generator(seed);
  const shuffled = scope('shuffleFrames', () => {
    const videos: Tensor[] = [];
    let start = 0;
    for (const [slices, rows, columns] of grids) {
      const places = rows * columns;
      const frames = pixels_PX
        .narrow(0, start, slices * places)
        .reshape([slices, places, channels, depth, -1])
        .permute([0, 3, 1, 2, 4])
        .reshape([slices * depth, places, channels, -1]);
      const order = randperm(slices * depth, { generator }).to({ device: pixels_PX.device });
      videos.push(
        frames
          .index_select(0, order)
          .reshape([slices, depth, places, channels, -1])
          .permute([0, 2, 3, 1, 4])
          .reshape([slices * places, -1]),
      );
      start += slices * places;
    }
    return videos.length === 1 ? videos[0]! : cat(videos, 0);
  });
  return { ...inputs, pixel_values_videos: shuffled };
}
