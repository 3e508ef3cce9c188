/**
 * From a name to a folder on disk: a folder that exists, else the cache, else a download into the cache. The rest of the house
 * works with folders; names are resolved once, before anything is read.
 */
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { createProgress, HubError } from '../base/index.ts';
import { type CachedSnapshot, isWhole, RepoCache } from './cache.ts';
import { HubClient, type HubTimes } from './client.ts';
import { downloadFile, type RemoteFile } from './download-file.ts';
import { type HubEnvironment, hubEnvironment } from './environment.ts';
import { byHand, explained } from './explain.ts';
import { checkListing, isWeights, neededFiles } from './model-files.ts';
import {
  type DatasetFileName,
  DEFAULT_REVISION,
  fullName,
  isCommit,
  isHubAddress,
  parseDatasetFile,
  parseModelName,
  type RepoName,
} from './names.ts';

export interface ResolveOptions {
  /** @default that of the process's variables */
  readonly environment?: HubEnvironment;
  /** Hears what was taken and what is going on. */
  readonly say?: (text: string) => void;
  /** Show no progress. */
  readonly quiet?: boolean;
  /** Ask the hub, whatever lies here: a folder of that name, or a branch as the cache knows it. @default false */
  readonly refresh?: boolean;
  readonly times?: Partial<HubTimes>;
}

/** Repository, revision and commit on the hub. */
export interface HubSource {
  /** `owner/name` */
  readonly repo: string;
  /** Branch, tag or commit that was asked for. */
  readonly revision: string;
  readonly commit: string;
}

/** A name and the file or folder that it stands for. */
export interface Resolved {
  /** The name as it was given. */
  readonly given: string;
  /** The folder of a model, or the file of a dataset. */
  readonly path: string;
  /** Place on the hub; absent for a path of this machine. */
  readonly source?: HubSource;
  /** The name that means the same commit for ever; what was given where it is a path. */
  readonly pinned: string;
}

/** A name with the files that resolving it would download. */
export interface ResolvePlan extends Resolved {
  /** The files needed; empty where all is there already. */
  readonly files: readonly { readonly path: string; readonly size: number; readonly isHere: boolean }[];
  /** Bytes still to be downloaded. */
  readonly bytes: number;
  /** Bytes free where they go; undefined where nothing is to be downloaded. */
  readonly freeBytes?: number;
}

/** Files downloaded at a time. */
const PARALLEL = 4;
const MAX_LISTED = 100_000;
const MIB = 2 ** 20;
/** Smaller downloads are over before a bar is read. */
const SHOWN_BYTES = 8 * MIB;

