/**
 * @file Changes of inputs: of bytes, as AFL makes them (bits, interesting numbers, pieces cut, doubled and taken from others, words of the
 * format), and of JSON values by their structure.
 */
import type { Random } from '../../src/base/index.ts';

const NUMBERS = [0, 1, 2, 7, 8, 15, 16, 127, 128, 255, 256, 32767, 65535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

/** 1 to 8 changes of bytes. @param words pieces of the format's own language */
export function mutateBytes(
  random: Random,
  input: Uint8Array,
  others: readonly Uint8Array[],
  words: readonly string[] = [],
  maxBytes = 1 << 20,
): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(input);
  for (let left = 1 + random.below(random.below(4) === 0 ? 8 : 2); left > 0; left--)
    bytes = changeBytes(random, bytes, others, words);
  return bytes.subarray(0, maxBytes);
}

function changeBytes(
  random: Random,
  bytes: Uint8Array,
  others: readonly Uint8Array[],
  words: readonly string[],
): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = Math.min(1 + random.below(random.below(3) === 0 ? 4096 : 16), bytes.length - at);
  switch (random.below(words.length > 0 ? 10 : 8)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = random.below(256);
      return bytes;
    case 2:
      return overwritten(bytes, at, numberBytes(random));
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 4:
      return joined(
        bytes.subarray(0, at),
        repeated(random, bytes.subarray(at, at + length)),
        bytes.subarray(at),
      );
    case 5: {
      const other = random.pick(others);
      const from = random.below(other.length + 1);
      const piece = other.subarray(from, from + 1 + random.below(256));
      return random.below(2) === 0
        ? overwritten(bytes, at, piece)
        : joined(bytes.subarray(0, at), piece, bytes.subarray(at));
    }
    case 6:
      return bytes.subarray(0, at);
    case 7: {
      const other = random.pick(others);
      return joined(bytes.subarray(0, at), other.subarray(random.below(other.length + 1)));
    }
    default:
      return joined(bytes.subarray(0, at), Buffer.from(random.pick(words)), bytes.subarray(at));
  }
}

function numberBytes(random: Random): Uint8Array {
  const size = random.pick([1, 2, 4, 8]);
  const value = BigInt.asUintN(size * 8, BigInt(random.pick(NUMBERS)) * (random.below(4) === 0 ? -1n : 1n));
  const bytes = Buffer.from(value.toString(16).padStart(size * 2, '0'), 'hex');
  return random.below(2) === 0 ? bytes : bytes.reverse();
}

function repeated(random: Random, piece: Uint8Array): Uint8Array {
  return joined(...Array.from({ length: 1 + random.below(random.below(8) === 0 ? 64 : 3) }, () => piece));
}

function overwritten(bytes: Uint8Array, at: number, piece: Uint8Array): Uint8Array {
  bytes.set(piece.subarray(0, bytes.length - at), at);
  return bytes;
}

const joined = (...pieces: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces));

/** Values that no field expects. Functions, for values that are large. */
const NASTY: readonly (() => unknown)[] = [
  ...[
    null,
    true,
    false,
    0,
    -0,
    -1,
    1,
    0.5,
    1e308,
    -1e308,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    2 ** 53 + 2,
    1e-300,
  ].map((value) => () => value),
  ...[
    '',
    'a',
    '\0',
    '\ud800',
    '__proto__',
    'constructor',
    '../x',
    '/etc/passwd',
    '%d',
    '{{',
    'NaN',
    '😀',
  ].map((value) => () => value),
  () => [],
  () => ({}),
  () => [[[]]],
  () => 'x'.repeat(100_000),
  () => Array.from({ length: 5000 }, (_, i) => i),
  () => nested(200),
  () => JSON.parse('{"__proto__": {"polluted": 1}}'),
];

function nested(depth: number): unknown {
  let value: unknown = [];
  for (; depth > 0; depth--) value = depth % 2 === 0 ? [value] : { a: value };
  return value;
}

/** A copy of a JSON value with 1 to 4 changes: values replaced, moved, doubled, left out, keys renamed. */
export function mutateJson(random: Random, value: unknown, keys: readonly string[] = []): unknown {
  let changed: unknown = structuredClone(value);
  for (let left = 1 + random.below(random.below(3) === 0 ? 4 : 1); left > 0; left--)
    changed = changeJson(random, changed, keys);
  return changed;
}

function changeJson(random: Random, value: unknown, keys: readonly string[]): unknown {
  // The way down stops at random, so that whole branches are changed too.
  if (typeof value === 'object' && value !== null && random.below(8) > 0) {
    const names = Object.keys(value);
    if (names.length > 0) {
      const name = random.pick(names);
      const container = value as Record<string, unknown>;
      switch (random.below(12)) {
        case 0:
          if (Array.isArray(value)) value.splice(Number(name), 1);
          else delete container[name];
          return value;
        case 1: {
          const renamed = random.below(3) === 0 && keys.length > 0 ? random.pick(keys) : `${name}x`;
          if (Array.isArray(value)) value.push(structuredClone(value[Number(name)]));
          else
            Object.defineProperty(value, renamed, {
              value: container[name],
              enumerable: true,
              writable: true,
              configurable: true,
            });
          return value;
        }
        case 2:
          container[name] = structuredClone(container[random.pick(names)]);
          return value;
        default: {
          const inner = changeJson(random, container[name], keys);
          Object.defineProperty(value, name, {
            value: inner,
            enumerable: true,
            writable: true,
            configurable: true,
          });
          return value;
        }
      }
    }
  }
  if (typeof value === 'number' && random.below(2) === 0) return changedNumber(random, value);
  if (typeof value === 'string' && random.below(2) === 0) return changedText(random, value);
  return random.pick(NASTY)();
}

function changedNumber(random: Random, value: number): number {
  return random.pick([
    value + 1,
    value - 1,
    -value,
    value * 2,
    value / 2,
    value * 2 ** 32,
    value + 0.5,
    value * 1e6,
  ]);
}

function changedText(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  return random.pick([
    () => text.slice(0, at),
    () => text + text,
    () => text.slice(0, at) + String.fromCharCode(random.below(0x10000)) + text.slice(at),
    () => text.toUpperCase(),
    () => `${text.slice(0, at)}${text.slice(at + 1)}`,
  ])();
}
