/**
 * A model and its adapter as one model folder: W + scale * B A for every adapted layer, whole modules in the place of the
 * model's, everything else as it was. One weight is in memory at a time, besides the adapter.
 *
 * Source: huggingface/peft `merge_and_unload`; computed in float32 and rounded once.
 */
import { type Notice, processWarning, writeFolderAtomic } from '../base/index.ts';
import type { LazyTensor, WeightSource } from '../io/index.ts';
import { noGrad, scope, type Tensor } from '../tensor/index.ts';
import type { ModelConfig } from './config.ts';
import { familyOf } from './families.ts';
import { mergedWeight, namesOf, scaleOf } from './lora/lora.ts';
import { checkAdapter, type OpenedAdapter, openAdapter, splitsHead } from './lora/lora-files.ts';
import { openModelFolder } from './model-folder.ts';
import { EMBEDDING } from './stored-names.ts';
import { type OpenedWeights, openWeights, writeModelSources } from './weights.ts';

export interface MergeOptions {
  /** Folder of the model. */
  readonly model: string;
  /** Folder of the adapter. */
  readonly adapter: string;
  /** The folder to write; it must not exist, and appears whole or not at all. */
  readonly output_dir: string;
  /** Bytes in a shard at most. Default 5 GB. */
  readonly max_shard_size?: number | undefined;
  /** Told what was read otherwise than a file states it. Default: a warning of the process. */
  readonly notice?: Notice | undefined;
  /** Told how many of the weights are read. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface MergeResult {
  /** Layers that the adapter changed. */
  readonly layers: number;
  /** Weights that were taken whole from the adapter. */
  readonly replaced: readonly string[];
  readonly config: ModelConfig;
  /** Names of the weight files. */
  readonly files: readonly string[];
}

/**
 * Write the merged folder. Weights keep the dtype they have in the model's files.
 * @throws CheckpointError naming file and key; DataError where the folder exists
 */
export function mergeAdapter({ model, adapter, output_dir, ...options }: MergeOptions): MergeResult {
  const { max_shard_size, notice = processWarning, onProgress } = options;
  const { config } = openModelFolder(model, { notice });
  const opened = openWeights(model, config, notice);
  try {
    const added = openAdapter(adapter, familyOf(config), notice);
    try {
      checkAdapter(added, { config, weights: opened.stored }, notice);
      const isSplit = splitsHead(added, { config });
      const merged: ModelConfig = isSplit ? { ...config, tie_word_embeddings: false } : config;
      const weights = counted(sources(opened, added, merged), onProgress);
      let files: readonly string[] = [];
      writeFolderAtomic(output_dir, (folder) => {
        files = writeModelSources(folder, merged, weights, { from: model, max_shard_size });
      });
      return { layers: added.pairs.size, replaced: [...added.replaced.keys()], config: merged, files };
    } finally {
      added.files.close();
    }
  } finally {
    opened.files.close();
  }
}

/** The same sources, each of which says when it was read. */
function counted(
  sources: ReadonlyMap<string, WeightSource>,
  onProgress: MergeOptions['onProgress'] = () => {},
): Map<string, WeightSource> {
  let done = 0;
  const count = (source: WeightSource): WeightSource => ({
    ...source,
    read: () => {
      const tensor = source.read();
      onProgress(++done, sources.size);
      return tensor;
    },
  });
  return new Map([...sources].map(([name, source]) => [name, count(source)]));
}

/** Every weight of the merged model, to be read when it is written. */
function sources(
  { files, stored }: OpenedWeights,
  { config, pairs, replaced }: OpenedAdapter,
  merged: ModelConfig,
): Map<string, WeightSource> {
  const family = familyOf(merged);
  let mapped = '';
  /** A weight of the model; the mapping of one shard is let go before the next is made. */
  const read = (lazy: LazyTensor): Tensor => {
    if (lazy.file !== mapped) files.close();
    mapped = lazy.file;
    return lazy.read();
  };
  const source = (name: string): WeightSource => {
    const base = stored.get(name) ?? stored.get(EMBEDDING)!;
    const whole = replaced.get(name);
    const module = name.replace(/\.weight$/, '');
    const pair = pairs.get(module);
    return {
      dtype: base.dtype,
      shape: base.shape,
      read: () =>
        noGrad(() =>
          scope(() => {
            if (whole !== undefined) return whole.read().to({ dtype: base.dtype });
            if (pair === undefined) return read(base);
            const scale = scaleOf(config, namesOf(module, family));
            return mergedWeight(read(base), { A: pair.A.read(), B: pair.B.read(), scale });
          }),
        ),
    };
  };
  return new Map([...family.weightShapes(merged).keys()].map((name) => [name, source(name)]));
}
