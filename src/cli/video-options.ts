/** The options that say where videos lie and how they are seen, for commands that work through a set of questions. */
import { type Command, Option } from 'commander';
import { VIDEO_PRESETS, type VideoKeys, type VideoPreset } from '../video/index.ts';
import { positiveNumber, wholeNumber } from './numbers.ts';

export interface FrameChoice {
  readonly videoPreset?: VideoPreset;
  readonly fps?: number;
  readonly maxFrames?: number;
  readonly minPixels?: number;
  readonly maxPixels?: number;
  readonly totalPixels?: number;
}

export interface RootChoice {
  readonly videoRoot?: string;
  readonly videoPrefix?: string;
}

/** Adds the options of `FrameChoice`. @param preset where none is named; without it the command itself decides */
export function frameOptions(command: Command, preset?: VideoPreset): Command {
  const count = wholeNumber(1);
  const named = new Option('--video-preset <name>', 'frame sampling, frame size and time by name');
  return command
    .addOption((preset === undefined ? named : named.default(preset)).choices(VIDEO_PRESETS))
    .option('--fps <n>', 'frames sampled a second', positiveNumber)
    .option('--max-frames <n>', 'most frames of a video', count)
    .option('--min-pixels <n>', 'least pixels of a frame; smaller frames are enlarged', count)
    .option('--max-pixels <n>', 'most pixels of a frame', count)
    .option('--total-pixels <n>', 'most pixels of all frames together, two frames counted once', count);
}

/** Adds the options of `RootChoice`. */
export function rootOptions(command: Command): Command {
  return command
    .option('--video-root <folder>', 'folder that the paths of the videos start from')
    .option(
      '--video-prefix <path>',
      'beginning of the paths in the data file that the video root stands for, for example /MMVU',
    );
}

/** Adds `--video-root` as it is meant where clips are only looked at: for those that were moved since they were written down. */
export function movedClipsOption(command: Command): Command {
  return command.option('--video-root <folder>', 'folder that clips lie in now, where they were moved since');
}

/** The choice as the keys of a configuration. */
export function videoKeys(choice: FrameChoice, preset: VideoPreset): VideoKeys {
  return {
    video: choice.videoPreset ?? preset,
    fps: choice.fps,
    max_frames: choice.maxFrames,
    min_pixels: choice.minPixels,
    max_pixels: choice.maxPixels,
    total_pixels: choice.totalPixels,
  };
}
