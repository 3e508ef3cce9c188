/**
 * A strict look at JSON text before it is parsed: JSON.parse keeps the last of two equal keys without a word, tells no line,
 * and follows any nesting. This scanner finds duplicate keys, syntax errors with their line, and too deep nesting, and
 * notes the line on which each top-level entry begins.
 */

export interface JsonProblem {
  /** 1-based line of the text. */
  readonly line: number;
  readonly message: string;
}

export interface JsonScan {
  /** First problem; undefined when the text is sound. */
  readonly problem: JsonProblem | undefined;
  /** 1-based lines of the elements of the top-level array, or of the members of the top-level object. */
  readonly entryLines: readonly number[];
  /** Names of the members of the top-level object, in the order of the text. */
  readonly entryKeys: readonly string[];
}

export const MAX_JSON_DEPTH = 100;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these inside strings
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const LITERAL = /true|false|null/y;

type Expecting = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end' | 'end';

/** Scans one JSON document. */
export function scanJson(text: string, firstLine = 1): JsonScan {
  const entryLines: number[] = [];
  const entryKeys: string[] = [];
  // One entry a level: the keys seen so far of an object, undefined for an array.
  const levels: (Set<string> | undefined)[] = [];
  let at = 0;
  let line = firstLine;
  let expecting: Expecting = 'value';
  const fail = (message: string): JsonScan => ({ problem: { line, message }, entryLines, entryKeys });
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  const afterValue = (): Expecting => (levels.length === 0 ? 'end' : 'comma-or-end');

  while (at < text.length) {
    const char = text[at]!;
    if (char === '\n') line++;
    if (char === ' ' || char === '\n' || char === '\t' || char === '\r') {
      at++;
      continue;
    }
    switch (expecting) {
      case 'end':
        return fail(`expected nothing after the end of the JSON value, got ${show(text, at)}`);
      case 'colon':
        if (char !== ':') return fail(`expected ":" after a key, got ${show(text, at)}`);
        at++;
        expecting = 'value';
        continue;
      case 'comma-or-end': {
        const isObject = levels.at(-1) !== undefined;
        if (char === ',') expecting = isObject ? 'key' : 'value';
        else if (char === (isObject ? '}' : ']')) {
          levels.pop();
          expecting = afterValue();
        } else return fail(`expected "," or "${isObject ? '}' : ']'}", got ${show(text, at)}`);
        at++;
        continue;
      }
      case 'key-or-end':
      case 'key': {
        if (char === '}' && expecting === 'key-or-end') {
          levels.pop();
          expecting = afterValue();
          at++;
          continue;
        }
        if (char !== '"') return fail(`expected a key in double quotes, got ${show(text, at)}`);
        const end = stringEnd(text, at);
        if (typeof end === 'string') return fail(end);
        if (levels.length === 1) entryLines.push(line);
        const key = JSON.parse(text.slice(at, end)) as string;
        const keys = levels.at(-1)!;
        if (keys.has(key))
          return fail(`the key ${JSON.stringify(key.slice(0, 60))} appears twice in one object`);
        keys.add(key);
        if (levels.length === 1) entryKeys.push(key);
        at = end;
        expecting = 'colon';
        continue;
      }
      default:
    }
    if (char === ']' && expecting === 'value-or-end') {
      levels.pop();
      expecting = afterValue();
      at++;
      continue;
    }
    if (levels.length === 1 && levels[0] === undefined) entryLines.push(line);
    if (char === '{' || char === '[') {
      if (levels.length >= MAX_JSON_DEPTH)
        return fail(`the JSON is nested deeper than ${MAX_JSON_DEPTH} levels`);
      levels.push(char === '{' ? new Set() : undefined);
      expecting = char === '{' ? 'key-or-end' : 'value-or-end';
      at++;
    } else if (char === '"') {
      const end = stringEnd(text, at);
      if (typeof end === 'string') return fail(end);
      at = end;
      expecting = afterValue();
    } else {
      const token = match(NUMBER) || match(LITERAL);
      if (!token) return fail(`expected a JSON value, got ${show(text, at)}`);
      at += token.length;
      expecting = afterValue();
    }
  }
  if (expecting !== 'end') {
    return fail(
      levels.length === 0 ? 'expected a JSON value, got nothing' : 'the JSON ends before it is complete',
    );
  }
  return { problem: undefined, entryLines, entryKeys };
}

/** Offset after the closing quote, or what is wrong with the string. */
function stringEnd(text: string, start: number): number | string {
  let at = start + 1;
  for (;;) {
    PLAIN.lastIndex = at;
    at += PLAIN.exec(text)![0].length;
    const char = text[at];
    if (char === undefined) return 'the text ends inside a string';
    if (char === '"') return at + 1;
    ESCAPE.lastIndex = at;
    const sequence = char === '\\' ? ESCAPE.exec(text)?.[0] : undefined;
    if (sequence === undefined) {
      return char === '\\'
        ? `unknown escape ${show(text, at)}`
        : `raw control character ${show(text, at)} inside a string`;
    }
    at += sequence.length;
  }
}

function show(text: string, at: number): string {
  return JSON.stringify(text.slice(at, at + 12));
}
