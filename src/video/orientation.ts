/**
 * How an image is to be turned before it is looked at: the EXIF tag Orientation of JPEG, PNG, WebP and TIFF files, and pixels turned by it as
 * `PIL.ImageOps.exif_transpose` does, which transformers calls when it loads an image.
 */
import type { RgbImage } from './image.ts';

const ORIENTATION = 0x0112;

/** The orientation a file states, 1 to 8; 1 (upright) where it states none. */
export function exifOrientation(file: Buffer): number {
  const at = tiffStart(file);
  return at === undefined ? 1 : orientationOf(file.subarray(at));
}

/** Offset of the EXIF data, which is a small TIFF file of its own. */
function tiffStart(file: Buffer): number | undefined {
  const text = (from: number, length: number): string => file.toString('latin1', from, from + length);
  if (text(0, 4) === 'II*\0' || text(0, 4) === 'MM\0*') return 0;
  if (text(0, 2) === '\xff\xd8') {
    // Segments of a marker and a length, up to the picture itself.
    for (let at = 2; at + 4 <= file.length && file[at] === 0xff && file[at + 1] !== 0xda; ) {
      if (file[at + 1] === 0xe1 && text(at + 4, 6) === 'Exif\0\0') return at + 10;
      at += 2 + file.readUInt16BE(at + 2);
    }
  } else if (text(1, 3) === 'PNG') {
    for (let at = 8; at + 8 <= file.length; at += 12 + file.readUInt32BE(at)) {
      if (text(at + 4, 4) === 'eXIf') return at + 8;
    }
  } else if (text(8, 4) === 'WEBP') {
    for (const chunk of webpChunks(file, 12)) {
      if (chunk.name === 'EXIF') return chunk.begin + (text(chunk.begin, 6) === 'Exif\0\0' ? 6 : 0);
    }
  }
  return undefined;
}

function orientationOf(tiff: Buffer): number {
  const isLittle = tiff[0] === 0x49;
  const short = (at: number): number => (isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  if (tiff.length < 8) return 1;
  const directory = isLittle ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  if (directory + 2 > tiff.length) return 1;
  const entries = short(directory);
  for (let at = directory + 2; at + 12 <= tiff.length && at < directory + 2 + 12 * entries; at += 12) {
    if (short(at) === ORIENTATION) {
      const value = short(at + 8);
      return value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}

export interface WebpChunk {
  readonly name: string;
  /** First byte of the content, and the one behind its last. */
  readonly begin: number;
  readonly end: number;
}

/** The chunks of a WebP file, or of one frame in it. */
export function* webpChunks(file: Buffer, from: number, to = file.length): Generator<WebpChunk> {
  for (let at = from; at + 8 <= to; ) {
    const begin = at + 8;
    const end = Math.min(to, begin + file.readUInt32LE(at + 4));
    yield { name: file.toString('latin1', at, at + 4), begin, end };
    at = end + ((end - begin) % 2);
  }
}

/** The image turned or mirrored so that it stands upright. */
export function upright(image: RgbImage, orientation: number): RgbImage {
  if (orientation === 1) return image;
  const { pixels, width, height } = image;
  const [isMirroredX, isMirroredY, isTransposed] = [
    [2, 3, 7, 8].includes(orientation),
    [3, 4, 6, 7].includes(orientation),
    orientation >= 5,
  ];
  const [outWidth, outHeight] = isTransposed ? [height, width] : [width, height];
  const turned = new Uint8Array(pixels.length);
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      const [alongX, alongY] = isTransposed ? [y, x] : [x, y];
      const fromX = isMirroredX ? width - 1 - alongX : alongX;
      const fromY = isMirroredY ? height - 1 - alongY : alongY;
      const from = (fromY * width + fromX) * 3;
      turned.set(pixels.subarray(from, from + 3), (y * outWidth + x) * 3);
    }
  }
  return { pixels: turned, width: outWidth, height: outHeight };
}