/** Files to be downloaded, and where from. */
interface Download {
  readonly client: HubClient;
  readonly name: RepoName;
  readonly cache: RepoCache;
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

interface Found {
  readonly plan: ResolvePlan;
  readonly download?: Download;
}

/**
 * The folder of a model: the path given, if it exists; else the named model from the cache, or downloaded into it. A text that can be
 * no name on the hub is taken for a path as it is.
 * @throws HubError naming the model or file: unknown, closed, out of reach, damaged, no room
 */
export async function resolveModel(given: string, options: ResolveOptions = {}): Promise<Resolved> {
  return await carryOut(await findModel(given, options), options);
}

/** The plan of `resolveModel`: asks the hub what would be downloaded, and downloads nothing. @throws as `resolveModel` */
export async function planModel(given: string, options: ResolveOptions = {}): Promise<ResolvePlan> {
  return (await findModel(given, options)).plan;
}

/**
 * The path of a data file: as given, or downloaded where it is `hf://datasets/owner/name@revision/path`.
 * @throws HubError, ConfigError for an `hf://` address that names no file of a dataset
 */
export async function resolveDataFile(given: string, options: ResolveOptions = {}): Promise<Resolved> {
  return await carryOut(await findDataFile(given, options), options);
}

/** The plan of `resolveDataFile`, without a download. @throws as `resolveDataFile` */
export async function planDataFile(given: string, options: ResolveOptions = {}): Promise<ResolvePlan> {
  return (await findDataFile(given, options)).plan;
}

const here = (given: string): Found => ({ plan: { given, path: given, pinned: given, files: [], bytes: 0 } });

async function findModel(given: string, options: ResolveOptions): Promise<Found> {
  const { say = () => {} } = options;
  const name = parseModelName(given);
  if (options.refresh !== true && existsSync(given)) {
    if (name !== undefined) say(`taking the folder ${given}, not the model of that name on the hub`);
    return here(given);
  }
  if (name === undefined) return here(given);
  const client = clientOf(options);
  const { environment } = client;
  const cache = new RepoCache(environment.cache, name);
  const cached = await cache.model(name.revision);
  const isAsked = options.refresh === true && !environment.isOffline;
  if (
    cached !== undefined &&
    cached.missing.length === 0 &&
    !isAsked &&
    (cached.isListed || environment.isOffline)
  )
    return taken(given, name, cached, say);
  if (environment.isOffline) throw offline(name, environment, cached);

  const found = async (): Promise<Found> => {
    const commit = await commitOf(client, name);
    const listed = await listRepo(client, name, commit);
    const files = neededFiles(listed);
    if (!files.some(({ path }) => isWeights(path)))
      throw new HubError(`${fullName(name)}: no safetensors weights among its ${listed.length} files`, {
        hint: 'pickled weights are never loaded, they can run code; choose a model that has .safetensors files',
      });
    return await planned(given, { client, name, cache, commit, files }, cache.snapshotFolder(commit));
  };
  try {
    return await explained(client, name, found);
  } catch (error) {
    // What another program laid is taken as it is when nobody can be asked about it.
    if (cached === undefined || cached.missing.length > 0 || cached.isListed || !isUnreachable(error))
      throw error;
    say(`${(error as HubError).message}`);
    return taken(given, name, cached, say);
  }
}

const isUnreachable = (error: unknown): boolean =>
  error instanceof HubError && error.cause instanceof Error && error.cause.name === 'LostConnection';

function taken(given: string, name: RepoName, cached: CachedSnapshot, say: (text: string) => void): Found {
  const { commit, folder, isListed } = cached;
  const unsure = isListed
    ? ''
    : '; another program put it there, whether a file is missing cannot be told without the hub';
  say(`${fullName(name)}: commit ${commit.slice(0, 8)} from the cache${unsure}`);
  return {
    plan: {
      given,
      path: folder,
      source: { repo: name.name, revision: name.revision ?? DEFAULT_REVISION, commit },
      pinned: `${name.name}@${commit}`,
      files: [],
      bytes: 0,
    },
  };
}

function offline(
  name: RepoName,
  environment: HubEnvironment,
  cached: CachedSnapshot | undefined,
  path?: string,
): HubError {
  const lacks =
    cached === undefined
      ? `${path ?? 'no file of it'} is ${path === undefined ? '' : 'not '}in the cache`
      : `the cache lacks ${cached.missing.slice(0, 5).join(', ')}${cached.missing.length > 5 ? ` and ${cached.missing.length - 5} more` : ''} of commit ${cached.commit.slice(0, 8)}`;
  return new HubError(`${fullName(name)}: HF_HUB_OFFLINE is set, and ${lacks} (${environment.cache})`, {
    hint: `unset HF_HUB_OFFLINE, or without a network: ${byHand(name)}`,
  });
}

async function findDataFile(given: string, options: ResolveOptions): Promise<Found> {
  if (!isHubAddress(given)) return here(given);
  const { say = () => {} } = options;
  const name = parseDatasetFile(given);
  const { path } = name;
  const client = clientOf(options);
  const { environment } = client;
  const cache = new RepoCache(environment.cache, name);
  const cached = await cache.file(name.revision, path);
  if (cached !== undefined && (options.refresh !== true || environment.isOffline)) {
    say(`${given}: commit ${cached.commit.slice(0, 8)} from the cache`);
    return { plan: { ...sourceOf(given, name, cached.commit), path: cached.file, files: [], bytes: 0 } };
  }
  if (environment.isOffline) throw offline(name, environment, undefined, path);
  return await explained(
    client,
    name,
    async () => {
      const commit = await commitOf(client, name);
      const file = await describeFile(client, name, commit);
      return await planned(
        given,
        { client, name, cache, commit, files: [file] },
        `${cache.snapshotFolder(commit)}/${path}`,
      );
    },
    path,
  );
}

function clientOf({ environment = hubEnvironment(), say, times }: ResolveOptions): HubClient {
  return new HubClient({
    environment,
    ...(say === undefined ? {} : { say }),
    ...(times === undefined ? {} : { times }),
  });
}

function sourceOf(given: string, name: RepoName | DatasetFileName, commit: string) {
  const pinned = `${name.name}@${commit}`;
  return {
    given,
    source: { repo: name.name, revision: name.revision ?? DEFAULT_REVISION, commit },
    pinned: 'path' in name ? `hf://datasets/${pinned}/${name.path}` : pinned,
  };
}

async function planned(given: string, download: Download, path: string): Promise<Found> {
  const { client, name, cache, commit } = download;
  const files = await Promise.all(
    download.files.map(async (file) => ({
      path: file.path,
      size: file.size,
      isHere: await isWhole(cache.blobPath(file), file.size),
    })),
  );
  const bytes = files.reduce((sum, { size, isHere }) => sum + (isHere ? 0 : size), 0);
  const freeBytes = await freeAt(client.environment.cache);
  return { plan: { ...sourceOf(given, name, commit), path, files, bytes, freeBytes }, download };
}

async function carryOut({ plan, download }: Found, options: ResolveOptions): Promise<Resolved> {
  const { files, bytes, freeBytes, ...resolved } = plan;
  if (download === undefined) return resolved;
  const { client, name, cache, commit } = download;
  if (freeBytes !== undefined && bytes > freeBytes)
    throw new HubError(
      `${fullName(name)}: ${sizeText(bytes)} are to be downloaded, but ${client.environment.cache} has room for ${sizeText(freeBytes)}`,
      { hint: 'make room, or choose another cache folder with HF_HUB_CACHE' },
    );
  if (bytes > 0)
    client.say(
      `${fullName(name)}: downloading commit ${commit.slice(0, 8)}, ${sizeText(bytes)} into ${client.environment.cache}`,
    );
  const wholes = download.files.reduce((sum, { size }) => sum + size, 0);
  const progress = createProgress({
    total: Math.ceil(wholes / MIB),
    label: `${name.name} (MiB)`,
    quiet: options.quiet === true || bytes < SHOWN_BYTES,
  });
  const counts = new Map<string, number>();
  const count = (path: string, length: number): void => {
    counts.set(path, length);
    const done = [...counts.values()].reduce((sum, one) => sum + one, 0);
    progress.update(done === wholes ? Math.ceil(wholes / MIB) : Math.floor(done / MIB));
  };
  try {
    await explained(
      client,
      name,
      () => fetchAll(download, count),
      'path' in name ? String(name.path) : undefined,
    );
  } finally {
    progress.stop();
  }
  if (name.type === 'model') cache.setListed(commit, download.files);
  cache.setCommit(name.revision, commit);
  return resolved;
}

/** The small files, then the weights: a folder with all its weights has the rest. */
async function fetchAll(download: Download, onBytes: (path: string, length: number) => void): Promise<void> {
  const { client, name, cache, commit } = download;
  const failed = new AbortController();
  const kind = name.type === 'dataset' ? 'datasets/' : '';
  const one = async (file: RemoteFile): Promise<void> => {
    const path = file.path.split('/').map(encodeURIComponent).join('/');
    await downloadFile({
      client,
      url: `${client.environment.endpoint}/${kind}${name.name}/resolve/${commit}/${path}`,
      file,
      blob: cache.blobPath(file),
      lock: cache.lockPath(file),
      signal: failed.signal,
      onBytes: (length) => onBytes(file.path, length),
    });
    await cache.link(commit, file);
  };
  for (const stage of [
    download.files.filter(({ path }) => !isWeights(path)),
    download.files.filter(({ path }) => isWeights(path)),
  ]) {
    const waiting = [...stage];
    const worker = async (): Promise<void> => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
        try {
          await one(file);
        } catch (error) {
          waiting.length = 0;
          // The others keep what they have.
          failed.abort(error);
          throw error;
        }
      }
    };
    const results = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
    if (results.some(({ status }) => status === 'rejected')) throw failed.signal.reason;
  }
}

