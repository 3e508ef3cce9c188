/**
 * A model of the hub as its headers tell it: the small files, and of each weight file only the header, by range requests. The folder
 * made of them looks like the model's own; behind a header lies a hole as long as the weights, which takes no room on the disk.
 *
 * Source: safetensors' format, 8 bytes of length and a JSON header before the tensors.
 */
import { mkdtemp, open, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HubError } from '../base/index.ts';
import { fetchAll, fileUrl } from './carry-out.ts';
import { chunksOf, Watchdog } from './client.ts';
import type { RemoteFile } from './download-file.ts';
import { explained } from './explain.ts';
import { isWeights } from './model-files.ts';
import type { Download } from './plan.ts';
import { findModel, type ResolveOptions } from './resolve.ts';

/** Bytes asked for at first; the header of a shard of a 7B model is shorter. */
const FIRST_BYTES = 2 ** 16;
/** Largest header that safetensors itself reads. */
const MAX_HEADER_BYTES = 100_000_000;

export interface ModelHeaders {
  /** A folder to be read; not to be loaded from. */
  readonly path: string;
  /** Removes what was made for it. */
  readonly dispose: () => Promise<void>;
}

/** @throws HubError as `resolveModel`, and for a weight file without a header */
export async function resolveModelHeaders(
  given: string,
  options: ResolveOptions = {},
): Promise<ModelHeaders> {
  const { plan, download } = await findModel(given, options);
  if (download === undefined || plan.bytes === 0) return { path: plan.path, dispose: async () => {} };
  const { client, name, cache, commit, files } = download;
  const folder = await mkdtemp(join(tmpdir(), 'twgrpo-headers-'));
  const dispose = async () => await rm(folder, { recursive: true });
  try {
    await explained(client, name, async () => {
      const small = files.filter(({ path }) => !isWeights(path));
      await fetchAll({ ...download, files: small }, () => {});
      for (const { path } of small)
        await symlink(join(cache.snapshotFolder(commit), path), join(folder, path));
      for (const file of files.filter(({ path }) => isWeights(path)))
        await writeHeader(join(folder, file.path), await readHeader(download, file), file.size);
    });
  } catch (error) {
    await dispose();
    throw error;
  }
  return { path: folder, dispose };
}

async function writeHeader(path: string, header: Uint8Array, size: number): Promise<void> {
  const handle = await open(path, 'w');
  try {
    await handle.write(header);
    await handle.truncate(size);
  } finally {
    await handle.close();
  }
}

/** The first bytes of a weight file, up to its first tensor. */
async function readHeader(download: Download, file: RemoteFile): Promise<Uint8Array> {
  const first = await readStart(download, file, Math.min(file.size, FIRST_BYTES));
  const length = first.length < 8 ? Number.NaN : 8 + Number(first.readBigUInt64LE());
  if (!(length <= Math.min(file.size, MAX_HEADER_BYTES)))
    throw new HubError(`${file.path}: does not begin with a header of safetensors`);
  const bytes = length <= first.length ? first : await readStart(download, file, length);
  return bytes.subarray(0, length);
}

async function readStart(download: Download, file: RemoteFile, count: number): Promise<Buffer> {
  const { client } = download;
  const url = fileUrl(download, file);
  return await client.retrying(file.path, async () => {
    const watchdog = new Watchdog(client.times.stallMs);
    try {
      const headers = { 'accept-encoding': 'identity', range: `bytes=0-${count - 1}` };
      const response = await client.open(url, { isFile: true, headers, signal: watchdog.signal });
      const chunks: Uint8Array[] = [];
      let length = 0;
      // A server that knows no ranges sends all of it: the rest is not waited for.
      for await (const chunk of chunksOf(response, url, watchdog)) {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= count) break;
      }
      return Buffer.concat(chunks).subarray(0, count);
    } finally {
      watchdog.stop();
    }
  });
}
