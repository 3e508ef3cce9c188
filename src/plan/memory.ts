/**
 * Device memory of a training step, by item and by phase, before anything is loaded.
 *
 * What stands still follows from the shapes of the weights. What comes and goes is so many tensors of a layer a token; how many was
 * counted on a device that runs the real code at the real sizes without computing (`tests/strict-device`), for attention that is
 * fused, bfloat16 activations and the families of Qwen2-VL and Qwen2.5-VL; Qwen3-VL has the same layers and, but for its tower, the same counts. A GPU adds its context, workspaces and fragmentation.
 *
 * Shapes: N tokens of a prompt and its completions packed, P tokens of the prompt, D hidden, I width of the MLP.
 */
import { type ModelConfig, partOf } from '../models/index.ts';
import { chunkMemory, logitsChunkBytes } from '../rl/index.ts';

/** The keys of a run that its memory depends on; names as in docs/training.md. */
export interface PlanKeys {
  readonly dtype: 'auto' | 'float32' | 'bfloat16' | 'float16';
  readonly freeze_vision: boolean;
  readonly freeze_merger: boolean;
  /** Numbers in the adapter; undefined: the weights themselves train. */
  readonly adapter_size: number | undefined;
  readonly offload_optimizer: boolean;
  readonly save_only_model: boolean;
  readonly beta: number;
  readonly num_generations: number;
  readonly max_completion_length: number;
  /** Prompts rolled out together: those of a whole step, of the rank that has the most. */
  readonly prompts_per_step: number;
  /** Processes, each with a device of its own. */
  readonly num_ranks: number;
  readonly zero_stage: number;
  readonly gradient_checkpointing: boolean;
  /** Undefined: what the trainer takes on a GPU. */
  readonly logits_chunk_mib?: number | undefined;
}

/** The longest prompt. */
export interface PromptSize {
  /** Tokens, vision included: P. */
  readonly tokens: number;
  /** Patches of its frames: t * h * w. */
  readonly patches: number;
}

export const PHASES = ['encode', 'generate', 'update', 'optimizer step'] as const;
export type PlanPhase = (typeof PHASES)[number];

/** An item, in bytes. */
export interface PlanItem {
  readonly name: string;
  readonly bytes: number;
  readonly place: 'device' | 'host';
  /** Undefined: it stands still during the whole run. */
  readonly phase?: PlanPhase;
}

export interface MemoryPlan {
  readonly items: readonly PlanItem[];
  /** Bytes on the device that stay from step to step. */
  readonly rest: number;
  /** Most bytes on the device in each phase, `rest` included. */
  readonly peaks: Readonly<Record<PlanPhase, number>>;
  readonly peak: number;
  /** Bytes in host memory that belong to the optimizer. */
  readonly host: number;
  /** Bytes of the copy in host memory that a checkpoint is written from, of all processes together. */
  readonly snapshot: number;
  /** Numbers that train. */
  readonly num_trained: number;
  /** Tokens of a group packed, N. */
  readonly num_tokens: number;
}

/** Bytes of an activation: bfloat16. */
const ACTIVATION = 2;

/** Tensors that live at the worst instant: of the MLP's width, of the hidden width, of keys or values. */
interface Live {
  readonly wide: number;
  readonly hidden: number;
  readonly kv: number;
}

/** Counted, see above: the same without and with an adapter on every linear layer. */
const BACKWARD_OF_A_LAYER: Live = { wide: 5, hidden: 7.85, kv: 3 };
const PREFILL: Live = { wide: 4, hidden: 7.6, kv: 0 };
/** Bytes of a number of the adapter while tokens are drawn: copies of the activations' dtype, those of fused layers with zeros between them. */
const DECODING_ADAPTER = 10;
/** What autograd keeps of each layer without checkpointing. */
const KEPT_OF_A_LAYER: Live = { wide: 3, hidden: 7.3, kv: 0 };
/** The tower, of its own width: while it encodes, and what autograd keeps of each block where it trains: less where its MLP has no gate. */
const TOWER = { encode: 77, kept: 24.5, kept_ungated: 20 };
/** Logits of a chunk with what the loss makes of them, as a share of what it may take, and rows of the head whose gradient is made at once. */
const [CHUNK, HEAD_ROWS] = [0.85, 2 ** 15];
/** Numbers whose gradients the optimizer widens at once, and tokens by which a cache grows. */
const [LARGEST_RUN, CACHE_BLOCK] = [2 ** 27, 128];

/**
 * @param shapes published names and shapes of the weights
 * @param stored dtype of the weights in the files, where `dtype` is auto
 */
