/** `twgrpo inspect video`: exactly the frames that the model sees of a video, as numbers and as a contact sheet. */
import { basename, extname } from 'node:path';
import type { Command } from 'commander';
import { tableLines, writeFileAtomic } from '../base/index.ts';
import { clipOfFile, clipSheet, describeClip } from '../dashboard/index.ts';
import { FRAME_FACTOR, videoFrameSize, videoSettings } from '../video/index.ts';
import type { CommandDefinition } from './command.ts';
import { finiteNumber, wholeNumber } from './numbers.ts';
import { type FrameChoice, frameOptions, videoKeys } from './video-options.ts';

interface Options extends FrameChoice {
  readonly start?: number;
  readonly end?: number;
  readonly pixelUnit: number;
  readonly output?: string;
}

export const inspectVideo: CommandDefinition = {
  examples: [
    'twgrpo inspect video clip.mp4',
    'twgrpo inspect video clip.mp4 --video-preset authors --start 2 --end 6 --output sheet.png',
    'twgrpo inspect video clip.mp4 --json',
  ],
  configure: (command: Command) =>
    void frameOptions(command.argument('<file>', 'a video file'), 'correct')
      .option('--start <seconds>', 'first moment of the part that is asked about', finiteNumber)
      .option('--end <seconds>', 'last moment of it', finiteNumber)
      .option(
        '--pixel-unit <n>',
        'side of a merged patch of the model, which frame sizes are multiples of',
        wholeNumber(1),
        28,
      )
      .option('--output <file>', 'the contact sheet (PNG); default: <name>-frames.png'),
  run: async ({ args: [file = ''], options, out }) => {
    const { start, end, pixelUnit, ...given } = options<Options>();
    const settings = videoSettings(videoKeys(given, 'correct'), pixelUnit);
    const source = clipOfFile(file, settings, { startS: start, endS: end });
    const clip = await describeClip(source);
    const output = given.output ?? `${basename(file, extname(file))}-frames.png`;
    writeFileAtomic(output, await clipSheet(source));
    const size = videoFrameSize(settings, clip, clip.frames.length);
    const tokens =
      Math.ceil(clip.frames.length / FRAME_FACTOR) * (size.height / pixelUnit) * (size.width / pixelUnit);
    out.print(
      `${file}: ${clip.width}x${clip.height}, ${clip.num_frames} frames, ${Number(clip.fps.toFixed(3))} a second, ${clip.seconds.toFixed(2)} s`,
    );
    out.print(
      `the model sees ${clip.frames.length} frames of ${size.width}x${size.height}, ${tokens} tokens of vision`,
    );
    for (const note of clip.notes) out.warn(`${file}: ${note}`);
    const rows = clip.frames.map(({ index, seconds }, i) => [i, index, seconds.toFixed(3)]);
    for (const line of tableLines(['', 'frame', 'seconds'], rows)) out.print(`  ${line}`);
    out.print(`contact sheet  ${output}`);
    out.json({ file, ...clip, model_frame: size, vision_tokens: tokens, sheet: output });
    return undefined;
  },
};
