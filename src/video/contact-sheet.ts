/** Frames of a video as one PNG grid, for reports and for a quick look. Shrinking averages whole areas; no parity is meant. */
import { encode } from 'fast-png';
import { VideoError } from '../base/index.ts';
import type { RgbFrames } from './image.ts';

export interface ContactSheetOptions {
  /** Frames side by side. @default the smallest that makes the sheet about square */
  readonly columns?: number;
  /** Largest width of one frame on the sheet, in pixels. @default 160 */
  readonly maxFrameWidth?: number;
  /** Pixels between frames. @default 2 */
  readonly gap?: number;
}

const BACKGROUND = 24;

/** PNG bytes of the grid, row by row in time order. */
export function contactSheet(video: RgbFrames, options: ContactSheetOptions = {}): Uint8Array {
  const { numFrames } = video;
  if (numFrames === 0) throw new VideoError('expected at least one frame for a contact sheet, got none');
  const gap = options.gap ?? 2;
  const columns = Math.min(numFrames, options.columns ?? Math.ceil(Math.sqrt(numFrames)));
  const rows = Math.ceil(numFrames / columns);
  const width = Math.min(video.width, options.maxFrameWidth ?? 160);
  const height = Math.max(1, Math.round((video.height * width) / video.width));
  const sheetWidth = columns * (width + gap) + gap;
  const sheetHeight = rows * (height + gap) + gap;
  const sheet = new Uint8Array(sheetWidth * sheetHeight * 3).fill(BACKGROUND);
  for (let at = 0; at < numFrames; at++) {
    const small = shrink(video, at, height, width);
    const left = gap + (at % columns) * (width + gap);
    const top = gap + Math.floor(at / columns) * (height + gap);
    for (let y = 0; y < height; y++) {
      sheet.set(small.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * sheetWidth + left) * 3);
    }
  }
  return encode({ width: sheetWidth, height: sheetHeight, data: sheet, channels: 3, depth: 8 });
}

/** Mean over the source pixels that fall on each target pixel. */
function shrink(video: RgbFrames, at: number, height: number, width: number): Uint8Array {
  const base = at * video.height * video.width * 3;
  const out = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const y0 = Math.floor((y * video.height) / height);
    const y1 = Math.max(y0 + 1, Math.floor(((y + 1) * video.height) / height));
    for (let x = 0; x < width; x++) {
      const x0 = Math.floor((x * video.width) / width);
      const x1 = Math.max(x0 + 1, Math.floor(((x + 1) * video.width) / width));
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let sy = y0; sy < y1; sy++) {
          for (let sx = x0; sx < x1; sx++) sum += video.frames[base + (sy * video.width + sx) * 3 + channel]!;
        }
        out[(y * width + x) * 3 + channel] = Math.round(sum / ((y1 - y0) * (x1 - x0)));
      }
    }
  }
  return out;
}
