/** What `generate`, `logprobs` and `eval` share: the options that name a model folder, and the way from them to a loaded model. */
import { type Command, Option } from 'commander';
import type { Output } from '../base/index.ts';
import {
  loadLora,
  type ModelFolder,
  type TextAfterVision,
  type VideoLanguageModel,
} from '../models/index.ts';
import { resolveDevice, setNumThreads } from '../tensor/index.ts';
import type { VideoPreset } from '../video/index.ts';
import { readableCount, wholeNumber } from './numbers.ts';

export interface ModelChoice {
  readonly model: string;
  readonly adapter?: string;
  readonly dtype: 'auto' | 'float32' | 'bfloat16' | 'float16';
  readonly computeDtype?: 'float32' | 'bfloat16' | 'float16';
  readonly device: string;
  readonly numThreads?: number;
  readonly textAfterVision?: TextAfterVision;
}

/** Adds the options of `ModelChoice`. @param model whether the command can do without one */
export function loadingOptions(command: Command, model: 'required' | 'optional' = 'required'): Command {
  const dtypes = ['float32', 'bfloat16', 'float16'];
  const name = new Option(
    '--model <name>',
    'folder of a Qwen2-VL, Qwen2.5-VL or Qwen3-VL model, or its name on the hub: owner/name, owner/name@revision',
  );
  return command
    .addOption(name.makeOptionMandatory(model === 'required'))
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
        'where positions of text go on after a video: largest, as the weights were trained (default), or spatial, as transformers 5.3 and newer',
      ).choices(['spatial', 'largest']),
    );
}

/**
 * Load a folder's model and the adapter; free them when `body` is done.
 * @throws CheckpointError, ConfigError (device), and what `body` throws
 */
export async function withModel(
  folder: ModelFolder,
  choice: ModelChoice & { readonly videoPreset: VideoPreset },
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
    text_after_vision: choice.textAfterVision,
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

/** `1.2 s` since `begin`, a `performance.now()`. */
export function seconds(begin: number): string {
  return `${((performance.now() - begin) / 1000).toFixed(1)} s`;
}
