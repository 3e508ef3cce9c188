import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { CheckpointError } from '../base/index.ts';
import { type DType, fromTypedArray, liveTensors, scope, type Tensor, tensor } from '../tensor/index.ts';
import { loadCheckpoint, openSafetensors, saveCheckpoint, saveSafetensors } from './safetensors.ts';
import { layOut, MAX_TENSORS } from './safetensors-format.ts';

const CHECKPOINTS = fileURLToPath(new URL('../../tests/goldens/checkpoints/', import.meta.url));
const root = scratchFolder();
let counter = 0;
const fresh = (name: string) => join(root, `${counter++}-${name}`);
const folder = () => {
  const dir = fresh('dir');
  mkdirSync(dir);
  return dir;
};

/** A file of a given header text and number of data bytes. */
function fileOf(header: string | Uint8Array, dataBytes = 0, length?: bigint): string {
  const text = Buffer.from(header as string);
  const first = Buffer.alloc(8);
  first.writeBigUInt64LE(length ?? BigInt(text.length));
  const file = fresh('x.safetensors');
  writeFileSync(file, Buffer.concat([first, text, Buffer.alloc(dataBytes, 1)]));
  return file;
}
/** Seven bytes: not even a header length. */
function shortFile(): string {
  const file = fresh('short');
  writeFileSync(file, 'seven b');
  return file;
}
const f32 = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('reading', () => {
  it('reads a file written by the reference implementation', () => {
    scope(() => {
      const files = openSafetensors(`${CHECKPOINTS}qwen2-5-vl/model.safetensors`);
      expect(files.metadata).toEqual({ format: 'pt' });
      const norm = files.get('model.norm.weight');
      expect(norm).toMatchObject({ dtype: 'float32', shape: [64], nbytes: 256 });
      expect(norm?.read().mean().item()).toBeCloseTo(1, 1);
      files.close();
    });
  });

  it('reads shards by their index', () => {
    scope(() => {
      const files = loadCheckpoint(`${CHECKPOINTS}qwen2-5-vl-flat`);
      expect(new Set([...files.values()].map(({ file }) => file)).size).toBe(4);
      const { dtype, shape } = files.get('visual.patch_embed.proj.weight')!.read();
      expect([dtype, shape]).toEqual(['bfloat16', [32, 3, 2, 14, 14]]);
      files.close();
    });
  });

  it('weights outlive close and the file, and are written to in private', () => {
    scope(() => {
      const file = fresh('private.safetensors');
      saveSafetensors(file, new Map([['a', tensor([1, 2, 3])]]));
      const before = readFileSync(file);
      const files = openSafetensors(file);
      const a = files.get('a')?.read() as Tensor;
      const again = files.get('a')?.read() as Tensor;
      files.close();
      a.add_(tensor([10, 10, 10]));
      expect(readFileSync(file).equals(before)).toBe(true);
      rmSync(file);
      expect(a.tolist()).toEqual([11, 12, 13]);
      expect(again.tolist()).toEqual([11, 12, 13]); // one mapping, one memory
    });
  });

  it('copies what is not aligned to its element size', () => {
    scope(() => {
      const header = JSON.stringify({
        a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
        b: { dtype: 'F32', shape: [1], data_offsets: [1, 5] },
      });
      const file = fileOf(header.padEnd(Math.ceil(header.length / 8) * 8), 5);
      using files = openSafetensors(file);
      expect(files.get('b')?.read().item()).toBe(Buffer.alloc(4, 1).readFloatLE());
    });
  });

  it('leaves no tensor behind but the mapping, which close frees', () => {
    const before = liveTensors();
    const files = openSafetensors(`${CHECKPOINTS}qwen2-5-vl/model.safetensors`);
    scope(() => {
      for (const lazy of files.values()) lazy.read();
    });
    expect(liveTensors()).toBe(before + 1);
    files.close();
    expect(liveTensors()).toBe(before);
  });
});