/** The commit that a revision is at now. */
async function commitOf(client: HubClient, name: RepoName): Promise<string> {
  const { revision = DEFAULT_REVISION } = name;
  if (isCommit(revision)) return revision;
  const { datasetInfo, modelInfo } = await import('@huggingface/hub');
  const asked = { name: name.name, revision, ...client.params };
  const { sha } =
    name.type === 'dataset'
      ? await datasetInfo({ ...asked, additionalFields: ['sha'] })
      : await modelInfo({ ...asked, additionalFields: ['sha'] });
  if (typeof sha === 'string' && isCommit(sha)) return sha;
  throw new HubError(`${fullName(name)}: the hub names ${JSON.stringify(sha)} where a commit belongs`);
}

const entrySchema = z.object({
  type: z.string(),
  path: z.string(),
  size: z.number(),
  oid: z.string(),
  lfs: z.object({ oid: z.string(), size: z.number() }).nullish(),
});

/** Path, size and checksum from the hub's answer about one file. @throws HubError when the answer has another form */
function remoteFile(entry: unknown, repo: string): RemoteFile | undefined {
  const { data, error } = entrySchema.safeParse(entry);
  if (data === undefined)
    throw new HubError(
      `${repo}: the hub's list of files is not of the expected form (${error.issues[0]?.message})`,
    );
  if (data.type !== 'file') return undefined;
  const { path, lfs } = data;
  return lfs == null
    ? { path, size: data.size, checksum: data.oid }
    : { path, size: lfs.size, checksum: lfs.oid };
}

