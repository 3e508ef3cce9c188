/**
 * Low-rank adapters (LoRA): a small trainable addition to chosen linear layers, y += scale * (x A^T) B^T. Plain LoRA without
 * dropout. On disk: `lora-files.ts`.
 *
 * Shapes: A (r, in), B (out, r).
 *
 * Source: arXiv 2106.09685; huggingface/peft `tuners/lora/layer.py`, `utils/save_and_load.py`.
 */
import { ConfigError } from '../../base/index.ts';
import {
  type Device,
  type DType,
  Generator,
  keep,
  noGrad,
  rand,
  scope,
  type Tensor,
  zeros,
} from '../../tensor/index.ts';
import { familyOf } from '../families.ts';
import type { ModelFamily } from '../family.ts';
import type { LowRankPair } from '../layers.ts';
import type { VideoLanguageModel } from '../model.ts';
import { matches, patternValue } from './module-names.ts';

export interface LoraConfig {
  /** Rank. */
  readonly r: number;
  /** Strength: the addition is scaled by `lora_alpha / r`, or `lora_alpha / sqrt(r)` with `use_rslora`. */
  readonly lora_alpha: number;
  readonly use_rslora: boolean;
  /** Module names: each matches a whole name or its end after a dot. A string is a pattern for whole names. */
  readonly target_modules: readonly string[] | string;
  /** Modules left out, written the same way. Names are those transformers gives (`model.visual.blocks.0.mlp.up_proj`). */
  readonly exclude_modules: readonly string[] | string | undefined;
  /** Ranks of some modules, by a pattern for the name or its end. */
  readonly rank_pattern?: Readonly<Record<string, number>>;
  /** Strengths of some modules, written the same way. */
  readonly alpha_pattern?: Readonly<Record<string, number>>;
  /** Modules whose weights were trained whole, beside the adapter. */
  readonly modules_to_save?: readonly string[];
}

/** The linear layers of the decoder, which an adapter goes on unless others are named. */
export const LORA_TARGET_MODULES = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
] as const;

export interface LoraAdapter {
  readonly config: LoraConfig;
  /** Pairs of A and B by the module's published name (`model.layers.0.self_attn.q_proj`). */
  readonly pairs: ReadonlyMap<string, LowRankPair>;
  /** Weights that take the place of the model's while the adapter is on, by published name (`modules_to_save`). */
  readonly replaced: ReadonlyMap<string, Tensor>;
  /**
   * The same tensors by parameter name: `<module>.lora_A.weight`, `<module>.lora_B.weight`, and `<module>.modules_to_save.weight`
   * for a replaced one.
   */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** The model an adapter is put on; its family knows the names that transformers and PEFT give its modules. */
export type AdaptedModel = Pick<VideoLanguageModel, 'config' | 'weights'>;

/** What choosing layers needs of a model: its weights may still lie in their files. */
export interface AdaptedShapes extends Pick<AdaptedModel, 'config'> {
  readonly weights: ReadonlyMap<string, { readonly shape: readonly number[] }>;
}

/** Numbers in an adapter of rank `r`: r * (in + out) for each layer it is put on. */
export function adapterSize(
  model: AdaptedShapes,
  config: Pick<LoraConfig, 'r' | 'target_modules' | 'exclude_modules'>,
): number {
  return targetModules(model, config)
    .map((module) => model.weights.get(`${module}.weight`)!.shape)
    .reduce((total, [out, into]) => total + config.r * (out! + into!), 0);
}

/**
 * A new adapter: A uniform in +-1/sqrt(in) (PEFT's kaiming_uniform with a = sqrt(5)), B zero, so that it changes nothing yet.
 *
 * @returns The adapter; its tensors are kept until disposed.
 * @throws ConfigError when no linear layer matches, the head or the embedding is named, or the pattern is none.
 */
export function createLora(
  model: AdaptedModel,
  config: LoraConfig,
  options: { readonly seed: number; readonly dtype?: DType; readonly device?: Device },
): LoraAdapter {
  const unsupported = readable(config, () => unsupportedTargets(config));
  if (unsupported.length > 0) {
    throw new ConfigError(`target_modules: no adapter can be put on ${unsupported.join(' and ')}`, {
      hint: SUPPORTED_TARGETS,
    });
  }
  const generator = new Generator(options.seed);
  const { weights } = model;
  const modules = targetModules(model, config);
  if (modules.length === 0) {
    throw new ConfigError(`no linear layer matches target_modules ${JSON.stringify(config.target_modules)}`, {
      hint: `names end for example in ${LORA_TARGET_MODULES}`,
    });
  }
  const tensors = keep(
    scope('createLora', () => {
      const made = new Map<string, Tensor>();
      for (const module of modules) {
        const stored = weights.get(`${module}.weight`)!;
        const [out, into] = stored.shape as [number, number];
        const dtype = options.dtype ?? 'float32';
        const device = options.device ?? stored.device;
        const uniform = rand([config.r, into], { generator }).mul(2).sub(1).div(Math.sqrt(into));
        made.set(`${module}.lora_A.weight`, uniform.to({ dtype, device }));
        made.set(`${module}.lora_B.weight`, zeros([out, config.r], { dtype, device }));
      }
      return made;
    }),
  );
  return adapterOf(config, tensors, familyOf(model.config));
}

/** @throws ConfigError where a pattern can not be read */
function readable<T>({ target_modules }: LoraConfig, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ConfigError(`target_modules ${JSON.stringify(target_modules)}: ${error.message}`, {
      hint: `write a list of names, for example [${LORA_TARGET_MODULES.join(', ')}]`,
    });
  }
}

