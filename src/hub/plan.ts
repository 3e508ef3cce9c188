/** What a name stands for: a place on this machine, and the files to be downloaded first. */
import { freeBytes } from '../base/index.ts';
import { isWhole, type RepoCache } from './cache.ts';
import type { HubClient } from './client.ts';
import type { RemoteFile } from './download-file.ts';
import { DEFAULT_REVISION, fileAddress, type RepoFile, type RepoName } from './names.ts';

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

/** Files to be downloaded, and where from. */
export interface Download {
  readonly client: HubClient;
  readonly name: RepoName;
  readonly cache: RepoCache;
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

export interface Found {
  readonly plan: ResolvePlan;
  readonly download?: Download;
}

/** A path of this machine. */
export const here = (given: string): Found => ({
  plan: { given, path: given, pinned: given, files: [], bytes: 0 },
});

/** Where a commit's files come from, and the name that means them for ever. */
export function sourceOf(given: string, name: RepoName | RepoFile, commit: string) {
  const pinned = `${name.name}@${commit}`;
  return {
    given,
    source: { repo: name.name, revision: name.revision ?? DEFAULT_REVISION, commit },
    pinned: 'path' in name ? fileAddress(name, commit) : pinned,
  };
}

/** The plan of a download into a cache that may have some of the files. */
export async function planned(given: string, download: Download, path: string): Promise<Found> {
  const { client, name, cache, commit } = download;
  const files = await Promise.all(
    download.files.map(async (file) => ({
      path: file.path,
      size: file.size,
      isHere: await isWhole(cache.blobPath(file), file.size),
    })),
  );
  const bytes = files.reduce((sum, { size, isHere }) => sum + (isHere ? 0 : size), 0);
  const room = freeBytes(client.environment.cache);
  return { plan: { ...sourceOf(given, name, commit), path, files, bytes, freeBytes: room }, download };
}
