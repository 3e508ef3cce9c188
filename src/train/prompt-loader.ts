/** From an item to a prompt the model can read: video decoding, the prompt protocol, the processor. */
import {
  type DataItem,
  type MediaRoot,
  mediaPath,
  problemText,
  promptMessages,
  type QuestionType,
  solutionText,
} from '../data/index.ts';
import type { Processor } from '../models/index.ts';
import { dispose } from '../tensor/index.ts';
import { loadImage, loadVideo, type VideoSettings, videoPreset } from '../video/index.ts';
import type { GrpoConfig } from './config.ts';
import type { ReadyPrompt, TrainingItem } from './experience.ts';

type VideoKeys = Pick<
  GrpoConfig,
  'video' | 'fps' | 'max_frames' | 'min_pixels' | 'max_pixels' | 'total_pixels'
>;

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

export interface PromptLoaderOptions extends VideoKeys, MediaRoot {
  readonly prompt_template: string;
  readonly question_type: QuestionType;
  readonly max_prompt_length: number;
}

/** A training item with the data it was made of. */
export interface LoadableItem extends TrainingItem {
  readonly data: DataItem;
}

/** @throws DataError when the path leads out of `video_root` */
export function toTrainingItem(item: DataItem, root: MediaRoot): LoadableItem {
  return {
    id: item.id,
    problem: problemText(item),
    solution: solutionText(item.answer),
    options: item.options,
    video: mediaPath(item, root),
    data: item,
  };
}

/** A function that decodes and prepares one item. @throws VideoError, DataError (prompt too long) */
export function promptLoader(processor: Processor, options: PromptLoaderOptions) {
  const settings = videoSettings(options);
  const { prompt_template: template, question_type, max_prompt_length } = options;
  return async (item: LoadableItem): Promise<ReadyPrompt> => {
    const { data } = item;
    const path = mediaPath(data, options);
    const messages = promptMessages(data, { template, question_type });
    const clip = {
      startS: data.start,
      endS: data.end,
      ...(data.fps === undefined ? {} : { folderFps: data.fps }),
    };
    const inputs = await processor.prepare(
      { messages, ...(data.media === 'image' ? { images: [path] } : { videos: [path] }) },
      { loadVideo: (file) => loadVideo(file, settings, clip), loadImage: (file) => loadImage(file) },
      { max_prompt_length },
    );
    return { item, inputs, dispose: () => dispose([inputs.pixel_values, inputs.pixel_values_videos]) };
  };
}
