/**
 * What `generate` and `logprobs` share: one prompt of videos, images and text. The options that say how videos are seen, and the way
 * from them to a model that has read the prompt.
 */
import { type Command, Option } from 'commander';
import { ConfigError, type Output } from '../base/index.ts';
import type {
  EncodedPrompt,
  ModelFolder,
  PreparedPrompt,
  Processor,
  PromptRequest,
  VideoLanguageModel,
} from '../models/index.ts';
import { imageLimits, loadImage, loadVideo, type ResizeKernel } from '../prompt/index.ts';
import { dispose } from '../tensor/index.ts';
import { followsFolder, type VideoPreset, type VideoSettings, videoSettings } from '../video/index.ts';
import { loadingOptions, type ModelChoice, seconds, withModel } from './model-options.ts';
import { finiteNumber, wholeNumber } from './numbers.ts';
import { type FrameChoice, frameOptions, videoKeys } from './video-options.ts';

interface VideoChoice extends FrameChoice {
  readonly videoPreset: VideoPreset;
  readonly nframes?: number;
  readonly minFrames?: number;
  readonly imageMinPixels?: number;
  readonly imageMaxPixels?: number;
  readonly secondPerGrid?: number;
  readonly resizeKernel?: ResizeKernel;
  readonly maxPromptLength?: number;
}

export interface PromptChoice extends ModelChoice, VideoChoice {
  readonly prompt: string;
}

/** Adds the options that choose a model and how its videos are seen. */
export function promptOptions(command: Command): Command {
  const count = wholeNumber(1);
  return frameOptions(loadingOptions(command), 'correct')
    .option('--nframes <n>', 'this many frames instead of --fps', wholeNumber(2))
    .option('--min-frames <n>', 'least frames of a video', count)
    .option(
      '--second-per-grid <s>',
      'seconds of a temporal slice (two frames), for every video',
      finiteNumber,
    )
    .addOption(
      new Option(
        '--resize-kernel <kernel>',
        'float32: as qwen_vl_utils; uint8: as fast processors (default: as the preset)',
      ).choices(['float32', 'uint8']),
    )
    .option('--max-prompt-length <n>', 'longest prompt, in tokens (default: what the model allows)', count);
}

/** The part of the help that says what the presets are. */
export const PRESETS_HELP = `
Video presets (each number can be changed by its own option):
  correct         2 frames a second, 4 to 16 of them, evenly spaced over all decoded frames; frames of 128 to 196
                  merged patches (28*28 pixels each, 32*32 in Qwen3-VL); a slice lasts as long as its two frames do
  authors         the same frames; every slice lasts 2/fps seconds, so 1.0 however long the video is: what
                  the authors' training saw
  authors_eval    as authors, but always 16 frames, those of short videos repeated: their evaluation
  transformers    what transformers 5.18 does with a Qwen3-VL folder: the frames and the area of all frames together
                  that its video_preprocessor_config.json says
  transformers_capped
                  the same with cap_pixels_per_frame: no frame above 768 merged patches`;

/** A prompt that a model has read. */
export interface ReadPrompt {
  readonly model: VideoLanguageModel;
  /** Without pixels, which are freed. */
  readonly inputs: PreparedPrompt;
  readonly prompt: EncodedPrompt;
  /** When the model began to read, a `performance.now()`. */
  readonly begin: number;
}

/**
 * Load a folder's model and let it read a prompt; free both when `body` is done.
 * @param note what the status line says after the length of the prompt
 * @throws CheckpointError, ConfigError, VideoError, DataError, and what `body` throws
 */
export async function withPrompt(
  folder: ModelFolder,
  choice: PromptChoice,
  request: PromptRequest<string, string>,
  note: string,
  out: Output,
  body: (read: ReadPrompt) => Promise<void>,
): Promise<void> {
  await withModel(folder, choice, out, async (model) => {
    const inputs = await preparePrompt(folder.processor, request, choice, out);
    out.status(`prompt of ${inputs.input_ids.length} tokens${note}`);
    const begin = performance.now();
    const prompt = model.encode(inputs);
    dispose([inputs.pixel_values, inputs.pixel_values_videos]);
    try {
      await body({ model, inputs, prompt, begin });
    } finally {
      prompt.dispose();
    }
  });
}

/**
 * Decode videos and images and make the prompt's inputs; its pixel tensors live until disposed.
 * @throws VideoError, DataError
 */
async function preparePrompt(
  processor: Processor,
  request: PromptRequest<string, string>,
  choice: VideoChoice,
  out: Output,
): Promise<PreparedPrompt> {
  const { pixel_unit } = processor.config;
  const settings = settingsOf(choice, processor);
  const limits = settings.image ?? imageLimits(pixel_unit);
  const image = {
    ...limits,
    pixel_unit,
    min_pixels: choice.imageMinPixels ?? limits.min_pixels,
    max_pixels: choice.imageMaxPixels ?? limits.max_pixels,
  };
  const kernel = choice.resizeKernel ?? settings.resize_kernel;
  return await processor.prepare(
    request,
    {
      loadVideo: async (file) => {
        const begin = performance.now();
        out.status(`reading ${file}`);
        const video = await loadVideo(file, settings, { kernel });
        for (const warning of video.warnings) out.warn(`${file}: ${warning}`);
        const secondPerGridS = choice.secondPerGrid ?? video.secondPerGridS;
        out.status(
          `  ${video.numFrames} of ${video.totalFrames} frames, ${video.sourceWidth}x${video.sourceHeight} to ${video.width}x${video.height}, a slice is ${Number(secondPerGridS.toFixed(4))} s (${seconds(begin)})`,
        );
        return { ...video, secondPerGridS };
      },
      loadImage: (file) => loadImage(file, image, { kernel }),
    },
    {
      max_prompt_length: choice.maxPromptLength,
      video_markers: followsFolder(choice.videoPreset) ? 'wrapped' : 'slices',
    },
  );
}

/** The preset with the options that were given on top. */
function settingsOf(choice: VideoChoice, { config, limits }: Processor): VideoSettings {
  const { secondPerGrid, nframes } = choice;
  if (secondPerGrid !== undefined && secondPerGrid < 0) {
    throw new ConfigError(`--second-per-grid: expected at least 0, got ${secondPerGrid}`);
  }
  const settings = videoSettings(videoKeys(choice, choice.videoPreset), config.pixel_unit, limits);
  if (settings.min_pixels > settings.max_pixels) {
    throw new ConfigError(
      `--min-pixels ${settings.min_pixels} is above --max-pixels ${settings.max_pixels}; set both`,
    );
  }
  const { minFrames: min_frames = settings.min_frames } = choice;
  if (min_frames > settings.max_frames) {
    throw new ConfigError(
      `--min-frames ${min_frames} is above --max-frames ${settings.max_frames}; set both`,
    );
  }
  return { ...settings, min_frames, nframes };
}
