/** @file Videos and images, changed in their bytes and in the boxes of MP4, through probe, decoder and image reader. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../../src/base/index.ts';
import { decodeFrames, readImage } from '../../../src/video/index.ts';
import { mutateBytes } from '../mutate.ts';
import type { FuzzTarget } from '../target.ts';

const GOLDENS = ['media', 'video'].map((name) => join(import.meta.dirname, '../../goldens', name));
const MAX_SEED = 12_000;
const BOXES = [
  'moov',
  'trak',
  'mdia',
  'minf',
  'stbl',
  'stts',
  'stsz',
  'stco',
  'ctts',
  'elst',
  'dref',
  'url ',
  'tkhd',
  'mvhd',
];
const SIZES = [0, 1, 7, 8, 2 ** 31, 2 ** 32 - 1];
/** Frames of a damaged file are asked for as well as those of a sound one. */
const LIMITS = { timeoutS: 10, maxFrames: 100_000, maxBytes: 2 ** 28 };

function target(ending: 'mp4' | 'webm' | 'jpg', wanted: number): FuzzTarget {
  return {
    name: ending === 'jpg' ? 'jpeg' : ending,
    wanted,
    limitS: 10,
    isGuided: false,
    seeds: () =>
      GOLDENS.flatMap((folder) =>
        readdirSync(folder)
          .filter((name) => name.endsWith(`.${ending}`))
          .map((name) => readFileSync(join(folder, name)))
          .filter(({ length }) => length <= MAX_SEED),
      ),
    mutate: (random, input, others) =>
      ending === 'mp4' && random.below(2) === 0
        ? changedBox(random, input)
        : mutateBytes(random, input, others, ending === 'mp4' ? BOXES : []),
    run: async (input, folder) => {
      const file = join(folder, `media.${ending}`);
      writeFileSync(file, input);
      if (ending === 'jpg') {
        const { pixels, width, height } = await readImage(file, LIMITS);
        if (pixels.length !== width * height * 3) throw new Error('pixels and size differ');
        return true;
      }
      const damaged = (input[input.length - 1] ?? 0) % 2 === 0 ? 'allow' : 'error';
      const video = await decodeFrames(file, ({ totalFrames }) => ({ indices: [0, totalFrames - 1] }), {
        ...LIMITS,
        damaged,
      });
      const { frames, numFrames, width, height } = video;
      if (damaged === 'error' && frames.length !== numFrames * width * height * 3)
        throw new Error('frames and size differ');
      return true;
    },
  };
}

/** A box with another size or type, doubled, or with other numbers in its first fields. */
function changedBox(random: Random, input: Uint8Array): Uint8Array {
  const bytes = Buffer.from(input);
  const places = BOXES.flatMap((type) => {
    const at = bytes.indexOf(type, 0, 'latin1');
    return at < 4 ? [] : [at - 4];
  });
  if (places.length === 0) return bytes;
  const at = random.pick(places);
  switch (random.below(4)) {
    case 0:
      bytes.writeUInt32BE(random.pick(SIZES), at);
      return bytes;
    case 1:
      bytes.write(random.pick(BOXES), at + 4, 'latin1');
      return bytes;
    case 2: {
      const end = at + bytes.readUInt32BE(at);
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at, end), bytes.subarray(end)]).subarray(
        0,
        1 << 20,
      );
    }
    default: {
      const field = at + 8 + 4 * random.below(12);
      if (field + 4 <= bytes.length) bytes.writeUInt32BE(random.pick(SIZES), field);
      return bytes;
    }
  }
}

export const mp4 = target('mp4', 2000);
export const webm = target('webm', 1500);
export const jpeg = target('jpg', 1500);
