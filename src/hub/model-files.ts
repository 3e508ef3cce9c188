/**
 * Which files of a repository a model folder needs: configuration, tokenizer, templates, processors and safetensors weights, from its
 * top level. Pickles, other formats' weights and everything that only describes the model stay where they are.
 */
import { HubError } from '../base/index.ts';
import type { RemoteFile } from './download-file.ts';
import { isPlainPath } from './names.ts';

const SINGLE_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';
const ADAPTER_FILE = 'adapter_model.safetensors';

const SMALL_FILES = new Set([
  'adapter_config.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
  'config.json',
  'generation_config.json',
  'merges.txt',
  'preprocessor_config.json',
  'processor_config.json',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'video_preprocessor_config.json',
  'vocab.json',
  'vocab.txt',
]);

const isSmall = (name: string): boolean => SMALL_FILES.has(name);

/** The shards that belong to `model.safetensors.index.json` by transformers' naming. */
const isShard = (name: string): boolean => /^model-\d{5}-of-\d{5}\.safetensors$/.test(name);

/**
 * The needed ones of the files listed, the small ones first and the weights last. Of two forms of the weights the single file
 * is taken, as transformers does.
 */
export function neededFiles<File extends { readonly path: string }>(
  listed: readonly File[],
): readonly File[] {
  const names = new Set(listed.map(({ path }) => path));
  const hasSingle = names.has(SINGLE_FILE);
  const small = listed.filter(({ path }) => isSmall(path) || (path === INDEX_FILE && !hasSingle));
  const weights = listed.filter(
    ({ path }) =>
      path === ADAPTER_FILE || (hasSingle ? path === SINGLE_FILE : names.has(INDEX_FILE) && isShard(path)),
  );
  return [...small.sort(byPath), ...weights.sort(byPath)];
}

const byPath = (a: { readonly path: string }, b: { readonly path: string }): number =>
  a.path < b.path ? -1 : 1;

/** True for the files that come last: a folder that has them has all the others. */
export const isWeights = (name: string): boolean => name.endsWith('.safetensors');

/**
 * What a folder still lacks to be one that can be loaded, as far as names tell; empty when nothing does.
 * @param names files that are there
 */
export function missingForLoading(names: ReadonlySet<string>): readonly string[] {
  const lacks = (...alternatives: readonly string[]): readonly string[] =>
    alternatives.some((name) => names.has(name)) ? [] : [alternatives[0]!];
  if (names.has('adapter_config.json') && !names.has('config.json')) return lacks(ADAPTER_FILE);
  const shards = [...names].filter(isShard);
  const count = Number(/-of-(\d{5})/.exec(shards[0] ?? '')?.[1] ?? 1);
  return [
    ...lacks('config.json'),
    ...lacks('tokenizer.json'),
    ...lacks('preprocessor_config.json', 'processor_config.json'),
    ...(names.has(SINGLE_FILE)
      ? []
      : !names.has(INDEX_FILE) || shards.length === 0
        ? lacks(SINGLE_FILE, INDEX_FILE)
        : shards.length < count
          ? [`${count - shards.length} of ${count} shards of the weights`]
          : []),
  ];
}

/**
 * Refuses a listing that no honest repository has.
 * @throws HubError naming the file
 */
export function checkListing(files: readonly RemoteFile[], repo: string): void {
  const seen = new Set<string>();
  for (const { path, size, checksum } of files) {
    const problem = !isPlainPath(path)
      ? 'its path leads out of the folder'
      : !Number.isSafeInteger(size) || size < 0
        ? `its size is ${size}`
        : !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(checksum)
          ? 'its checksum is none'
          : seen.has(path)
            ? 'it is listed twice'
            : isSmall(path) && size > MAX_SMALL_BYTES
              ? `its size is ${size} bytes, far beyond any such file`
              : undefined;
    if (problem !== undefined)
      throw new HubError(
        `${repo}: the hub lists ${JSON.stringify(path.slice(0, 200))}, but ${problem}: nothing is downloaded`,
      );
    seen.add(path);
  }
}

/** Beyond every tokenizer; such a file is read into memory whole. */
const MAX_SMALL_BYTES = 512 * 2 ** 20;
