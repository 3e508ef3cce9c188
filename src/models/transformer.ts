/**
 * The one implementation of `VideoLanguageModel`: a family's tower before the shared decoder.
 *
 * The work is in functions (`decoder/` and the family's folder); this class only holds what they share.
 *
 * Shapes: P prompt tokens, F features, G rows, C longest completion, V vocabulary, D hidden.
 */
import { cat, type Device, type DType, dispose, keep, noGrad, scope, type Tensor } from '../tensor/index.ts';
import type { ModelConfig } from './config.ts';
import { completionHidden } from './decoder/forward.ts';
import { type DecodeSession, openSession } from './decoder/session.ts';
import { headLogits, headName } from './decoder/text.ts';
import { familyOf, partOf } from './families.ts';
import type { VisionFeatures } from './family.ts';
import { type FusedWeight, fuseStorage } from './fused-storage.ts';
import { indexTensor, type LayerGate, type ModelParams } from './layers.ts';
import type { LoraAdapter } from './lora/lora.ts';
import type {
  CompletionHidden,
  EncodedPrompt,
  FrozenParts,
  PromptInputs,
  TextAfterVision,
  VideoLanguageModel,
} from './model.ts';
import { type SaveModelOptions, saveModelFolder } from './weights.ts';

export interface ModelOptions {
  /** Dtype of activations. Default: float32 on the CPU whatever the weights are stored in, else the weights' own. */
  readonly compute_dtype?: DType | undefined;
  /** See `TextAfterVision`. Default `largest`, as the published weights were trained. */
  readonly text_after_vision?: TextAfterVision | undefined;
  /** The folder whose tokenizer and processor files go along when the model is saved. */
  readonly from?: string | undefined;
  /** The weights' memory is another's, who frees and fills it (ZeRO's third stage): they stay where they lie. @default false */
  readonly is_placed?: boolean | undefined;
}

export class Transformer implements VideoLanguageModel {
  readonly config: ModelConfig;
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly compute_dtype: DType;
  readonly text_after_vision: TextAfterVision;
  readonly device: Device;
  #adapter: LoraAdapter | undefined;
  /** On a device that is asked kernel by kernel; the processor maps its weights from the disk, where they lie as they are stored. */
  readonly #fused: ReadonlyMap<string, FusedWeight>;
  /** The weights with those that the adapter replaces. */
  #adapted: ReadonlyMap<string, Tensor>;
  #isAdapterOff = false;
  layerGate: LayerGate | undefined;
  readonly #from: string | undefined;

  constructor(config: ModelConfig, weights: ReadonlyMap<string, Tensor>, options: ModelOptions = {}) {
    const stored = weights.get('model.embed_tokens.weight');
    if (stored === undefined) throw new Error("internal: the weights have no 'model.embed_tokens.weight'");
    this.config = config;
    this.#from = options.from;
    this.weights = weights;
    this.#adapted = weights;
    this.device = stored.device;
    const isFused = this.device !== 'cpu' && options.is_placed !== true;
    this.#fused = isFused ? fuseStorage(weights, config.text_config.num_hidden_layers) : new Map();
    this.compute_dtype = options.compute_dtype ?? (this.device === 'cpu' ? 'float32' : stored.dtype);
    this.text_after_vision = options.text_after_vision ?? 'largest';
  }