/** Parameter names of a module's pair. */
export const pairWeightNames = (module: string) =>
  ({ A: `${module}.lora_A.weight`, B: `${module}.lora_B.weight` }) as const;

/** The names a module has had: as transformers has it now, and as published. */
export const namesOf = (module: string, { transformersName }: Pick<ModelFamily, 'transformersName'>) => [
  transformersName(module),
  module,
];

/** Rank of a module. @param names see `namesOf` @throws SyntaxError for a pattern that can not be read */
export function rankOf({ r, rank_pattern }: LoraConfig, names: readonly string[]): number {
  return patternValue(rank_pattern, names) ?? r;
}

/** What a module's addition is multiplied by. @throws SyntaxError for a pattern that can not be read */
export function scaleOf(config: LoraConfig, names: readonly string[]): number {
  const r = rankOf(config, names);
  const alpha = patternValue(config.alpha_pattern, names) ?? config.lora_alpha;
  return alpha / (config.use_rslora ? Math.sqrt(r) : r);
}

/** Join parameter tensors to an adapter. */
export function adapterOf(
  config: LoraConfig,
  tensors: ReadonlyMap<string, Tensor>,
  family: Pick<ModelFamily, 'transformersName'>,
  replaced: ReadonlyMap<string, Tensor> = new Map(),
): LoraAdapter {
  const pairs = new Map<string, LowRankPair>();
  for (const [name, A] of tensors) {
    if (!name.endsWith('.lora_A.weight')) continue;
    const module = name.slice(0, -'.lora_A.weight'.length);
    const scale = scaleOf(config, namesOf(module, family));
    pairs.set(module, { A, B: tensors.get(pairWeightNames(module).B)!, scale });
  }
  const whole = [...replaced].map(
    ([name, tensor]) => [name.replace(/\.(\w+)$/, '.modules_to_save.$1'), tensor] as const,
  );
  return { config, pairs, replaced, weights: new Map([...tensors, ...whole]) };
}

/** A weight with its pair added for good, W + scale * B A, computed in float32 and as wide as W again. */
export function mergedWeight(stored: Tensor, { A, B, scale }: LowRankPair): Tensor {
  return scope(() => {
    const change = B.to({ dtype: 'float32' })
      .matmul(A.to({ dtype: 'float32' }))
      .mul(scale);
    return stored
      .to({ dtype: 'float32' })
      .add(change.to({ device: stored.device }))
      .to({ dtype: stored.dtype });
  });
}

/**
 * Add the adapter to the weights for good, in place. A merged model needs the adapter no more; adding it on top would count it
 * twice.
 */
export function mergeLora(weights: ReadonlyMap<string, Tensor>, adapter: LoraAdapter): void {
  noGrad(() => {
    for (const [module, pair] of adapter.pairs) {
      scope(() => {
        const stored = weights.get(`${module}.weight`)!;
        stored.copy_(mergedWeight(stored, pair));
      });
    }
    for (const [name, tensor] of adapter.replaced) {
      const stored = weights.get(name);
      if (stored === undefined)
        throw new ConfigError(
          `the adapter has a ${name} of its own, but the embedding of the model serves as head`,
          {
            hint: 'merge the two folders with "twgrpo merge", which gives the model a head of its own',
          },
        );
      stored.copy_(tensor);
    }
  });
}

/** Linear layers (two-dimensional weights, embeddings and head left out) that the config names. */
function targetModules(
  model: AdaptedShapes,
  config: Pick<LoraConfig, 'target_modules' | 'exclude_modules'>,
): string[] {
  return selected(model, config, familyOf(model.config).transformersName);
}

/** The same, under the names that `naming` gives the modules. @throws SyntaxError for a pattern that can not be read */
export function selected(
  { weights }: AdaptedShapes,
  { target_modules, exclude_modules }: Pick<LoraConfig, 'target_modules' | 'exclude_modules'>,
  naming: (module: string) => string,
): string[] {
  return [...weights.keys()]
    .filter((name) => name.endsWith('.weight'))
    .map((name) => name.slice(0, -'.weight'.length))
    .filter((module) => isAdaptable(module, weights) && matches(naming(module), target_modules))
    .filter((module) => exclude_modules === undefined || !matches(naming(module), exclude_modules));
}

/** Matrices that are no linear layers, and the head. */
const NOT_LINEAR: readonly string[] = ['lm_head', 'model.embed_tokens', 'visual.pos_embed'];

/** True for a linear layer that is neither the head nor an embedding. */
export function isAdaptable(module: string, weights: AdaptedShapes['weights']): boolean {
  if (NOT_LINEAR.includes(module)) return false;
  return weights.get(`${module}.weight`)?.shape.length === 2;
}

/** Modules PEFT can adapt and we can not, with the reason. */
const UNSUPPORTED = new Map([
  ['lm_head', 'the language model head'],
  ['model.language_model.embed_tokens', 'the token embedding'],
  ['model.visual.pos_embed', "the tower's table of positions"],
]);

/**
 * What a config names that can not be adapted here: the head and the embedding. Leaving them out in silence would be another
 * adapter. `all-linear` does not mean them, in PEFT neither.
 * @returns the names, with what they are
 */
function unsupportedTargets({ target_modules, exclude_modules }: LoraConfig): string[] {
  if (target_modules === 'all-linear') return [];
  return [...UNSUPPORTED]
    .filter(([module]) => matches(module, target_modules))
    .filter(([module]) => exclude_modules === undefined || !matches(module, exclude_modules))
    .map(([module, what]) => `${module.split('.').at(-1)} (${what})`);
}

const SUPPORTED_TARGETS = `supported are linear layers inside the decoder and the vision tower: ${LORA_TARGET_MODULES}, and the tower's qkv, proj, mlp and merger layers`;
