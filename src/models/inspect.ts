/**
 * What a model or adapter folder holds, from its small files and the headers of its weights: sizes by part, what was filled in, what is
 * odd, and what would keep it from loading. No weight is read.
 */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Notice, TwgrpoError } from '../base/index.ts';
import { type LazyTensor, loadCheckpoint } from '../io/index.ts';
import type { ModelConfig } from './config.ts';
import { familyOf, partOf } from './families.ts';
import { namesOf } from './lora/lora.ts';
import { openAdapter, patterned } from './lora/lora-files.ts';
import { withPatternsOf } from './lora/module-names.ts';
import { openModelFolder } from './model-folder.ts';
import { publishedSize } from './published.ts';
import { EMBEDDING, HEAD, unwrapName } from './stored-names.ts';
import { openWeights } from './weights.ts';

/** Weights that belong together. */
export interface PartSize {
  readonly part: string;
  /** Number of tensors. */
  readonly tensors: number;
  /** Numbers in them. */
  readonly parameters: number;
  readonly bytes: number;
  readonly dtypes: readonly string[];
}

/** What keeps a folder from loading, with the next step. */
export interface Problem {
  readonly message: string;
  readonly hint: string | undefined;
}

interface Report {
  readonly path: string;
  readonly parts: readonly PartSize[];
  readonly total: PartSize;
  /** Names of the weight files. */
  readonly files: readonly string[];
  /** What was read otherwise than a file states it. */
  readonly notices: readonly string[];
  readonly problems: readonly Problem[];
}

export interface ModelReport extends Report {
  readonly kind: 'model';
  readonly config: ModelConfig;
  /** Name of the published model of this family and size. */
  readonly published: string | undefined;
  /** File of the chat template. */
  readonly chat_template: string | undefined;
  readonly stop_token_ids: readonly number[];
}

export interface AdapterReport extends Report {
  readonly kind: 'adapter';
  readonly base_model_name_or_path: string | undefined;
  readonly r: number;
  readonly lora_alpha: number;
  readonly use_rslora: boolean;
  /** What the additions are multiplied by, each value once. */
  readonly scales: readonly number[];
  /** Adapted layers by the last part of their name. */
  readonly layers: Readonly<Record<string, number>>;
  /** Weights that take the place of the model's. */
  readonly replaced: readonly string[];
}

/**
 * Look into a folder. What keeps it from loading is listed, not thrown, as far as the rest can be told without it.
 * @throws CheckpointError where there is neither a readable config.json nor a readable adapter
 */
export function inspectFolder(path: string): ModelReport | AdapterReport {
  const isAdapter = existsSync(join(path, 'adapter_config.json')) && !existsSync(join(path, 'config.json'));
  return isAdapter ? inspectAdapter(path) : inspectModel(path);
}

function inspectModel(path: string): ModelReport {
  const notices: string[] = [];
  const problems: Problem[] = [];
  const attempt = attempting(problems);
  const folder = openModelFolder(path, { notice: (text) => notices.push(text) });
  const { config } = folder;
  const weights =
    attempt(() => storedWeights(path, config, (text) => notices.push(text), problems)) ?? new Map();
  const processor = attempt(() => folder.processor);
  attempt(() => processor?.checkTemplate());
  const stop_token_ids = attempt(() => folder.stop_token_ids) ?? [];
  const parts = sizes(weights, (name) => partName(config, name));
  const odd = processor === undefined ? [] : oddities(config, weights, processor.tokenizer.size);
  return {
    kind: 'model',
    path,
    config,
    published: publishedSize(config),
    chat_template: processor?.template.file,
    stop_token_ids,
    ...{ parts, total: totalOf(parts), files: filesOf(weights) },
    notices: [...new Set([...notices, ...odd])],
    problems,
  };
}

function inspectAdapter(path: string): AdapterReport {
  const notices: string[] = [];
  // The families share one layout of names, so the model need not be known.
  const family = familyOf({ model_type: 'qwen2_5_vl' });
  const { config, pairs, replaced, files } = openAdapter(path, family, (text) => notices.push(text));
  files.close();
  const kindOf = (module: string) => module.split('.').at(-1)!;
  const layers: Record<string, number> = {};
  for (const module of pairs.keys()) layers[kindOf(module)] = (layers[kindOf(module)] ?? 0) + 1;
  const tensors = new Map([
    ...[...pairs].flatMap(([module, { A, B }]) => [[`${module}.A`, A] as const, [`${module}.B`, B] as const]),
    ...replaced,
  ]);
  const parts = sizes(tensors, (name) =>
    replaced.has(name)
      ? 'taken whole'
      : name.startsWith('visual.')
        ? 'pairs in the vision tower'
        : 'pairs in the decoder',
  );
  const scale = (module: string) => patterned(config, namesOf(module, family)).scale;
  return {
    kind: 'adapter',
    path,
    base_model_name_or_path: config.base_model_name_or_path,
    ...{ r: config.r, lora_alpha: config.lora_alpha, use_rslora: config.use_rslora },
    scales: [...withPatternsOf(config.file, () => new Set([...pairs.keys()].map(scale)))],
    layers,
    replaced: [...replaced.keys()],
    ...{ parts, total: totalOf(parts), files: filesOf(tensors) },
    notices,
    problems: [],
  };
}

