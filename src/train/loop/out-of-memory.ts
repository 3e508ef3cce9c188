/** A device whose memory ran out in training, as an error that names what it was for and the key to change. */
import { TwgrpoError } from '../../base/index.ts';
import { type Device, deviceMemory, isOutOfMemory } from '../../tensor/index.ts';

/** By phase of the trainer's clock: what takes the memory, and what a user can do. */
const ITEMS: Readonly<Record<string, readonly [item: string, next: string]>> = {
  weights: ['weights, gradients and optimizer', 'set lora_r, or offload_optimizer: true'],
  encode: ['the vision tower over a prompt', 'lower max_frames or max_pixels'],
  generate: [
    'keys and values of the completions',
    'lower num_generations or max_completion_length, or prompts_per_micro_batch times gradient_accumulation_steps',
  ],
  reference: ["the reference policy's pass", 'lower max_completion_length, or set beta: 0'],
  forward: [
    'layers over a prompt and its completions',
    'lower max_completion_length or num_generations, or set gradient_checkpointing: true',
  ],
  loss: ['chunks of logits', 'lower logits_chunk_mib'],
  backward: [
    'the way back through the layers',
    'lower max_completion_length or num_generations, or set lora_r',
  ],
  gradient: [
    'layers over a pack, and back',
    'lower pack_size or max_pixels, or set gradient_checkpointing: true',
  ],
  optimizer: ["the optimizer's float32 copies", 'set offload_optimizer: true, or lora_r'],
};

/** The error to show for one that ended a phase: itself, unless memory ran out. */
export function explainMemory(error: unknown, phase: string | undefined, device: Device): unknown {
  if (!isOutOfMemory(error)) return error;
  const [item, next] = ITEMS[phase ?? ''] ?? [
    phase ?? 'the step',
    'lower max_completion_length or num_generations',
  ];
  const memory = deviceMemory(device);
  const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
  const held =
    memory === undefined
      ? ''
      : `; tensors hold ${gb(memory.allocated)}, at most ${gb(memory.peak)}${memory.total === undefined ? '' : ` of ${gb(memory.total)}`}`;
  return new TwgrpoError(`memory of ${device} ran out for ${item}${held}`, {
    hint: `${next}; twgrpo plan shows what fits before a run`,
    cause: error,
  });
}