describe('writing', () => {
  const dtypes: DType[] = ['float32', 'float64', 'bfloat16', 'float16', 'int64', 'int32', 'uint8', 'bool'];

  it('round trip: any names, shapes and dtypes', () => {
    const one = fc.record({
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      dtype: fc.constantFrom(...dtypes),
    });
    const many = fc.dictionary(
      fc.string({ unit: 'binary' }).filter((name) => name !== '__metadata__'),
      one,
      { maxKeys: 6 },
    );
    fc.assert(
      fc.property(many, (specs) => {
        scope(() => {
          const tensors = new Map(
            Object.entries(specs).map(([name, { shape, dtype }]) => {
              const size = shape.reduce((a, b) => a * b, 1);
              const values = Float32Array.from({ length: size }, (_, i) => (i * 7) % 5);
              return [name, fromTypedArray(values, shape).toCopy({ dtype })];
            }),
          );
          const file = fresh('round.safetensors');
          saveSafetensors(file, tensors, { note: 'é"\n' });
          const files = openSafetensors(file);
          expect([...files.keys()].sort()).toEqual([...tensors.keys()].sort());
          expect(files.metadata).toEqual({ note: 'é"\n' });
          for (const [name, original] of tensors) {
            const back = files.get(name)?.read() as Tensor;
            expect([back.dtype, back.shape]).toEqual([original.dtype, original.shape]);
            expect(back.toTypedArray()).toEqual(original.toTypedArray());
          }
          files.close();
          rmSync(file);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('writes strided tensors row by row, pads the header to 8 bytes, aligns the data, names the format', () => {
    scope(() => {
      const file = fresh('layout.safetensors');
      const wide = tensor([[1, 2, 3], [4, 5, 6]]); // biome-ignore format: a matrix
      saveSafetensors(
        file,
        new Map([['z.u8', tensor([1], { dtype: 'uint8' })], ['b', wide.t()], ['a', wide.to({ dtype: 'float64' })]]), // biome-ignore format: pairs
      );
      const bytes = readFileSync(file);
      const length = Number(bytes.readBigUInt64LE());
      expect(length % 8).toBe(0);
      const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
      expect(header.__metadata__).toEqual({ format: 'pt' });
      expect(Object.keys(header)).toEqual(['__metadata__', 'a', 'b', 'z.u8']);
      using files = openSafetensors(file);
      expect(files.get('b')?.read().tolist()).toEqual([[1, 4], [2, 5], [3, 6]]); // biome-ignore format: a matrix
    });
  });

  it('cuts shards at the limit and indexes them', () => {
    scope(() => {
      const dir = folder();
      const tensors = new Map(['d', 'b', 'c', 'a'].map((name) => [name, tensor([1, 2, 3, 4])]));
      expect(saveCheckpoint(dir, tensors, { max_shard_size: 40 })).toEqual([
        'model-00001-of-00002.safetensors',
        'model-00002-of-00002.safetensors',
        'model.safetensors.index.json',
      ]);
      const index = JSON.parse(readFileSync(join(dir, 'model.safetensors.index.json'), 'utf8'));
      expect(index.metadata.total_size).toBe(64);
      expect(index.weight_map.c).toBe('model-00002-of-00002.safetensors');
      expect([...loadCheckpoint(dir).keys()]).toEqual(['a', 'b', 'c', 'd']);
    });
  });
});

describe('a damaged file is refused with its name and the broken rule', () => {
  const cases: [string, () => string, RegExp][] = [
    ['empty', () => fileOf(''), /does not begin with "\{"/],
    ['7 bytes', () => shortFile(), /7 bytes long/],
    ['huge header', () => fileOf('{}', 0, 100_000_001n), /100000001 bytes long; at most 100000000/],
    ['huge u64', () => fileOf('{}', 0, 2n ** 64n - 1n), /18446744073709551615 bytes/],
    ['header beyond file', () => fileOf('{}', 0, 3n), /header is 3 bytes long, but the file has only 10/],
    ['invalid UTF-8', () => fileOf(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), /not valid UTF-8/],
    ['leading space', () => fileOf(' {}'), /does not begin with "\{"/],
    ['BOM', () => fileOf('\ufeff{}'), /does not begin with "\{"/],
    ['broken JSON', () => fileOf('{"a": '), /not valid JSON/],
    ['an array', () => fileOf('[]'), /does not begin/],
    ['no object', () => fileOf('{"a": 3}'), /tensor a with no \{dtype/],
    ['missing field', () => fileOf('{"a": {"dtype":"F32","shape":[1]}}', 4), /data_offsets undefined/],
    ['extra field', () => fileOf(JSON.stringify({ a: { ...f32(0, 4), x: 1 } }), 4), /unknown field "x"/],
    ['unknown dtype', () => fileOf(JSON.stringify({ a: f32(0, 4, [1], 'F4') }), 4), /dtype "F4"; known are/],
    [
      'prototype dtype',
      () => fileOf(JSON.stringify({ a: f32(0, 4, [1], 'toString') }), 4),
      /dtype "toString"/,
    ],
    ['unsupported dtype', () => fileOf(JSON.stringify({ a: f32(0, 4, [4], 'F8_E4M3') }), 4), /a is F8_E4M3/],
    ['negative shape', () => fileOf(JSON.stringify({ a: f32(0, 4, [-1]) }), 4), /shape \[-1\]/],
    ['fraction', () => fileOf(JSON.stringify({ a: f32(0, 4, [0.5]) }), 4), /shape \[0\.5\]/],
    [
      'beyond 2^53',
      () => fileOf('{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,1]}}', 1),
      /shape/,
    ],
    [
      'overflow',
      () => fileOf(JSON.stringify({ a: f32(0, 0, [2 ** 32, 2 ** 32, 1]) })),
      /takes 73786976294838206464 bytes, but data_offsets span 0/,
    ],
    [
      'size',
      () => fileOf(JSON.stringify({ a: f32(0, 8, [1]) }), 8),
      /takes 4 bytes, but data_offsets span 8/,
    ],
    ['end first', () => fileOf(JSON.stringify({ a: f32(4, 0, [1]) }), 4), /end before the begin/],
    ['hole', () => fileOf(JSON.stringify({ a: f32(0, 4), b: f32(8, 12) }), 12), /tensor b .* leaves a hole/],
    ['hole at 0', () => fileOf(JSON.stringify({ a: f32(4, 8) }), 8), /tensor a .* leaves a hole/],
    ['overlap', () => fileOf(JSON.stringify({ a: f32(0, 8), b: f32(4, 12) }), 12), /tensor b .* overlaps/],
    ['cut short', () => fileOf(JSON.stringify({ a: f32(0, 8) }), 7), /the data are cut short/],
    ['trailing', () => fileOf(JSON.stringify({ a: f32(0, 8) }), 9), /bytes that belong to no tensor/],
    [
      'duplicate',
      () => fileOf(`{"a":${JSON.stringify(f32(0, 4))},"\\u0061":${JSON.stringify(f32(0, 4))}}`, 4),
      /"a" twice/,
    ],
    [
      'duplicate field',
      () => fileOf('{"a":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
      /"dtype" twice/,
    ],
    ['metadata', () => fileOf('{"__metadata__":{"a":1}}'), /__metadata__\.a that is not a string/],
    ['metadata array', () => fileOf('{"__metadata__":["a"]}'), /__metadata__ that is not an object/],
    [
      'too many tensors',
      () => {
        const names = Array.from(
          { length: MAX_TENSORS + 1 },
          (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`,
        );
        return fileOf(`{${names.join()}}`);
      },
      /holds 100001 tensors/,
    ],
    ['a folder', () => folder(), /not a regular file/],
    ['nothing', () => join(root, 'nothing'), /cannot be read \(ENOENT\)/],
  ];
  it.each(cases)('%s', (_name, make, message) => {
    const file = make();
    expect(() => openSafetensors(file)).toThrow(CheckpointError);
    expect(() => openSafetensors(file)).toThrow(message);
    expect(() => openSafetensors(file)).toThrow(file);
  });

  it('cut or flipped anywhere, a file is read, or refused as a CheckpointError: never anything else', () => {
    const whole = Buffer.concat([
      layOut([
        { name: 'a', dtype: 'F32', shape: [2, 2] },
        { name: 'b', dtype: 'BF16', shape: [3] },
      ]).header,
      Buffer.alloc(22),
    ]);
    const change = fc.record({
      at: fc.integer({ min: 0, max: whole.length - 1 }),
      byte: fc.integer({ min: 0, max: 255 }),
      cut: fc.option(fc.integer({ min: 0, max: whole.length }), { freq: 3 }),
    });
    const file = fresh('fuzz.safetensors');
    fc.assert(
      fc.property(change, ({ at, byte, cut }) => {
        const bytes = Buffer.from(whole);
        bytes[at] = byte;
        writeFileSync(file, bytes.subarray(0, cut ?? bytes.length));
        try {
          scope(() => {
            const files = openSafetensors(file);
            for (const lazy of files.values()) lazy.read().to({ dtype: 'float32' }).sum().item();
            files.close();
          });
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('an index that cannot be trusted is refused', () => {
  const shardOf = (dir: string, file: string, name: string) =>
    scope(() => saveSafetensors(join(dir, file), new Map([[name, tensor([1])]])));
  const indexed = (weight_map: unknown, prepare: (dir: string) => void = () => {}) => {
    const dir = folder();
    shardOf(dir, 'one.safetensors', 'a');
    prepare(dir);
    const text = typeof weight_map === 'string' ? weight_map : JSON.stringify({ weight_map });
    writeFileSync(join(dir, 'model.safetensors.index.json'), text);
    return dir;
  };
  const cases: [string, () => string, RegExp][] = [
    ['parent folder', () => indexed({ a: '../one.safetensors' }), /"\.\.\/one\.safetensors" is not a plain file name/],
    ['absolute', () => indexed({ a: '/etc/passwd' }), /"\/etc\/passwd" is not a plain file name/],
    ['backslash', () => indexed({ a: '..\\one' }), /not a plain file name/],
    ['dots', () => indexed({ a: '..' }), /not a plain file name/],
    ['empty', () => indexed({ a: '' }), /not a plain file name/],
    ['NUL', () => indexed({ a: 'one.safetensors\0.txt' }), /not a plain file name/],
    ['missing shard', () => indexed({ a: 'one.safetensors', b: 'two.safetensors' }), /shard two\.safetensors is missing/],
    ['a folder as shard', () => indexed({ a: 'sub' }, (dir) => mkdirSync(join(dir, 'sub'))), /sub: not a regular file/],
    [
      'a link out of the folder',
      () =>
        indexed({ a: 'link.safetensors' }, (dir) => {
          shardOf(root, 'outside.safetensors', 'a');
          symlinkSync('../outside.safetensors', join(dir, 'link.safetensors'));
        }),
      /link\.safetensors is a link to .*outside\.safetensors, outside the folder/,
    ],
    ['key not in the shard', () => indexed({ a: 'one.safetensors', b: 'one.safetensors' }), /b is not in one\.safetensors/],
    [
      'key in another shard',
      () => indexed({ a: 'two.safetensors', b: 'one.safetensors' }, (dir) => shardOf(dir, 'two.safetensors', 'b')),
      /a is in one\.safetensors, not in two/,
    ],
    [
      'key not in the index',
      () => indexed({ a: 'one.safetensors', b: 'two.safetensors' }, (dir) =>
          scope(() => saveSafetensors(join(dir, 'two.safetensors'), new Map([['b', tensor([1])], ['c', tensor([1])]])))),
      /c of two\.safetensors is missing in weight_map/,
    ],
    [
      'key in two shards',
      () => indexed({ a: 'one.safetensors', b: 'two.safetensors' }, (dir) =>
          scope(() => saveSafetensors(join(dir, 'two.safetensors'), new Map([['a', tensor([1])], ['b', tensor([1])]])))),
      /tensor a lies also in one/,
    ],
    ['empty map', () => indexed({}), /weight_map is empty/],
    ['no map', () => indexed('{}'), /index\.json: weight_map/],
    ['broken JSON', () => indexed('{"weight_map": {'), /index\.json: not valid JSON/],
    ['duplicate key', () => indexed('{"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}}'), /key "a" twice/],
    ['file and index', () => indexed({ a: 'one.safetensors' }, (dir) => shardOf(dir, 'model.safetensors', 'a')), /holds both/],
    ['no weights', () => folder(), /no model\.safetensors and no model\.safetensors\.index\.json/],
    ['no folder', () => join(root, 'nowhere'), /no model\.safetensors and no/],
  ]; // biome-ignore format: a table
  it.each(cases)('%s', (_name, make, message) => {
    const dir = make();
    expect(() => loadCheckpoint(dir)).toThrow(CheckpointError);
    expect(() => loadCheckpoint(dir)).toThrow(message);
  });

  it('says that pickled weights are never loaded', () => {
    const dir = folder();
    writeFileSync(join(dir, 'pytorch_model.bin'), '');
    try {
      loadCheckpoint(dir);
      expect.unreachable();
    } catch (error) {
      expect((error as CheckpointError).hint).toMatch(/Pickled weights are never loaded/);
    }
  });

  it("follows the links of Hugging Face's cache into its blobs, and no further", () => {
    const repository = folder();
    mkdirSync(join(repository, 'blobs'));
    mkdirSync(join(repository, 'snapshots', 'abc'), { recursive: true });
    shardOf(join(repository, 'blobs'), 'hash', 'a');
    symlinkSync('../../blobs/hash', join(repository, 'snapshots', 'abc', 'model.safetensors'));
    expect(loadCheckpoint(join(repository, 'snapshots', 'abc')).has('a')).toBe(true);
    rmSync(join(repository, 'snapshots', 'abc', 'model.safetensors'));
    symlinkSync('/etc/hostname', join(repository, 'snapshots', 'abc', 'model.safetensors'));
    expect(() => loadCheckpoint(join(repository, 'snapshots', 'abc'))).toThrow(/outside the folder/);
  });
});
