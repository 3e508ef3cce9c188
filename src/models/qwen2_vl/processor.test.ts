import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { CheckpointError, DataError } from '../../base/index.ts';
import { openSafetensors } from '../../io/index.ts';
import { liveTensors, scope, type Tensor, zeros } from '../../tensor/index.ts';
import { loadProcessor } from '../model-folder.ts';
import type { VisionFrames } from '../processor.ts';

const GOLDENS = fileURLToPath(new URL('../../../tests/goldens/', import.meta.url));
const root = scratchFolder();

interface Golden {
  name: string;
  folder: string;
  system: string | null;
  question: string;
  variables: Record<string, unknown>;
  num_videos: number;
  num_images: number;
  text: string;
  input_ids: number[];
  mm_token_type_ids: number[];
  video_grid_thw: number[][];
  image_grid_thw: number[][];
  second_per_grid_ts: number[];
}
const goldens: Golden[] = JSON.parse(readFileSync(`${GOLDENS}processor/prompts.json`, 'utf8'));
const pixels = openSafetensors(`${GOLDENS}processor/pixels.safetensors`);
afterAll(() => pixels.close());
const tiny = () => loadProcessor(`${GOLDENS}checkpoints/qwen2-5-vl`);
const video = (frames: number, height: number, width: number): VisionFrames => ({
  frames: zeros([frames, 3, height, width], { dtype: 'uint8' }),
  secondPerGridS: 1,
});

describe("prepareFrames gives what transformers' processor gives", () => {
  it.each(goldens)('$name', (golden) => {
    scope(() => {
      const processor = loadProcessor(`${GOLDENS}checkpoints/${golden.folder}`);
      const videos = golden.second_per_grid_ts.map((secondPerGridS, i) => ({
        frames: pixels.get(`${golden.name}.video.${i}`)!.read(),
        secondPerGridS,
        indices: [i],
      }));
      const images = golden.image_grid_thw.map((_, i) => ({
        frames: pixels.get(`${golden.name}.image.${i}`)!.read().unsqueeze(0),
      }));
      const prompt = processor.prepareFrames(
        { text: golden.question, system: golden.system ?? undefined, videos, images },
        { template_variables: golden.variables },
      );
      expect(prompt.text).toBe(golden.text);
      expect(prompt.input_ids).toEqual(golden.input_ids);
      expect(prompt.mm_token_type_ids).toEqual(golden.mm_token_type_ids);
      expect(prompt.video_grid_thw).toEqual(golden.video_grid_thw);
      expect(prompt.image_grid_thw).toEqual(golden.image_grid_thw);
      expect(prompt.second_per_grid_ts).toEqual(golden.second_per_grid_ts);
      expect(prompt.frame_indices).toEqual(videos.map((_, i) => [i]));
      for (const key of ['pixel_values', 'pixel_values_videos'] as const) {
        const expected = pixels.get(`${golden.name}.${key}`)?.read();
        expect(prompt[key]?.shape).toEqual(expected?.shape);
        // bit for bit: the same operations in the same order
        if (expected !== undefined) expect((prompt[key] as Tensor).equal(expected)).toBe(true);
      }
    });
  });
});