async function listRepo(client: HubClient, name: RepoName, commit: string): Promise<readonly RemoteFile[]> {
  const { listFiles } = await import('@huggingface/hub');
  const files: RemoteFile[] = [];
  for await (const entry of listFiles({
    repo: { type: name.type, name: name.name },
    revision: commit,
    ...client.params,
  })) {
    const file = remoteFile(entry, name.name);
    if (file !== undefined) files.push(file);
    if (files.length > MAX_LISTED)
      throw new HubError(`${name.name}: the hub lists more than ${MAX_LISTED} files: no model`);
  }
  checkListing(files, name.name);
  return files;
}

async function describeFile(
  client: HubClient,
  { name, path }: DatasetFileName,
  commit: string,
): Promise<RemoteFile> {
  const { pathsInfo } = await import('@huggingface/hub');
  const [entry] = await pathsInfo({
    repo: { type: 'dataset', name },
    paths: [path],
    revision: commit,
    ...client.params,
  });
  const file = entry === undefined ? undefined : remoteFile(entry, name);
  if (file === undefined || file.path !== path)
    throw new HubError(`hf://datasets/${name}@${commit.slice(0, 8)}/${path}: no such file in the dataset`, {
      hint: `its files stand at ${client.environment.endpoint}/datasets/${name}/tree/${commit}`,
    });
  checkListing([file], name);
  return file;
}

/** Bytes that may be written at a place that need not exist yet. */
async function freeAt(folder: string): Promise<number> {
  let place = folder;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  const { bavail, bsize } = await statfs(place);
  return bavail * bsize;
}

/** `15.4 GiB`, `3.2 MiB`, `812 bytes` */
export function sizeText(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', MIB],
    ['KiB', 2 ** 10],
  ] as const)
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  return `${bytes} bytes`;
}
