/**
 * Writing safetensors: one file, or a folder of shards with `model.safetensors.index.json`. Data come in pieces, so a
 * checkpoint larger than memory can be written; each file appears whole or not at all.
 *
 * Layout of shards and index: huggingface_hub `serialization/_base.py` (sorted by name, cut before the limit is passed).
 */
import { join } from 'node:path';
import { CheckpointError, type FileWriter, writeFileAtomic } from '../base/index.ts';
import { byteLength, layOut, type TensorSpec } from './safetensors-format.ts';

/** A tensor to be written. `write` hands over its bytes, little-endian and row-major, in as many pieces as it likes. */
export interface TensorSource extends TensorSpec {
  readonly write: (put: (piece: Uint8Array) => void) => void;
}

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';
/** Shard limit of the published folders, in bytes. */
const MAX_SHARD_SIZE = 5e9;

/** Write one safetensors file. @throws CheckpointError (`internal:`) when a source gives too few or too many bytes. */
export function writeSafetensorsFile(
  file: string,
  sources: Iterable<TensorSource>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
  writer: FileWriter = writeFileAtomic,
): void {
  const { header, order } = layOut(sources, metadata);
  const size = order.reduce((sum, source) => sum + byteLength(source), header.length);
  const put = (write: (piece: Uint8Array) => void): void => {
    write(header);
    for (const source of order) {
      let written = 0;
      source.write((piece) => {
        written += piece.length;
        write(piece);
      });
      const expected = byteLength(source);
      if (written !== expected) {
        throw new CheckpointError(
          `internal: ${file}: tensor ${source.name} gave ${written} bytes, expected ${expected}`,
        );
      }
    }
  };
  writer(file, put, size);
}

export interface WeightFileOptions {
  /** Bytes in a shard at most. @default 5 GB */
  readonly max_shard_size?: number | undefined;
  /** @default writeFileAtomic */
  readonly writer?: FileWriter | undefined;
}

/**
 * Write the weights of a model folder: `model.safetensors`, or `model-00001-of-0000N.safetensors` and the index where
 * they take more than `max_shard_size` bytes. A single tensor above the limit gets a shard of its own.
 * @returns names of the files written
 */
export function writeWeightFiles(
  dir: string,
  sources: Iterable<TensorSource>,
  { max_shard_size = MAX_SHARD_SIZE, writer = writeFileAtomic }: WeightFileOptions = {},
): string[] {
  const sorted = [...sources].sort((a, b) => (a.name < b.name ? -1 : 1));
  const shards: TensorSource[][] = [[]];
  let size = 0;
  for (const source of sorted) {
    const bytes = byteLength(source);
    if (size + bytes > max_shard_size && (shards.at(-1) as TensorSource[]).length > 0) {
      shards.push([]);
      size = 0;
    }
    (shards.at(-1) as TensorSource[]).push(source);
    size += bytes;
  }
  if (shards.length === 1) {
    writeSafetensorsFile(join(dir, SINGLE_FILE), sorted, undefined, writer);
    return [SINGLE_FILE];
  }
  const weight_map: Record<string, string> = {};
  const files = shards.map((shard, index) => {
    const name = `model-${pad5(index + 1)}-of-${pad5(shards.length)}.safetensors`;
    writeSafetensorsFile(join(dir, name), shard, undefined, writer);
    for (const source of shard) weight_map[source.name] = name;
    return name;
  });
  // The index is written last: a folder without it is visibly incomplete.
  const total_size = sorted.reduce((sum, source) => sum + byteLength(source), 0);
  writer(join(dir, INDEX_FILE), `${JSON.stringify({ metadata: { total_size }, weight_map }, null, 2)}\n`);
  return [...files, INDEX_FILE];
}

function pad5(n: number): string {
  return String(n).padStart(5, '0');
}