export function planMemory(
  config: ModelConfig,
  shapes: ReadonlyMap<string, readonly number[]>,
  keys: PlanKeys,
  prompt: PromptSize,
  stored: 'float32' | 'bfloat16' | 'float16' = config.dtype ?? 'bfloat16',
): MemoryPlan {
  const text = config.text_config;
  const kvWidth = text.num_key_value_heads * text.head_dim;
  const width = (keys.dtype === 'auto' ? stored : keys.dtype) === 'float32' ? 4 : 2;
  const isLora = keys.adapter_size !== undefined;
  const numTokens = prompt.tokens + keys.num_generations * (keys.max_completion_length - 1);
  const live = ({ wide, hidden, kv }: Live): number =>
    ACTIVATION * (wide * text.intermediate_size + hidden * text.hidden_size + kv * kvWidth);

  const sizes = [...shapes].map(([name, shape]) => ({ name, size: shape.reduce((all, n) => all * n, 1) }));
  const numWeights = sizes.reduce((all, { size }) => all + size, 0);
  const trained = isLora ? [] : sizes.filter(({ name }) => isTrained(config, name, keys));
  const numTrained = keys.adapter_size ?? trained.reduce((all, { size }) => all + size, 0);
  const largest = Math.max(0, ...trained.map(({ size }) => size));
  // An adapter is float32, its own master.
  const trainedWidth = isLora ? 4 : width;
  const isNarrow = trainedWidth < 4;
  const trainsTower = !isLora && !keys.freeze_vision;
  const trainsHead = trained.some(({ name }) => /^(lm_head|model\.embed_tokens)\.weight$/.test(name));
  const optimizer = keys.offload_optimizer ? 'host' : 'device';
  const device = 'device';

  const cache = (tokens: number): number => 2 * text.num_hidden_layers * tokens * kvWidth * ACTIVATION;
  const suffixes = keys.num_generations * Math.ceil(keys.max_completion_length / CACHE_BLOCK) * CACHE_BLOCK;
  const prompts = keys.prompts_per_step;
  const prefill = prompt.tokens * live(PREFILL);
  const decoded =
    cache(suffixes) * prompts +
    16 * prompts * keys.num_generations * text.vocab_size +
    DECODING_ADAPTER * (keys.adapter_size ?? 0);
  const layers = text.num_hidden_layers;
  const inputs = (layers + 1) * numTokens * text.hidden_size * ACTIVATION;
  const kept = layers * numTokens * live(KEPT_OF_A_LAYER);
  const chunks = chunkMemory(
    { rows: keys.num_generations, positions: keys.max_completion_length, words: text.vocab_size },
    logitsChunkBytes(keys.logits_chunk_mib, 'cuda'),
  );
  const headPart = Math.min(HEAD_ROWS, text.vocab_size) * text.hidden_size * ACTIVATION;
  const logits = trainsHead
    ? chunks.kept + Math.max(CHUNK * chunks.working, chunks.working / 3 + headPart)
    : CHUNK * chunks.working;
  const towerKept = config.vision_config.hidden_act === 'gelu_pytorch_tanh' ? TOWER.kept_ungated : TOWER.kept;
  const towerWidth = config.vision_config.hidden_size * ACTIVATION;

  const stage = keys.num_ranks > 1 ? keys.zero_stage : 0;
  const part = 1 / keys.num_ranks;
  const isOptimizerDivided = stage > 0 && !(stage === 3 && isLora);
  const optimized = isOptimizerDivided ? part : 1;
  // What lies outside of layers is one unit, each layer another; two layers are whole at a time.
  const unitBytes = (
    which: readonly { readonly name: string; readonly size: number }[],
    bytes: number,
  ): number => {
    const inLayers = which
      .filter(({ name }) => /\blayers\.\d+\./.test(name))
      .reduce((all, { size }) => all + size, 0);
    const all = which.reduce((total, { size }) => total + size, 0);
    return bytes * (all - inLayers + (2 * inLayers) / layers);
  };
  const items: PlanItem[] = [
    {
      name: stage === 3 ? 'part of the weights' : 'weights',
      bytes: numWeights * width * (stage === 3 ? part : 1),
      place: device,
    },
    ...(['encode', 'generate'] as const).map((phase) => ({
      ...{ name: 'all weights, gathered', bytes: stage === 3 ? numWeights * width : 0 },
      ...{ place: device, phase },
    })),
    {
      ...{
        name: 'two layers and what lies outside, gathered',
        bytes: stage === 3 ? unitBytes(sizes, width) : 0,
      },
      ...{ place: device, phase: 'update' },
    },
    {
      ...{ name: 'whole gradients of two layers and of what lies outside' },
      bytes: isOptimizerDivided && stage > 1 ? unitBytes(trained, trainedWidth) : 0,
      ...{ place: device, phase: 'update' },
    },
    {
      ...{ name: 'weights on their way to the other ranks' },
      bytes: isOptimizerDivided && stage < 3 ? unitBytes(trained, trainedWidth) * (1 + part) : 0,
      ...{ place: device, phase: 'optimizer step' },
    },
    { name: 'adapter', bytes: 4 * (keys.adapter_size ?? 0), place: device },
    { name: 'reference model', bytes: keys.beta > 0 && !isLora ? numWeights * width : 0, place: device },
    {
      name: isOptimizerDivided && stage > 1 ? 'part of the gradients' : 'gradients',
      bytes: numTrained * trainedWidth * (isOptimizerDivided ? (stage === 1 ? 1 + part : part) : 1),
      place: device,
    },
    {
      name: 'float32 masters',
      bytes: isNarrow || keys.offload_optimizer ? numTrained * 4 * optimized : 0,
      place: optimizer,
    },
    { name: 'moments of AdamW', bytes: numTrained * 8 * optimized, place: optimizer },
    {
      name: 'tower, a pass',
      bytes: prompt.patches * towerWidth * TOWER.encode,
      place: device,
      phase: 'encode',
    },
    {
      name: 'features for the first layers',
      bytes:
        ((config.vision_config.deepstack_visual_indexes.length * prompt.patches) /
          config.vision_config.spatial_merge_size ** 2) *
        text.hidden_size *
        ACTIVATION *
        prompts,
      place: device,
    },
    {
      name: 'prompt keys and values',
      bytes: prompts * cache(prompt.tokens),
      place: device,
      phase: 'generate',
    },
    {
      name:
        decoded > prefill
          ? 'completion keys and values, logits, copies of an adapter'
          : 'a layer over the prompt',
      bytes: Math.max(decoded, prefill),
      place: device,
      phase: 'generate',
    },
    {
      name: keys.gradient_checkpointing ? 'inputs of the layers' : 'kept of the layers',
      bytes: keys.gradient_checkpointing ? inputs : kept,
      place: device,
      phase: 'update',
    },
    {
      name: 'tower, kept of its blocks',
      bytes: trainsTower ? config.vision_config.depth * prompt.patches * towerWidth * towerKept : 0,
      place: device,
      phase: 'update',
    },
    {
      name: 'gradient of the head, float32',
      bytes: trainsHead ? headSize(config) * 4 : 0,
      place: device,
      phase: 'update',
    },
    {
      name: 'a layer and back, or a chunk of logits',
      bytes: Math.max(keys.gradient_checkpointing ? numTokens * live(BACKWARD_OF_A_LAYER) : 0, logits),
      place: device,
      phase: 'update',
    },
    {
      name: 'gradients widened, a run at a time',
      bytes:
        isNarrow && !keys.offload_optimizer
          ? 4 * Math.min(Math.max(largest, LARGEST_RUN), numTrained * optimized)
          : 0,
      place: device,
      phase: 'optimizer step',
    },
  ].filter(({ bytes }) => bytes > 0) as PlanItem[];

  const sum = (which: (item: PlanItem) => boolean): number =>
    items.filter(which).reduce((all, { bytes }) => all + bytes, 0);
  const saved = isNarrow || keys.offload_optimizer ? 12 : 8;
  const rest = sum(({ place, phase }) => place === 'device' && phase === undefined);
  const peaks = Object.fromEntries(
    PHASES.map((name) => [name, rest + sum(({ phase }) => phase === name)]),
  ) as Record<PlanPhase, number>;
  return {
    items,
    rest,
    peaks,
    peak: Math.max(...Object.values(peaks)),
    host: sum(({ place }) => place === 'host'),
    snapshot:
      (isLora ? 4 * numTrained : numWeights * width) + (keys.save_only_model ? 0 : numTrained * saved),
    num_trained: numTrained,
    num_tokens: numTokens,
  };
}

function isTrained(config: ModelConfig, name: string, { freeze_vision, freeze_merger }: PlanKeys): boolean {
  return !{ vision: freeze_vision, merger: freeze_merger, text: false }[partOf(config, name)];
}

const headSize = ({ text_config }: ModelConfig): number => text_config.vocab_size * text_config.hidden_size;
