/**
 * From a name to a folder on disk: a folder that exists, else the cache, else a download into the cache. The rest of the house
 * works with folders; names are resolved once, before anything is read.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HubError } from '../base/index.ts';
import { type CachedSnapshot, RepoCache } from './cache.ts';
import { carryOut } from './carry-out.ts';
import { HubClient, type HubTimes } from './client.ts';
import { type HubEnvironment, hubEnvironment } from './environment.ts';
import { byHand, explained } from './explain.ts';
import { commitOf, describeFile, listRepo } from './listing.ts';
import { isWeights, neededFiles } from './model-files.ts';
import {
  fullName,
  isHubAddress,
  parseDatasetFile,
  parseModelName,
  type RepoFile,
  type RepoName,
} from './names.ts';
import { type Found, here, planned, type Resolved, type ResolvePlan, sourceOf } from './plan.ts';

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

/**
 * The folder of a model: the path given, if it exists; else the named model from the cache, or downloaded into it. A text that can be
 * no name on the hub is taken for a path as it is.
 * @throws HubError naming the model or file: unknown, closed, out of reach, damaged, no room
 */
export async function resolveModel(given: string, options: ResolveOptions = {}): Promise<Resolved> {
  return await carryOut(await findModel(given, options), options.quiet === true);
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
  return await carryOut(await findDataFile(given, options), options.quiet === true);
}

/** The plan of `resolveDataFile`, without a download. @throws as `resolveDataFile` */
export async function planDataFile(given: string, options: ResolveOptions = {}): Promise<ResolvePlan> {
  return (await findDataFile(given, options)).plan;
}

/** What a model's name means, before anything is downloaded. @throws as `resolveModel` */
export async function findModel(given: string, options: ResolveOptions): Promise<Found> {
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
    plan: { ...sourceOf(given, name, commit), path: folder, files: [], bytes: 0 },
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

/**
 * The path of a model's `config.json` alone: in the folder given, or the file given, or downloaded where it is the name of a model.
 * @throws HubError as `resolveModel`
 */
export async function resolveModelConfig(given: string, options: ResolveOptions = {}): Promise<Resolved> {
  const name = parseModelName(given);
  if (name === undefined || existsSync(given))
    return here(given.endsWith('.json') ? given : join(given, CONFIG_FILE)).plan;
  return await carryOut(
    await findFile(given, { ...name, path: CONFIG_FILE }, options),
    options.quiet === true,
  );
}

const CONFIG_FILE = 'config.json';

async function findDataFile(given: string, options: ResolveOptions): Promise<Found> {
  return isHubAddress(given) ? await findFile(given, parseDatasetFile(given), options) : here(given);
}

async function findFile(given: string, name: RepoFile, options: ResolveOptions): Promise<Found> {
  const { say = () => {} } = options;
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
