/** JSON files of a model folder: read and checked by a schema, every failure a CheckpointError naming file and key. */
import type { z } from 'zod';

import { CheckpointError } from './errors.ts';
import { readTextFile, UnreadableFile } from './text-file.ts';

/** Larger than the largest tokenizer.json of the field by a factor of two. */
const MAX_BYTES = 64 * 2 ** 20;
/** Levels of lists and objects; the deepest published file has 8. */
const MAX_DEPTH = 64;

/**
 * Read a JSON file of a model folder.
 * @throws CheckpointError naming the file when it is missing (unless `optional`: then undefined), not JSON, too long or nested too
 *   deeply; with `uniqueKeys` also when one object names a key twice (JSON.parse would keep the last in silence).
 */
export function readJsonFile(file: string, { optional = false, uniqueKeys = false } = {}): unknown {
  let text: string;
  try {
    text = readTextFile(file, MAX_BYTES);
  } catch (cause) {
    if (!(cause instanceof UnreadableFile)) throw cause;
    if (optional && cause.code === 'ENOENT') return undefined;
    throw new CheckpointError(`${file}: ${cause.message}`, {
      cause: cause.cause,
      hint: 'Give the folder of a Qwen2-VL, Qwen2.5-VL or Qwen3-VL model, with all its files.',
    });
  }
  if (isDeeper(text, MAX_DEPTH)) {
    throw new CheckpointError(`${file}: lists and objects are nested more than ${MAX_DEPTH} levels deep`, {
      hint: 'No file of a model is: download the folder again, from a source you trust.',
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${file}: not valid JSON (${(cause as Error).message})`, {
      cause,
      hint: 'The file is damaged or cut short: copy it again.',
    });
  }
  const duplicate = uniqueKeys ? firstDuplicateKey(text) : undefined;
  if (duplicate !== undefined)
    throw new CheckpointError(`${file}: names the key ${JSON.stringify(duplicate)} twice`);
  return value;
}

/** Check a value of a model file by a schema; every problem is named with file and key in one CheckpointError. */
export function checkJson<S extends z.ZodType>(
  schema: S,
  value: unknown,
  file: string,
  path: readonly string[],
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const key = [...path, ...issue.path.map(String)].join('.') || '(top level)';
    return `${key}: ${issue.message}`;
  });
  const more = lines.length > MAX_PROBLEMS ? `; and ${lines.length - MAX_PROBLEMS} more` : '';
  throw new CheckpointError(`${file}: ${lines.slice(0, MAX_PROBLEMS).join('; ')}${more}`);
}

const MAX_PROBLEMS = 20;

/** True where brackets outside of strings open more levels than `limit`; the text need not be valid JSON. */
export function isDeeper(text: string, limit: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      for (i++; i < text.length && text.charCodeAt(i) !== QUOTE; i++)
        if (text.charCodeAt(i) === BACKSLASH) i++;
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > limit) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The first key that one object of a JSON text names twice, at any depth; undefined where all are unique.
 * The text must be valid JSON: only then is a string followed by ":" always a key.
 */
export function firstDuplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{') open.push(new Set());
    else if (char === '}') open.pop();
    else if (char === '"') {
      const begin = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      let next = i + 1;
      while (/\s/.test(text[next] ?? '')) next++;
      if (text[next] !== ':') continue;
      const key = JSON.parse(text.slice(begin, i + 1)) as string;
      const keys = open.at(-1) as Set<string>;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}
