/** From an item to a prompt the model can read: video decoding, the prompt protocol, the processor. Used alike by training and evaluation. */
import {
  type DataItem,
  type MediaRoot,
  mediaPath,
  problemText,
  promptMessages,
  type QuestionType,
  solutionText,
} from '../data/index.ts';
import type { PreparedPrompt, Processor } from '../models/index.ts';
import { dispose } from '../tensor/index.ts';
import {
  loadImage,
  loadVideo,
  type VideoLoader,
  type VideoPreset,
  type VideoSettings,
  videoPreset,
} from '../video/index.ts';

/** Where frames come from and how large they are: a preset, and keys that override it one by one. */
export interface VideoKeys {
  readonly video: VideoPreset;
  readonly fps?: number | undefined;
  readonly max_frames?: number | undefined;
  readonly min_pixels?: number | undefined;
  readonly max_pixels?: number | undefined;
  readonly total_pixels?: number | undefined;
}

/** A question with what rewards and scores need to know of it. */
export interface Question {
  readonly id: string;
  /** Question with its options, as shown. */
  readonly problem: string;
  /** `<answer>A,C</answer>` */
  readonly solution: string;
  readonly options: readonly string[];
  /** Path of the video on this machine. */
  readonly video: string;
  readonly item: DataItem;
}

/** A prompt ready for the model. Its pixels live until `dispose`. */
export interface ReadyPrompt {
  readonly question: Question;
  readonly inputs: PreparedPrompt;
  dispose(): void;
}

/** The preset with the keys that were set on their own. */
export function videoSettings(config: VideoKeys): VideoSettings {
  const { fps, max_frames, min_pixels, max_pixels, total_pixels } = config;
  const own = Object.entries({ fps, max_frames, min_pixels, max_pixels, total_pixels }).filter(
    ([, value]) => value !== undefined,
  );
  const settings = { ...videoPreset(config.video), ...(Object.fromEntries(own) as Partial<VideoSettings>) };
  // An explicit maximum means it: the preset's minimum must not undo it.
  const least_pixels = min_pixels ?? Math.min(settings.min_pixels, settings.max_pixels);
  return {
    ...settings,
    min_pixels: least_pixels,
    min_frames: Math.min(settings.min_frames, settings.max_frames),
  };
}

export interface PromptLoaderOptions extends VideoKeys {
  readonly prompt_template: string;
  readonly question_type: QuestionType;
  readonly max_prompt_length: number;
}

/** @throws DataError when the path leads out of `video_root` */
export function toQuestion(item: DataItem, root: MediaRoot): Question {
  return {
    id: item.id,
    problem: problemText(item),
    solution: solutionText(item.answer),
    options: item.options,
    video: mediaPath(item, root),
    item,
  };
}

/**
 * A function that decodes and prepares one item. @throws VideoError, DataError (prompt too long)
 * @param readVideo how a file becomes frames; `rememberVideos` decodes each but once
 */
export function promptLoader(
  processor: Processor,
  options: PromptLoaderOptions,
  readVideo: VideoLoader = loadVideo,
) {
  const settings = videoSettings(options);
  const { prompt_template: template, question_type, max_prompt_length } = options;
  return async (question: Question): Promise<ReadyPrompt> => {
    const { item: data, video: path } = question;
    const messages = promptMessages(data, { template, question_type });
    const clip = {
      startS: data.start,
      endS: data.end,
      ...(data.fps === undefined ? {} : { folderFps: data.fps }),
    };
    const inputs = await processor.prepare(
      { messages, ...(data.media === 'image' ? { images: [path] } : { videos: [path] }) },
      { loadVideo: (file) => readVideo(file, settings, clip), loadImage: (file) => loadImage(file) },
      { max_prompt_length },
    );
    return { question, inputs, dispose: () => dispose([inputs.pixel_values, inputs.pixel_values_videos]) };
  };
}
