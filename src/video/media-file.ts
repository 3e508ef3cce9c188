/** Checks that come before FFmpeg is asked: is there a regular, non-empty file? And how FFmpeg is told to open it. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { VideoError } from '../base/index.ts';

/**
 * Demuxers we accept. Without the list FFmpeg would also open text as moving letters, and playlists that name other
 * files or addresses.
 */
const CONTAINERS = [
  ...[
    'mov',
    'matroska',
    'webm',
    'avi',
    'mpeg',
    'mpegts',
    'mpegvideo',
    'flv',
    'asf',
    'ogg',
    'gif',
    'apng',
    'm4v',
  ],
  ...['h264', 'hevc', 'ivf', 'rm', 'wtv', 'mxf', 'nut', 'dv', 'swf'],
];

/** Demuxers for one image on standard input. */
const IMAGES = 'png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,ppm_pipe,pgm_pipe,gif';

/** Pixels of a picture at most, those PIL calls a decompression bomb: decoders give up before they allocate them. */
const MAX_PIXELS = 178_956_970;

/** Address space of an FFmpeg that reads a file we did not make, in bytes. */
export const READ_MEMORY = 8 * 2 ** 30;

/** Input arguments that keep FFmpeg to this one local file. */
export function inputArguments(path: string): string[] {
  return [
    '-protocol_whitelist',
    'file',
    '-format_whitelist',
    CONTAINERS.join(','),
    '-max_pixels',
    String(MAX_PIXELS),
    '-i',
    `file:${resolve(path)}`,
  ];
}

/** Input arguments for an image's bytes on standard input: no name, so no pattern such as `%d` is read into it. */
export function imageInputArguments(bytes: Uint8Array): string[] {
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  // A TIFF has no end mark, so the demuxer must be told that all bytes are one picture. Of an animated PNG the still part is read.
  const demuxer = /^(?:II\*\0|MM\0\*)/.test(magic)
    ? ['-f', 'tiff_pipe', '-frame_size', String(bytes.length)]
    : magic === '\x89PNG'
      ? ['-f', 'png_pipe']
      : [];
  const limits = [
    '-protocol_whitelist',
    'pipe',
    '-format_whitelist',
    IMAGES,
    '-max_pixels',
    String(MAX_PIXELS),
  ];
  return [...limits, ...demuxer, '-i', 'pipe:0'];
}

/** @throws VideoError when the file is missing, is not a file, or is empty. */
export function checkMediaFile(path: string): void {
  let size: number;
  try {
    const facts = statSync(path);
    if (!facts.isFile()) {
      throw new VideoError(
        `${path}: expected a video or image file, but it is ${facts.isDirectory() ? 'a folder' : 'no regular file'}`,
        {
          hint: facts.isDirectory()
            ? 'a folder of frames is read with readFrameFolder'
            : 'give the path of a file',
        },
      );
    }
    size = facts.size;
  } catch (cause) {
    if (cause instanceof VideoError) throw cause;
    throw new VideoError(`${path}: no such video or image file`, {
      hint: 'check the path and the video root of the data set',
      cause,
    });
  }
  if (size === 0) {
    throw new VideoError(`${path}: the file is empty`, { hint: 'copy or download it again' });
  }
}

/** What FFmpeg said of a picture that is too large, as an error; undefined where it said no such thing. */
export function tooManyPixels(path: string, messages: string): VideoError | undefined {
  if (!/exceeds specified max pixel count|Picture size \d+x\d+ is invalid/.test(messages)) return undefined;
  return new VideoError(`${path}: its picture has more than ${MAX_PIXELS} pixels`, {
    hint: 'scale it down first, if you trust it',
  });
}
