/**
 * What `generate`, `logprobs` and `eval` share: the options that name a model folder and say how videos are seen, and the way from
 * them to a loaded model and a prompt.
 */
import { type Command, Option } from 'commander';
import { ConfigError, type Output } from '../base/index.ts';
import {
  loadLora,
  type ModelFolder,
  type PreparedPrompt,
  type Processor,
  type PromptRequest,
  type TextAfterVision,
  type VideoLanguageModel,
} from '../models/index.ts';
import { imageLimits, loadImage, loadVideo, type ResizeKernel } from '../prompt/index.ts';
import { resolveDevice, setNumThreads } from '../tensor/index.ts';
import { textAfterVision, type VideoPreset, type VideoSettings, videoSettings } from '../video/index.ts';
import { finiteNumber, wholeNumber } from './numbers.ts';
import { type FrameChoice, frameOptions, videoKeys } from './video-options.ts';

export interface ModelChoice {
  readonly model: string;
  readonly adapter?: string;
  readonly dtype: 'auto' | 'float32' | 'bfloat16' | 'float16';
  readonly computeDtype?: 'float32' | 'bfloat16' | 'float16';
  readonly device: string;
  readonly numThreads?: number;
  readonly textAfterVision?: TextAfterVision;
}

export interface VideoChoice extends FrameChoice {
  readonly videoPreset: VideoPreset;
  readonly nframes?: number;
  readonly minFrames?: number;
  readonly imageMinPixels?: number;
  readonly imageMaxPixels?: number;
  readonly secondPerGrid?: number;
  readonly resizeKernel: ResizeKernel;
  readonly maxPromptLength?: number;
}

/** Adds the options of `ModelChoice`. */
export function loadingOptions(command: Command): Command {
  const dtypes = ['float32', 'bfloat16', 'float16'];
  return command
    .requiredOption(
      '--model <name>',
      'folder of a Qwen2-VL or Qwen2.5-VL model, or its name on the hub: owner/name, owner/name@revision',
    )
    .option(
      '--adapter <name>',
      'LoRA adapter in PEFT format to put on the model: a folder, or a name on the hub',
    )
    .addOption(
      new Option('--dtype <dtype>', 'how weights are held; auto: as in the files')
        .choices(['auto', ...dtypes])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--compute-dtype <dtype>',
        'dtype of activations (default: float32 on the CPU, that of the weights on a GPU)',
      ).choices(dtypes),
    )
    .option('--device <device>', 'auto (the first GPU, else the processor), cpu, cuda or cuda:N', 'auto')
    .option('--num-threads <n>', 'threads of one operator (default: all cores)', wholeNumber(1))
    .addOption(
      new Option(
        '--text-after-vision <rule>',
        'where positions go on after a video: spatial (transformers 5) or largest (transformers 4); default: by the preset',
      ).choices(['spatial', 'largest']),
    );
}

/** Adds the options of `ModelChoice` and `VideoChoice`. */
export function modelOptions(command: Command): Command {
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
      new Option('--resize-kernel <kernel>', 'float32: as qwen_vl_utils; uint8: as fast processors')
        .choices(['float32', 'uint8'])
        .default('float32'),
    )
    .option('--max-prompt-length <n>', 'longest prompt, in tokens (default: what the model allows)', count);
}

/** The part of the help that says what the presets are. */
export const PRESETS_HELP = `
Video presets (each number can be changed by its own option):
  correct         2 frames a second, 4 to 16 of them, evenly spaced over all decoded frames; frames of 128*28*28 to
                  196*28*28 pixels, sides multiples of 28; a slice lasts as long as its two frames do; text positions
                  go on after the space a video takes (transformers 5)
  authors         the same frames; every slice lasts 2/fps seconds, so 1.0 however long the video is; text positions
                  go on after the largest position (transformers 4): what the authors' training saw
  authors_eval    as authors, but always 16 frames, those of short videos repeated: their evaluation`;

/**
 * Load a folder's model and the adapter; free them when `body` is done.
 * @throws CheckpointError, ConfigError (device), and what `body` throws
 */
export async function withModel(
  folder: ModelFolder,
  choice: ModelChoice & Pick<VideoChoice, 'videoPreset'>,
  out: Output,
  body: (model: VideoLanguageModel) => Promise<void>,
): Promise<void> {
  const { dtype } = choice;
  const device = resolveDevice(choice.device, '--device');
  if (choice.numThreads !== undefined) setNumThreads(choice.numThreads);
  const begin = performance.now();
  out.status(`loading ${folder.path}`);
  const model = folder.loadModel({
    device,
    dtype: dtype === 'auto' ? undefined : dtype,
    compute_dtype: choice.computeDtype,
    text_after_vision: choice.textAfterVision ?? textAfterVision(choice.videoPreset),
  });
  try {
    if (choice.adapter !== undefined) {
      model.adapter = loadLora(choice.adapter, model, { notice: (text) => out.warn(text) });
    }
    out.status(`  ${describeModel(model)} (${seconds(begin)})`);
    await body(model);
  } finally {
    model.dispose();
  }
}

function describeModel(model: VideoLanguageModel): string {
  let numWeights = 0;
  const dtypes = new Set<string>();
  for (const weight of model.weights.values()) {
    numWeights += weight.numel();
    dtypes.add(weight.dtype);
  }
  const { adapter } = model;
  return [
    model.config.model_type,
    `${readableCount(numWeights)} weights in ${[...dtypes].join(' and ')}`,
    ...(adapter === undefined ? [] : [`an adapter of rank ${adapter.config.r}`]),
    `computed in ${model.compute_dtype} on ${model.device}`,
  ].join(', ');
}

/**
 * Decode videos and images and make the prompt's inputs; its pixel tensors live until disposed.
 * @throws VideoError, DataError
 */
export async function preparePrompt(
  processor: Processor,
  request: PromptRequest<string, string>,
  choice: VideoChoice,
  out: Output,
): Promise<PreparedPrompt> {
  const { pixel_unit } = processor.config;
  const settings = settingsOf(choice, pixel_unit);
  const limits = imageLimits(pixel_unit);
  const image = {
    pixel_unit,
    min_pixels: choice.imageMinPixels ?? limits.min_pixels,
    max_pixels: choice.imageMaxPixels ?? limits.max_pixels,
  };
  const kernel = choice.resizeKernel;
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
    { max_prompt_length: choice.maxPromptLength },
  );
}

/** The preset with the options that were given on top. */
function settingsOf(choice: VideoChoice, pixel_unit: number): VideoSettings {
  const { secondPerGrid, nframes } = choice;
  if (secondPerGrid !== undefined && secondPerGrid < 0) {
    throw new ConfigError(`--second-per-grid: expected at least 0, got ${secondPerGrid}`);
  }
  const settings = videoSettings(videoKeys(choice, choice.videoPreset), pixel_unit);
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

/** `1.2 s` since `begin`, a `performance.now()`. */
export function seconds(begin: number): string {
  return `${((performance.now() - begin) / 1000).toFixed(1)} s`;
}

function readableCount(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)} billion`;
  return count >= 1e6 ? `${(count / 1e6).toFixed(1)} million` : String(count);
}
