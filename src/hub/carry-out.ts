/** The download of a plan, with its progress: afterwards the files lie in the cache, and it knows their commit. */
import { createProgress, HubError, sizeText } from '../base/index.ts';
import { downloadFile, type RemoteFile } from './download-file.ts';
import { explained } from './explain.ts';
import { isWeights } from './model-files.ts';
import { fullName } from './names.ts';
import type { Download, Found, Resolved } from './plan.ts';

/** Files downloaded at a time. */
const PARALLEL = 4;
const MIB = 2 ** 20;
/** Smaller downloads are over before a bar is read. */
const SHOWN_BYTES = 8 * MIB;

/**
 * Downloads what is not here.
 * @param quiet shows no progress
 * @throws HubError when there is no room, or a file cannot be had whole
 */
export async function carryOut({ plan, download }: Found, quiet: boolean): Promise<Resolved> {
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
    quiet: quiet || bytes < SHOWN_BYTES,
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

/** Address of a file at the commit of a download. */
export function fileUrl({ client, name, commit }: Download, file: RemoteFile): string {
  const kind = name.type === 'dataset' ? 'datasets/' : '';
  const path = file.path.split('/').map(encodeURIComponent).join('/');
  return `${client.environment.endpoint}/${kind}${name.name}/resolve/${commit}/${path}`;
}

/** The small files, then the weights: a folder with all its weights has the rest. */
export async function fetchAll(
  download: Download,
  onBytes: (path: string, length: number) => void,
): Promise<void> {
  const { client, cache, commit } = download;
  const failed = new AbortController();
  const one = async (file: RemoteFile): Promise<void> => {
    await downloadFile({
      client,
      url: fileUrl(download, file),
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
