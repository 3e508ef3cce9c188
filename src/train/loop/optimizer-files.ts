/**
 * The optimizer's state on disk, in one file or in a part for each rank that saved it, and read back by any number of ranks: a tensor is
 * put together from the parts that hold its numbers.
 *
 * A part is a safetensors file `optimizer-00001-of-00002.safetensors` with tensors under the names of `Optimizer.state`. Where a tensor is
 * a piece of a larger one, the file's metadata say so: `pieces` is JSON, by parameter `[from, total]` in numbers of the flat parameter.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, type FileWriter } from '../../base/index.ts';
import type { Processes } from '../../dist/index.ts';
import { type CheckpointFiles, type LazyTensor, openSafetensors, saveSafetensors } from '../../io/index.ts';
import { empty, noGrad, scope, type Tensor } from '../../tensor/index.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import type { OptimizedPiece } from '../shard/scattered-gradients.ts';

const SINGLE = 'optimizer.safetensors';
const PART = /^optimizer-(\d{5})-of-(\d{5})\.safetensors$/;

type Pieces = ReadonlyMap<string, OptimizedPiece> | undefined;

/** `exp_avg.model.norm.weight` -> `model.norm.weight` */
const paramOf = (key: string): string => key.slice(key.indexOf('.') + 1);
const isCount = (key: string): boolean => key.startsWith('step.');

/** The file that a rank writes. */
export function partName(rank: number, world_size: number): string {
  const pad = (n: number): string => String(n).padStart(5, '0');
  return world_size === 1 ? SINGLE : `optimizer-${pad(rank + 1)}-of-${pad(world_size)}.safetensors`;
}

interface PartOptions {
  readonly processes: Processes;
  readonly pieces: Pieces;
  readonly writer: FileWriter;
}

/** Writes this rank's part: its pieces, or of a state that all ranks have whole an equal share of the parameters. */
export function saveOptimizerPart(
  dir: string,
  optimizer: Optimizer,
  { processes, pieces, writer }: PartOptions,
): void {
  const { rank, world_size } = processes;
  const state = optimizer.state();
  const file = join(dir, partName(rank, world_size));
  if (world_size === 1) {
    saveSafetensors(file, state, undefined, writer);
    return;
  }
  if (pieces === undefined) {
    const names = [...new Set([...state.keys()].map(paramOf))];
    const own = new Set(names.filter((_, i) => i % world_size === rank));
    saveSafetensors(file, new Map([...state].filter(([key]) => own.has(paramOf(key)))), undefined, writer);
    return;
  }
  const places = Object.fromEntries([...pieces].map(([name, { from, param }]) => [name, [from, param.size]]));
  saveSafetensors(file, state, { format: 'pt', pieces: JSON.stringify(places) }, writer);
}

/** Numbers of a tensor that one file holds. */
interface Found {
  readonly lazy: LazyTensor;
  /** Place of the first in the flat tensor; undefined: the file holds all of it. */
  readonly from: number | undefined;
}

/**
 * Restores what this rank's optimizer updates.
 * @param params.whole the parameters that train
 * @param params.pieces what of them this rank has, where that is not all
 * @throws CheckpointError when files or tensors are missing, surplus or of another size
 */
export function loadOptimizer(
  checkpointDir: string,
  optimizer: Optimizer,
  { whole, pieces }: { readonly whole: ReadonlyMap<string, Tensor>; readonly pieces: Pieces },
): void {
  const dir = join(checkpointDir, 'training_state');
  const files = openFiles(dir);
  try {
    const found = foundIn(files);
    scope('loadOptimizer', () => {
      const own = optimizer.state();
      const read = new Map<string, Tensor>();
      for (const [key, parts] of found) {
        const target = own.get(key);
        // What another rank updates is no surplus.
        if (target === undefined && pieces !== undefined && whole.has(paramOf(key))) continue;
        const piece = pieces?.get(paramOf(key));
        const isWholeHere = piece === undefined || isCount(key) || target === undefined;
        const isWholeThere = parts.length === 1 && parts[0]!.from === undefined;
        read.set(
          key,
          isCount(key) || (isWholeHere && isWholeThere)
            ? parts[0]!.lazy.read()
            : isWholeHere
              ? rangeOf(key, parts, 0, target?.numel() ?? 0).view(target?.shape ?? [0])
              : rangeOf(key, parts, piece.from, piece.size),
        );
      }
      optimizer.loadState(read);
    });
  } finally {
    for (const one of files) one.close();
  }
}

function openFiles(dir: string): CheckpointFiles[] {
  const parts = readdirSync(dir).flatMap((name) => {
    const [, number, count] = PART.exec(name) ?? [];
    return number === undefined ? [] : [{ name, number: Number(number), count: Number(count) }];
  });
  if (parts.length === 0) return [openSafetensors(join(dir, SINGLE))];
  const [{ count }] = parts as [(typeof parts)[number]];
  if (parts.length !== count || parts.some((part) => part.count !== count))
    throw new CheckpointError(
      `${dir}: ${parts.length} of ${count} parts of the optimizer: ${parts.map(({ name }) => name).join(', ')}`,
      { hint: 'copy the whole checkpoint: each rank wrote one part' },
    );
  return parts.sort((a, b) => a.number - b.number).map(({ name }) => openSafetensors(join(dir, name)));
}

function foundIn(files: readonly CheckpointFiles[]): Map<string, Found[]> {
  const found = new Map<string, Found[]>();
  for (const file of files) {
    const places = JSON.parse(file.metadata['pieces'] ?? '{}') as Record<string, [number, number]>;
    for (const [key, lazy] of file) {
      const place = isCount(key) ? undefined : places[paramOf(key)];
      found.set(key, [...(found.get(key) ?? []), { lazy, from: place?.[0] }]);
    }
  }
  return found;
}

/** Numbers `from` to `from + size` of a flat tensor. @throws CheckpointError where the parts do not hold all of them */
function rangeOf(key: string, parts: readonly Found[], from: number, size: number): Tensor {
  return scope(() =>
    noGrad(() => {
      const dtype = parts[0]!.lazy.dtype;
      const range = empty([size], { dtype });
      let filled = 0;
      for (const part of parts) {
        const begin = part.from ?? 0;
        const length = part.lazy.shape.reduce((product, n) => product * n, 1);
        const [first, last] = [Math.max(from, begin), Math.min(from + size, begin + length)];
        if (first >= last) continue;
        const numbers = part.lazy
          .read()
          .view([-1])
          .narrow(0, first - begin, last - first);
        range.narrow(0, first - from, last - first).copy_(numbers);
        filled += last - first;
      }
      if (filled !== size)
        throw new CheckpointError(
          `the parts of the optimizer hold ${filled} of the ${size} numbers of ${key}`,
        );
      return range;
    }),
  );
}