  save(dir: string, options: SaveModelOptions = {}): void {
    saveModelFolder(dir, this.config, this.weights, { from: this.#from, ...options });
  }

  dispose(): void {
    for (const stored of this.parameters().values()) stored.dispose();
    for (const { weight } of this.#fused.values()) weight.dispose();
  }

  /** The parameters that the forward functions read now: the weights, and the adapter unless it is off. */
  get params(): ModelParams {
    const { weights, compute_dtype: dtype, layerGate: gate } = this;
    const fused = this.#fused;
    if (this.#isAdapterOff) return { weights, adapters: undefined, fused, dtype, gate };
    return { weights: this.#adapted, adapters: this.#adapter?.pairs, fused, dtype, gate };
  }

  get adapter(): LoraAdapter | undefined {
    return this.#adapter;
  }

  set adapter(adapter: LoraAdapter | undefined) {
    this.#adapter = adapter;
    const replaced = adapter?.replaced ?? new Map();
    this.#adapted = replaced.size === 0 ? this.weights : new Map([...this.weights, ...replaced]);
  }

  withoutAdapter<T>(body: () => T): T {
    const before = this.#isAdapterOff;
    this.#isAdapterOff = true;
    try {
      return body();
    } finally {
      this.#isAdapterOff = before;
    }
  }

  parameters(): Map<string, Tensor> {
    return new Map([...this.weights, ...(this.#adapter?.weights ?? [])]);
  }

  freeze(frozen: FrozenParts): void {
    for (const [name, stored] of this.weights) {
      const isFrozen = frozen[partOf(this.config, name)];
      stored.requires_grad_(this.#adapter === undefined && !isFrozen);
    }
    for (const stored of this.#adapter?.weights.values() ?? []) stored.requires_grad_(true);
  }

  trainsVision(): boolean {
    return [...this.parameters()].some(
      ([name, weight]) => name.startsWith('visual.') && weight.requires_grad,
    );
  }

  isHidden(name: string): boolean {
    return familyOf(this.config).isHidden(name);
  }

  excludedModules(frozen: FrozenParts): string | undefined {
    return excludedModules(this.config, frozen);
  }

  encode(inputs: PromptInputs): EncodedPrompt {
    return keep(noGrad(() => this.encodePrompt(inputs)));
  }

  encodePrompt(inputs: PromptInputs): EncodedPrompt {
    const { config, params } = this;
    const positions = familyOf(config).positions(inputs.input_ids, inputs, config, this.text_after_vision);
    return scope('encodePrompt', () => {
      const towers: VisionFeatures[] = [];
      const places: number[] = [];
      for (const [pixels, grids, id] of [
        [inputs.pixel_values, inputs.image_grid_thw, config.image_token_id],
        [inputs.pixel_values_videos, inputs.video_grid_thw, config.video_token_id],
      ] as const) {
        if (grids === undefined || grids.length === 0) continue;
        if (pixels === undefined) throw new Error('internal: a prompt with vision grids needs their pixels');
        towers.push(familyOf(config).encodeVision(params, config, pixels.to({ device: this.device }), grids));
        inputs.input_ids.forEach((value, place) => {
          if (value === id) places.push(place);
        });
      }
      const join = (parts: readonly Tensor[]) => (parts.length === 1 ? parts[0]! : cat(parts, 0));
      const vision =
        towers.length === 0
          ? undefined
          : {
              features: join(towers.map(({ features }) => features)),
              deepstack: towers[0]!.deepstack.map((_, layer) =>
                join(towers.map(({ deepstack }) => deepstack[layer]!)),
              ),
              places,
            };
      return { input_ids: inputs.input_ids, positions, vision, dispose: () => dispose(vision) };
    });
  }

  completionHidden(
    prompt: EncodedPrompt,
    completions: readonly (readonly number[])[],
    options: { readonly gradient_checkpointing: boolean } = { gradient_checkpointing: false },
  ): CompletionHidden {
    return completionHidden(this.params, this.config, this.device, prompt, completions, options);
  }

  completionLogps(
    prompt: EncodedPrompt,
    completions: readonly (readonly number[])[],
    { rows = 256 }: { readonly rows?: number } = {},
  ): number[][] {
    return scope('completionLogps', () =>
      noGrad(() => {
        const { hidden_GCD } = this.completionHidden(prompt, completions);
        return completions.map((ids, row) => {
          const logps: number[] = [];
          for (let from = 0; from < ids.length; from += rows) {
            const chunk = ids.slice(from, from + rows);
            scope(() => {
              const all = this.logits(hidden_GCD.select(0, row).narrow(0, from, chunk.length)).log_softmax(
                -1,
              );
              const own = all.gather(1, indexTensor(chunk, this.device).unsqueeze(1));
              logps.push(...(own.flatten(0, 1).tolist() as number[]));
            });
          }
          return logps;
        });
      }),
    );
  }

  decodeSession(prompts: readonly EncodedPrompt[], rows: number): DecodeSession {
    const { params, config, device } = this;
    return openSession({ params, config, device, prompts, rows });
  }

  lmHead(): Tensor {
    const { weights } = this.params;
    return weights.get(headName(weights))!;
  }

  logits(hidden: Tensor): Tensor {
    return headLogits(this.params, hidden);
  }
}

/** See `VideoLanguageModel.excludedModules`. */
export function excludedModules(config: ModelConfig, { vision, merger }: FrozenParts): string | undefined {
  const mergers = familyOf(config).mergers.join('|');
  if (vision && merger) return '.*visual.*';
  if (vision) return `.*visual\\.(?!${mergers}).*`;
  if (!merger) return undefined;
  return mergers.includes('|') ? `.*visual\\.(?:${mergers}).*` : `.*visual\\.${mergers}.*`;
}
