/** @file Headers of safetensors files. What the reader takes is held against the rules of the format, written down a second time. */
import type { Random } from '../../../src/base/index.ts';
import {
  DTYPE_BYTES,
  headerLength,
  layOut,
  parseHeader,
  type SafetensorsHeader,
} from '../../../src/io/safetensors-format.ts';
import { mutateBytes, mutateJson } from '../mutate.ts';
import type { FuzzTarget } from '../target.ts';

const FILE = 'model.safetensors';
const WORDS = [
  '"dtype":"F32"',
  '"shape":[',
  '"data_offsets":[0,',
  '"__metadata__":{',
  '18446744073709551615',
  '1e3',
  '-0',
  '0x1',
];
const KEYS = ['__metadata__', '__proto__', 'dtype', 'shape', 'data_offsets', 'a'];

export const safetensors: FuzzTarget = {
  name: 'safetensors',
  wanted: 200_000,
  seeds: () => [
    file([]),
    file([{ name: 'a', dtype: 'F32', shape: [2, 3] }], { format: 'pt' }),
    file([
      { name: 'a', dtype: 'BF16', shape: [3] },
      { name: 'b', dtype: 'U8', shape: [] },
      { name: 'c', dtype: 'I64', shape: [0, 4] },
      { name: '__proto__', dtype: 'F8_E4M3', shape: [1, 1, 2] },
    ]),
    file(Array.from({ length: 12 }, (_, i) => ({ name: `layers.${i}.weight`, dtype: 'F16', shape: [i, 2] }))),
  ],
  mutate: (random, input, others) =>
    random.below(2) === 0 ? restructured(random, input) : mutateBytes(random, input, others, WORDS, 1 << 16),
  run: (input) => {
    const length = headerLength(input.subarray(0, 8), input.length, FILE);
    const header = input.subarray(8, 8 + length);
    checkRules(parseHeader(header, input.length, FILE), header, input.length);
    return true;
  },
};

function file(specs: Parameters<typeof layOut>[0], metadata?: Readonly<Record<string, string>>): Uint8Array {
  const { header, dataBytes } = layOut(specs, metadata);
  return Buffer.concat([header, Buffer.alloc(dataBytes)]);
}

/** The same file with a header changed as JSON, its length right, its data as they were. */
function restructured(random: Random, input: Uint8Array): Uint8Array {
  const bytes = Buffer.from(input);
  let text = '{}';
  let data = bytes.subarray(bytes.length);
  if (bytes.length >= 8) {
    const length = Number(bytes.readBigUInt64LE());
    text = bytes.subarray(8, 8 + Math.min(length, bytes.length)).toString('utf8');
    data = bytes.subarray(Math.min(8 + length, bytes.length));
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = { a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } };
  }
  const changed = Buffer.from(JSON.stringify(mutateJson(random, json, KEYS)) ?? '');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(changed.length));
  return Buffer.concat([length, changed, data]).subarray(0, 1 << 17);
}

/** The rules of the format, of what was read as sound. */
function checkRules({ tensors, metadata }: SafetensorsHeader, header: Uint8Array, fileLength: number): void {
  const promise = (isKept: boolean, what: string): void => {
    if (!isKept) throw new Error(`a header was read though ${what}`);
  };
  const covered: [number, number][] = [];
  for (const { dtype, shape, begin, end } of tensors.values()) {
    const bytes = shape.reduce((product, size) => product * BigInt(size), BigInt(DTYPE_BYTES[dtype]));
    promise(BigInt(end - begin) === bytes, 'bytes and shape differ');
    covered.push([begin, end]);
  }
  covered.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let at = 8 + header.length;
  for (const [begin, end] of covered) {
    promise(begin === at, 'there is a hole or an overlap');
    at = end;
  }
  promise(at === fileLength, 'the file is longer or shorter than its tensors');
  const json = JSON.parse(Buffer.from(header).toString('utf8')) as object;
  const names = Object.keys(json).filter((name) => name !== '__metadata__');
  promise(names.length === tensors.size, 'tensors are missing');
  promise(
    Object.values(metadata).every((value) => typeof value === 'string'),
    'metadata are no texts',
  );
}
