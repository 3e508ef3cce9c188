/** What a run's configuration means for memory: the keys that matter, the longest prompt its settings allow, the change that makes it fit. */
import { adapterSize, excludedModules, type ModelConfig, sliceWords, weightShapes } from '../models/index.ts';
import type { GrpoConfig } from '../train/index.ts';
import { clipArea, type VideoKeys, videoSettings } from '../video/index.ts';
import { type MemoryPlan, type PlanKeys, type PromptSize, planMemory } from './memory.ts';

/** The keys of a configuration that a plan reads. */
export type PlannedConfig = Pick<
  GrpoConfig,
  | 'dtype'
  | 'freeze_vision'
  | 'freeze_merger'
  | 'lora_r'
  | 'lora_target_modules'
  | 'offload_optimizer'
  | 'save_only_model'
  | 'zero_stage'
  | 'beta'
  | 'num_generations'
  | 'max_completion_length'
  | 'max_prompt_length'
  | 'prompts_per_micro_batch'
  | 'gradient_accumulation_steps'
  | 'gradient_checkpointing'
  | 'logits_chunk_mib'
> &
  VideoKeys;

/** Tokens of wording, question and options beside a video: a few options of a line each. */
const TEXT_TOKENS = 200;

/** The longest prompt: as many frames as the settings allow, as large as they allow, within `max_prompt_length`. */
export function longestPrompt(config: PlannedConfig, model: ModelConfig): PromptSize {
  const settings = videoSettings(config, model.pixel_unit);
  const { max_frames, max_pixels } = settings;
  const { temporal_patch_size, spatial_merge_size } = model.vision_config;
  const slices = Math.ceil(max_frames / temporal_patch_size);
  const area =
    settings.clip === undefined
      ? slices * max_pixels
      : Math.min(slices * max_pixels, clipArea(settings, max_frames) / temporal_patch_size);
  const tokens = Math.floor(area / model.pixel_unit ** 2);
  const text = Math.min(TEXT_TOKENS + slices * sliceWords(model), config.max_prompt_length);
  const vision = Math.min(tokens, config.max_prompt_length - text);
  return { tokens: vision + text, patches: vision * spatial_merge_size ** 2 };
}

/**
 * The plan of a run, for the rank that has the most to hold.
 * @param prompt @default the longest that the configuration allows
 * @param num_ranks processes, each with its own device
 */
export function planRun(
  config: PlannedConfig,
  model: ModelConfig,
  prompt: PromptSize = longestPrompt(config, model),
  num_ranks = 1,
): MemoryPlan {
  const shapes = weightShapes(model);
  const size =
    config.lora_r === undefined
      ? undefined
      : adapterSize(
          { config: model, weights: new Map([...shapes].map(([name, shape]) => [name, { shape }])) },
          {
            r: config.lora_r,
            target_modules: config.lora_target_modules,
            exclude_modules: excludedModules(model, {
              vision: config.freeze_vision,
              merger: config.freeze_merger,
            }),
          },
        );
  const keys: PlanKeys = {
    ...config,
    adapter_size: size,
    prompts_per_step: Math.ceil(
      (config.prompts_per_micro_batch * config.gradient_accumulation_steps) / num_ranks,
    ),
    num_ranks,
  };
  return planMemory(model, shapes, keys, prompt);
}

/** A plan with what a device adds: libraries and kernels of its context (0.6 GB) and what fragmentation leaves unused (5 %). */
export const onDevice = ({ peak }: MemoryPlan): number => peak * 1.05 + 0.6e9;

/** A change of keys, in the order in which a user would rather make it. */
export interface Change {
  readonly keys: Partial<PlannedConfig>;
  /** What it costs. */
  readonly cost: string;
  readonly plan: MemoryPlan;
}

/**
 * The smallest change that makes a run fit, first those alone, then the first three of them with another.
 * @param bytes memory of the device
 * @returns undefined when none of those tried is enough
 */
export function changeThatFits(
  config: PlannedConfig,
  model: ModelConfig,
  bytes: number,
  prompt?: PromptSize,
  num_ranks = 1,
): Change | undefined {
  const single = changesOf(config, num_ranks);
  const pairs = single.slice(0, 3).flatMap((first) =>
    single
      .slice(1)
      .filter(({ keys }) => Object.keys(keys).every((key) => !(key in first.keys)))
      .map((second) => ({ keys: { ...first.keys, ...second.keys }, cost: `${first.cost}; ${second.cost}` })),
  );
  for (const { keys, cost } of [...single, ...pairs]) {
    const plan = planRun({ ...config, ...keys }, model, prompt, num_ranks);
    if (onDevice(plan) <= bytes) return { keys, cost, plan };
  }
  return undefined;
}

function changesOf(config: PlannedConfig, num_ranks: number): Omit<Change, 'plan'>[] {
  const changes: Omit<Change, 'plan'>[] = [];
  if (num_ranks > 1)
    for (const zero_stage of [1, 2, 3] as const)
      if (zero_stage > config.zero_stage && (zero_stage < 3 || config.gradient_checkpointing))
        changes.push({
          keys: { zero_stage },
          cost: zero_stage < 3 ? 'none to speak of' : 'weights travel for every layer',
        });
  if (!config.gradient_checkpointing)
    changes.push({ keys: { gradient_checkpointing: true }, cost: 'one more forward pass' });
  if (!config.offload_optimizer && config.lora_r === undefined)
    changes.push({
      keys: { offload_optimizer: true },
      cost: 'masters and moments in host memory, a slower optimizer step',
    });
  for (let length = config.max_completion_length / 2; length >= 256; length /= 2)
    changes.push({
      keys: { max_completion_length: Math.ceil(length) },
      cost: 'longer completions are cut off',
    });
  if (!config.freeze_vision)
    changes.push({ keys: { freeze_vision: true, freeze_merger: true }, cost: 'the tower stays as it is' });
  if (config.lora_r === undefined)
    changes.push({ keys: { lora_r: 16 }, cost: 'an adapter trains in place of the weights' });
  if (config.num_generations > 4)
    changes.push({
      keys: { num_generations: Math.floor(config.num_generations / 2) },
      cost: 'smaller groups',
    });
  return changes;
}
