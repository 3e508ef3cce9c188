import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadProcessor, readModelConfig } from '../models/index.ts';
import { Generator, rand, randperm, scope } from '../tensor/index.ts';
import { shuffleFrames } from './temporal-shuffle.ts';

const folder = fileURLToPath(new URL('../../tests/goldens/checkpoints/qwen2-5-vl', import.meta.url));
const config = readModelConfig(folder);
const processor = loadProcessor(folder);

describe('shuffled frames', () => {
  it.each([[[8]], [[6, 4]]])(
    'of videos of %j frames: as if shuffled before the processor, as Video-R1 does',
    (lengths) =>
      scope(() => {
        const generator = new Generator(1);
        const videos = lengths.map((length) => ({
          frames: rand([length, 3, 56, 84], { generator, dtype: 'float64' }).mul(256).to({ dtype: 'uint8' }),
          secondPerGridS: 1,
        }));
        const prepare = (shown: typeof videos) =>
          processor.prepareFrames({ text: 'What happens?', videos: shown, images: [] });
        const seed = 77n;
        const found = shuffleFrames(prepare(videos), config, seed);

        // The same stream of permutations, one a video.
        const order = new Generator(seed);
        const before = videos.map((video) => ({
          ...video,
          frames: video.frames.index_select(0, randperm(video.frames.shape[0]!, { generator: order })),
        }));
        const expected = prepare(before);
        expect(found.pixel_values_videos!.equal(expected.pixel_values_videos!)).toBe(true);
        expect(found.pixel_values_videos!.equal(prepare(videos).pixel_values_videos!)).toBe(false);
        expect(found.input_ids).toEqual(expected.input_ids);
      }),
  );
});