describe('prepareFrames', () => {
  it('keeps two pixel tensors and nothing else', () => {
    const processor = tiny();
    scope(() => {
      const request = { text: 'x', videos: [video(3, 28, 28), video(2, 28, 28)], images: [video(1, 28, 28)] };
      const before = liveTensors();
      processor.prepareFrames(request);
      expect(liveTensors()).toBe(before + 2);
    });
  });

  it('takes messages as well, and fills placeholders in their order', () => {
    scope(() => {
      const content = [
        { type: 'text' as const, text: 'first ' },
        { type: 'video' as const },
        { type: 'text' as const, text: ' then ' },
        { type: 'video' as const },
      ];
      const messages = [{ role: 'user', content }];
      const { video_grid_thw, mm_token_type_ids, resized } = tiny().prepareFrames(
        { messages, videos: [video(2, 28, 56), video(4, 56, 56)] },
        { add_generation_prompt: false },
      );
      expect(video_grid_thw).toEqual([[1, 2, 4], [2, 4, 4]]); // biome-ignore format: grids
      expect(mm_token_type_ids.filter((type) => type === 2).length).toBe(2 + 8);
      expect(resized).toEqual([[28, 56], [56, 56]]); // biome-ignore format: sizes
    });
  });

  it('refuses an over-long prompt before touching pixels, and says what to lower', () => {
    scope(() => {
      const request = { text: 'What?', videos: [video(8, 56, 56), video(2, 28, 28)] };
      try {
        tiny().prepareFrames(request, { max_prompt_length: 20 });
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
        expect((error as DataError).message).toMatch(
          /^the prompt is \d+ tokens long, max_prompt_length is 20 \(videos take 16 \+ 1\)$/,
        );
        expect((error as DataError).hint).toMatch(/max_frames or max_pixels.*max_prompt_length/);
      }
    });
  });

  it('reads special tokens in the words of a user turn as words, in those of messages as tokens', () => {
    scope(() => {
      const processor = tiny();
      const text = 'a <|image_pad|> b <|im_end|>';
      const inputs = processor.prepareFrames({ text, system: 'c <|im_start|>' });
      const { tokenizer, config } = processor;
      expect(inputs.text).toContain(text);
      expect(inputs.input_ids).not.toContain(config.image_token_id);
      const turns = (token: string) =>
        inputs.input_ids.filter((id) => id === tokenizer.tokenId(token)).length;
      expect([turns('<|im_start|>'), turns('<|im_end|>')]).toEqual([3, 2]);
      expect(tokenizer.decode(inputs.input_ids)).toBe(inputs.text);
      const messages = [{ role: 'user', content: text }];
      expect(() => processor.prepareFrames({ messages })).toThrow(/has 1 image placeholders/);
    });
  });

  it('refuses placeholders and media that do not match', () => {
    scope(() => {
      const messages = [{ role: 'user', content: 'no video' }];
      expect(() => tiny().prepareFrames({ messages, videos: [video(2, 28, 28)] })).toThrow(
        /has 0 video placeholders .* but 1 videos were given/,
      );
    });
  });

  it('refuses frames of the wrong form and videos without time', () => {
    scope(() => {
      expect(() => tiny().prepareFrames({ text: 'x', videos: [video(2, 28, 30)] })).toThrow(
        /video 0: expected uint8 frames .* multiples of 28, got uint8 \[2, 3, 28, 30\]/,
      );
      const float = { frames: zeros([2, 3, 28, 28]), secondPerGridS: 1 };
      expect(() => tiny().prepareFrames({ text: 'x', videos: [float] })).toThrow(/got float32/);
      const { frames } = video(2, 28, 28);
      expect(() => tiny().prepareFrames({ text: 'x', videos: [{ frames }] })).toThrow(
        /secondPerGridS is missing/,
      );
    });
  });
});

describe('prepare', () => {
  it('loads files in order, frees the frames, keeps the pixels', async () => {
    const before = liveTensors();
    const seen: string[] = [];
    const loader = {
      loadVideo: async (path: string) => {
        seen.push(path);
        return video(2, 28, 28);
      },
      loadImage: async (path: string) => {
        seen.push(path);
        return video(1, 28, 28);
      },
    };
    const request = { text: 'x', videos: ['a.mp4', 'b.mp4'], images: ['c.png'] };
    const prompt = await tiny().prepare(request, loader);
    expect(seen).toEqual(['a.mp4', 'b.mp4', 'c.png']);
    expect(liveTensors()).toBe(before + 2);
    prompt.pixel_values?.dispose();
    prompt.pixel_values_videos?.dispose();
    const failing = {
      ...loader,
      loadImage: async () => {
        throw new DataError('no');
      },
    };
    await expect(tiny().prepare(request, failing)).rejects.toThrow('no');
    expect(liveTensors()).toBe(before);
  });
});

describe('a folder whose parts do not fit together is refused', () => {
  const copy = (name: string, file: string, change: (json: Record<string, unknown>) => void) => {
    const dir = join(root, name);
    cpSync(`${GOLDENS}checkpoints/qwen2-5-vl-flat`, dir, { recursive: true });
    const json = JSON.parse(readFileSync(join(dir, file), 'utf8'));
    change(json);
    writeFileSync(join(dir, file), JSON.stringify(json));
    return dir;
  };
  const cases: [string, string, (json: Record<string, unknown>) => void, RegExp][] = [
    [
      'patch',
      'preprocessor_config.json',
      (j) => (j['patch_size'] = 16),
      /preprocessor_config\.json: patch_size is 16/,
    ],
    ['flag', 'preprocessor_config.json', (j) => (j['do_normalize'] = false), /do_normalize: only true/],
    ['mean', 'preprocessor_config.json', (j) => (j['image_mean'] = [0.5]), /image_mean/],
    [
      'token',
      'config.json',
      (j) => (j['video_token_id'] = 5),
      /<\|video_pad\|> is 493, but video_token_id .* is 5/,
    ],
    [
      'vocabulary',
      'config.json',
      (j) => (j['vocab_size'] = 494),
      /has ids up to 495, but vocab_size .* is 494/,
    ],
  ];
  it.each(cases)('%s', (name, file, change, message) => {
    const dir = copy(name, file, change);
    expect(() => loadProcessor(dir)).toThrow(CheckpointError);
    expect(() => loadProcessor(dir)).toThrow(message);
  });

  it('no processor file', () => {
    const dir = copy('none', 'config.json', () => {});
    rmSync(join(dir, 'preprocessor_config.json'));
    expect(() => loadProcessor(dir)).toThrow(/preprocessor_config\.json: cannot be read/);
  });
});