/** Runs what may fail because of the folder; a failure is noted. */
function attempting(problems: Problem[]) {
  return <T>(body: () => T): T | undefined => {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof TwgrpoError)) throw error;
      // One fault may stop several looks at a folder.
      if (!problems.some(({ message }) => message === error.message))
        problems.push({ message: error.message, hint: error.hint });
      return undefined;
    }
  };
}

/** The stored weights by published name; where they do not fit the configuration, all that are there. */
function storedWeights(
  path: string,
  config: ModelConfig,
  notice: Notice,
  problems: Problem[],
): ReadonlyMap<string, LazyTensor> {
  const opened = attempting(problems)(() => openWeights(path, config, notice));
  if (opened !== undefined) {
    opened.files.close();
    const { stored, tiedHead } = opened;
    return tiedHead === undefined ? stored : new Map([...stored, [HEAD, tiedHead]]);
  }
  const { publishedName } = familyOf(config);
  using files = loadCheckpoint(path, { mayLack: () => true });
  return new Map([...files].map(([key, lazy]) => [publishedName(unwrapName(key).name), lazy]));
}

const PARTS: readonly (readonly [start: string, part: string])[] = [
  [EMBEDDING, 'token embedding'],
  ['model.', 'decoder'],
  [HEAD, 'head'],
];

const VISION_PARTS = { vision: 'vision tower', merger: 'merger' } as const;

function partName(config: ModelConfig, name: string): string {
  const part = partOf(config, name);
  return part === 'text'
    ? (PARTS.find(([start]) => name.startsWith(start))?.[1] ?? 'unknown')
    : VISION_PARTS[part];
}

function sizes(weights: ReadonlyMap<string, LazyTensor>, part: (name: string) => string): PartSize[] {
  const groups = new Map<string, LazyTensor[]>();
  for (const [name, lazy] of weights) groups.set(part(name), [...(groups.get(part(name)) ?? []), lazy]);
  const order = [...Object.values(VISION_PARTS), ...PARTS.map(([, name]) => name), 'unknown'];
  return [...groups]
    .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([name, found]) => sizeOf(name, found));
}

function sizeOf(part: string, tensors: readonly LazyTensor[]): PartSize {
  const count = ({ shape }: LazyTensor) => shape.reduce((product, side) => product * side, 1);
  return {
    part,
    tensors: tensors.length,
    parameters: tensors.reduce((sum, lazy) => sum + count(lazy), 0),
    bytes: tensors.reduce((sum, { nbytes }) => sum + nbytes, 0),
    dtypes: [...new Set(tensors.map(({ dtype }) => dtype))],
  };
}

function totalOf(parts: readonly PartSize[]): PartSize {
  const sum = (of: 'tensors' | 'parameters' | 'bytes') => parts.reduce((total, part) => total + part[of], 0);
  const dtypes = [...new Set(parts.flatMap((part) => part.dtypes))];
  return { part: 'all', tensors: sum('tensors'), parameters: sum('parameters'), bytes: sum('bytes'), dtypes };
}

const filesOf = (weights: ReadonlyMap<string, LazyTensor>) => [
  ...new Set([...weights.values()].map(({ file }) => basename(file))),
];

/** What is worth a look though it loads. */
function oddities(config: ModelConfig, weights: ReadonlyMap<string, LazyTensor>, tokens: number): string[] {
  const found: string[] = [];
  const stored = weights.get(EMBEDDING)?.dtype;
  if (config.dtype !== undefined && stored !== undefined && config.dtype !== stored)
    found.push(`config.json says ${config.dtype}, the embedding is stored in ${stored}: the files decide`);
  const dtypes = new Set([...weights.values()].map(({ dtype }) => dtype));
  if (dtypes.size > 1) found.push(`weights are stored in ${[...dtypes].join(' and ')}`);
  const { vocab_size } = config.text_config;
  if (vocab_size - tokens > 1024)
    found.push(
      `the embedding has ${vocab_size} rows, the tokenizer ${tokens} tokens; the rest is never drawn`,
    );
  return found;
}
