/** JSON files of a model folder: read and checked by a schema, every failure a CheckpointError naming file and key. */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';

import { CheckpointError } from './errors.ts';

/**
 * Read a JSON file of a model folder.
 * @throws CheckpointError naming the file when it is missing (unless `optional`: then undefined) or not JSON; with `uniqueKeys` also
 *   when one object names a key twice (JSON.parse would keep the last in silence).
 */
export function readJsonFile(file: string, { optional = false, uniqueKeys = false } = {}): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (optional && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CheckpointError(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code ?? cause})`, {
      cause,
      hint: 'Give the folder of a Qwen2-VL or Qwen2.5-VL model, with all its files.',
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
  throw new CheckpointError(`${file}: ${lines.join('; ')}`);
}

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
