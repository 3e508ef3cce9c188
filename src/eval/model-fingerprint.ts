/**
 * Tells model folders apart without reading them whole: names and sizes of all files, the small ones in full, and evenly
 * spaced pieces of the weights. A checkpoint that was trained on and saved under the same path has another fingerprint.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../base/index.ts';

const SMALL = 2 ** 20;
const PIECE = 2 ** 16;
const NUM_PIECES = 64;
/** What decides over answers: configuration, tokenizer, templates, weights; not the state of a training run. */
const COUNTS = /\.(?:json|jinja|txt|safetensors)$/;
const IS_STATE = /^(?:trainer_state|training|optimizer|scheduler|rng_state|README)/i;

/**
 * @returns 16 hexadecimal digits
 * @throws CheckpointError when the folder cannot be read
 */
export function modelFingerprint(folder: string): string {
  const hash = createHash('sha256');
  let names: string[];
  try {
    names = readdirSync(folder)
      .filter((name) => COUNTS.test(name) && !IS_STATE.test(name))
      .sort();
  } catch (cause) {
    throw new CheckpointError(`${folder}: cannot be read as a model folder`, { cause });
  }
  for (const name of names) {
    const path = join(folder, name);
    const { size } = statSync(path);
    hash.update(`${name} ${size}\n`);
    if (size <= SMALL) hash.update(readFileSync(path));
    else for (const piece of pieces(path, size)) hash.update(piece);
  }
  return hash.digest('hex').slice(0, 16);
}

function* pieces(path: string, size: number): Generator<Uint8Array> {
  const fd = openSync(path, 'r');
  try {
    for (let i = 0; i < NUM_PIECES; i++) {
      const buffer = new Uint8Array(PIECE);
      const at = Math.floor(((size - PIECE) * i) / (NUM_PIECES - 1));
      const length = readSync(fd, buffer, 0, PIECE, at);
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}
