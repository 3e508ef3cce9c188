/** Models without files, and the parts of a training step on them, for counting: all weights are 0, no number matters. */

import type { ModelConfig } from '../../../src/models/config.ts';
import { familyOf, parseModelConfig } from '../../../src/models/families.ts';
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
import { type Counts, STRICT, strict } from './strict.ts';

/** Sizes of a model, in the names of its `config.json`. */
export interface ModelSizes {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly mrope_section: readonly [number, number, number];
  readonly vision: {
    readonly depth: number;
    readonly hidden_size: number;
    readonly intermediate_size: number;
    readonly num_heads: number;
    readonly fullatt_block_indexes: readonly number[];
  };
}

/** As published: Qwen/Qwen2.5-VL-7B-Instruct, config.json. */
export const QWEN_7B: ModelSizes = {
  vocab_size: 152_064,
  hidden_size: 3584,
  intermediate_size: 18_944,
  num_hidden_layers: 28,
  num_attention_heads: 28,
  num_key_value_heads: 4,
  mrope_section: [16, 24, 24],
  vision: {
    depth: 32,
    hidden_size: 1280,
    intermediate_size: 3420,
    num_heads: 16,
    fullatt_block_indexes: [7, 15, 23, 31],
  },
};

/** The same parts, as narrow as they can be. */
export const narrow = (num_hidden_layers: number): ModelSizes => ({
  vocab_size: 200,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  mrope_section: [1, 1, 2],
  vision: { depth: 2, hidden_size: 32, intermediate_size: 48, num_heads: 2, fullatt_block_indexes: [1] },
});

/** The last ids of the vocabulary, as far from its end as in the published model where there is room. */
function specialTokens(vocab: number) {
  const first = Math.min(151_652, vocab - 8);
  return {
    vision_start_token_id: first,
    vision_end_token_id: first + 1,
    image_token_id: first + 3,
    video_token_id: first + 4,
  };
}

function configOf({ vision, mrope_section, ...text }: ModelSizes): ModelConfig {
  return parseModelConfig({
    model_type: 'qwen2_5_vl',
    ...text,
    ...specialTokens(text.vocab_size),
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: 'silu',
    max_position_embeddings: 128_000,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    rope_scaling: { type: 'mrope', mrope_section: [...mrope_section] },
    tie_word_embeddings: false,
    torch_dtype: 'bfloat16',
    vision_config: {
      ...vision,
      fullatt_block_indexes: [...vision.fullatt_block_indexes],
      hidden_act: 'silu',
      in_chans: 3,
      out_hidden_size: text.hidden_size,
      patch_size: 14,
      spatial_merge_size: 2,
      temporal_patch_size: 2,
      tokens_per_second: 2,
      window_size: 112,
    },
  });
}

/** A model in bfloat16 with a frozen tower. @param lora_r rank of an adapter, which then trains alone */
export function makeModel(sizes: ModelSizes, lora_r?: number): VideoLanguageModel {
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
  model.freeze({ vision: true, merger: true });
  return model;
}

/** A video of `slices` pairs of frames, `rows` x `columns` patches of 14 pixels each, and some text around it. */
export function videoPrompt(
  model: VideoLanguageModel,
  [slices, rows, columns]: readonly [number, number, number],
  textTokens: number,
): PromptInputs {
  const { vision_start_token_id, vision_end_token_id, video_token_id } = model.config;
  const before = Math.floor(textTokens / 4);
  const words = (count: number) => Array.from({ length: count }, (_, i) => 10 + (i % 90));
  return {
    input_ids: [
      ...words(before),
      vision_start_token_id,
      ...Array<number>((slices * rows * columns) / 4).fill(video_token_id),
      vision_end_token_id,
      ...words(textTokens - before - 2),
    ],
    video_grid_thw: [[slices, rows, columns]],
    second_per_grid_ts: [1],
    pixel_values_videos: keep(scope(() => zeros([slices * rows * columns, 3 * 2 * 14 * 14]))),
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
  const update = accumulateGroupGradient(model, group, {}, config, scale);
  dispose([update.logps_GT, update.weights_GT, update.entropy_GT]);
  phases.mark('gradient');
  const trained = [...model.parameters().values()].filter(({ requires_grad }) => requires_grad);
  clipGradNorm(trained, config.max_grad_norm);
  phases.mark('clip');
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
