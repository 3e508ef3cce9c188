/** Models without files, and the parts of a training step on them, for counting: all weights are 0, no number matters. */

import { familyOf } from '../../../src/models/families.ts';
import {
  createLora,
  LORA_TARGET_MODULES,
  type PromptInputs,
  type VideoLanguageModel,
} from '../../../src/models/index.ts';
import { Transformer } from '../../../src/models/transformer.ts';
import { dispose, keep, noGrad, scope, zeros } from '../../../src/tensor/index.ts';
import type { GrpoConfig } from '../../../src/train/config/config.ts';
import { accumulateGroupGradient } from '../../../src/train/grpo/policy-update.ts';
import { AdamW, clipGradNorm, resolveGrpoConfig } from '../../../src/train/index.ts';
import { configOf, type ModelSizes } from '../../support/published-sizes.ts';
import { type Counts, STRICT, strict } from './strict.ts';

/**
 * A model in bfloat16.
 * @param lora_r rank of an adapter, which then trains alone
 * @param trainsVision the tower and its merger train too
 */
export function makeModel(sizes: ModelSizes, lora_r?: number, trainsVision = false): VideoLanguageModel {
  const config = configOf(sizes);
  const weights = new Map(
    [...familyOf(config).weightShapes(config)].map(([name, shape]) => [
      name,
      keep(scope(() => zeros([...shape], { dtype: 'bfloat16', device: STRICT }))),
    ]),
  );
  const model = new Transformer(config, weights);
  if (lora_r !== undefined) {
    const lora_config = {
      r: lora_r,
      lora_alpha: 32,
      use_rslora: false,
      target_modules: LORA_TARGET_MODULES,
      exclude_modules: '.*visual.*',
    };
    model.adapter = createLora(model, lora_config, { seed: 1 });
  }
  model.freeze({ vision: !trainsVision, merger: !trainsVision });
  return model;
}

/** A video of `slices` pairs of frames, `rows` x `columns` patches each, and some text around it; slice by slice where the family tells them so. */
export function videoPrompt(
  model: VideoLanguageModel,
  [slices, rows, columns]: readonly [number, number, number],
  textTokens: number,
): PromptInputs {
  const { vision_start_token_id, vision_end_token_id, video_token_id, vision_config, model_type } =
    model.config;
  const before = Math.floor(textTokens / 4);
  const words = (count: number) => Array.from({ length: count }, (_, i) => 10 + (i % 90));
  const shown = (count: number) => [
    vision_start_token_id,
    ...Array<number>((count * rows * columns) / 4).fill(video_token_id),
    vision_end_token_id,
  ];
  const video =
    model_type === 'qwen3_vl'
      ? Array.from({ length: slices }, () => [...words(8), ...shown(1)]).flat()
      : shown(slices);
  return {
    input_ids: [...words(before), ...video, ...words(textTokens - before - 2)],
    video_grid_thw: [[slices, rows, columns]],
    second_per_grid_ts: [1],
    pixel_values_videos: keep(
      scope(() => zeros([slices * rows * columns, 3 * 2 * vision_config.patch_size ** 2])),
    ),
  };
}

export interface Phase extends Pick<Counts, 'launches' | 'waits' | 'live' | 'peak'> {
  readonly phase: string;
}

/** Counts from one mark to the next. */
export class Phases {
  readonly all: Phase[] = [];

  constructor() {
    strict.reset();
  }

  mark(phase: string): void {
    const { launches, waits, live, peak } = strict.counts();
    this.all.push({ phase, launches, waits, live, peak });
    strict.reset();
  }
}

/** A clock of phases that counts where a run's takes the time: `forward`, `loss`, `backward`. */
class MarkedPhases {
  readonly #phases: Phases;
  #phase: string | undefined;

  constructor(phases: Phases) {
    this.#phases = phases;
  }

  enter(phase: string): void {
    if (this.#phase !== undefined) this.#phases.mark(this.#phase);
    this.#phase = phase;
  }
}

/** A configuration of the method, with the changes that a case needs. */
export function grpoConfig(keys: Record<string, unknown>): GrpoConfig {
  const values = {
    model_name_or_path: 'unused',
    jsonl_path: 'unused',
    output_dir: 'unused',
    loss_type: 'tw_grpo',
    device: STRICT,
    ...keys,
  } as const;
  return resolveGrpoConfig([{ source: 'test', values: values as never }]).config;
}

/** Forward, loss, backward, clipping and step for one group of G completions, each of `length` tokens. */
export function trainOnGroup(
  model: VideoLanguageModel,
  inputs: PromptInputs,
  { config, length, optimizer, phases }: TrainOnGroup,
): void {
  const G = config.num_generations;
  const prompt = keep(scope(() => noGrad(() => model.encodePrompt(inputs))));
  phases.mark('encode');
  const row = (g: number) => Array.from({ length }, (_, t) => 10 + ((g * 7 + t * 13) % 90));
  const group: Parameters<typeof accumulateGroupGradient>[1] = {
    prompt: { inputs, encoded: prompt },
    rollouts: Array.from({ length: G }, (_, g) => ({
      ids: row(g),
      finish_reason: 'stop',
      advantage: g % 2 ? 1 : -1,
    })),
  };
  const scale = { num_sequences: G, num_tokens: G * length, max_completion_length: length };
  const clock = new MarkedPhases(phases);
  const update = accumulateGroupGradient(model, group, {}, config, scale, clock);
  dispose([update.logps_GT, update.weights_GT, update.entropy_GT]);
  clock.enter('clip');
  const trained = [...model.parameters().values()].filter(({ requires_grad }) => requires_grad);
  clipGradNorm(trained, config.max_grad_norm);
  clock.enter('step');
  optimizer.step(1e-6);
  phases.mark('step');
  prompt.dispose();
}

export interface TrainOnGroup {
  readonly config: GrpoConfig;
  readonly length: number;
  readonly optimizer: AdamW;
  readonly phases: Phases;
}

/** AdamW over what trains, its gradients made. */
export function makeOptimizer(model: VideoLanguageModel, config: GrpoConfig): AdamW {
  const trained = new Map([...model.parameters()].filter(([, { requires_grad }]) => requires_grad));
  const optimizer = new AdamW(trained, config);
  optimizer.zeroGrad();
  return optimizer;
}
