/** From an item to a prompt the model can read: video decoding, the prompt protocol, the processor. Used alike by training and evaluation. */
import { promptMessages, promptText, type Question, type QuestionType } from '../data/index.ts';
import type { PreparedPrompt, Processor } from '../models/index.ts';
import { dispose } from '../tensor/index.ts';
import { type VideoKeys, videoSettings } from '../video/index.ts';
import { loadImage, loadVideo } from './load-video.ts';
import type { VideoLoader } from './remember-videos.ts';

/** A prompt ready for the model. Its pixels live until `dispose`. */
export interface ReadyPrompt {
  readonly question: Question;
  /** The user's turn as it is shown to the model. */
  readonly text: string;
  readonly inputs: PreparedPrompt;
  dispose(): void;
}

export interface PromptLoaderOptions extends VideoKeys {
  readonly prompt_template: string;
  readonly question_type: QuestionType;
  readonly max_prompt_length: number;
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
    const text = promptText(data, { template, question_type });
    return {
      question,
      text,
      inputs,
      dispose: () => dispose([inputs.pixel_values, inputs.pixel_values_videos]),
    };
  };
}
