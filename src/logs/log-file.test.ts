import { writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { DataError } from '../base/index.ts';
import { type LogEntry, readLogFile } from './log-file.ts';

const folder = scratchFolder();

function read(content: string | Buffer) {
  const file = path.join(folder, 'log.json');
  writeFileSync(file, content);
  const entries: LogEntry[] = [];
  const end = readLogFile(file, (entry) => entries.push(entry));
  return { ...end, entries, values: entries.map(({ value }) => value) };
}

const records = [
  { question: { problem: 'Why? "A" {not} [json],\n\\ é 漢 🙂' }, model_output: '<answer>A</answer>' },
  { question: { options: ['A. [x', 'B. y}'], nested: [{ deep: [] }] }, model_output: '' },
  { question: {}, model_output: '}' },
];

const LAYOUTS: Record<string, (values: readonly unknown[]) => string> = {
  'JSON Lines': (values) => values.map((value) => `${JSON.stringify(value)}\n`).join(''),
  'JSON Lines without a last line end': (values) => values.map((value) => JSON.stringify(value)).join('\n'),
  'JSON Lines with CRLF and empty lines': (values) =>
    `\r\n${values.map((value) => `${JSON.stringify(value)}\r\n\r\n`).join('')}`,
  'a list': (values) => JSON.stringify(values),
  'a pretty list': (values) => JSON.stringify(values, null, 4),
  'a list with one record a line': (values) =>
    `[\n${values.map((value) => JSON.stringify(value)).join(',\n')}\n]\n`,
  'records end to end': (values) => values.map((value) => JSON.stringify(value)).join(''),
  'pretty records': (values) => values.map((value) => JSON.stringify(value, null, 2)).join('\n'),
  'pretty records without indentation': (values) =>
    values.map((value) => JSON.stringify(value, null, 2).replace(/^ +/gm, '')).join('\n'),
};

describe('readLogFile', () => {
  it.each(Object.keys(LAYOUTS))('reads %s', (name) => {
    const found = read(LAYOUTS[name]!(records));
    expect(found.values).toEqual(records);
    expect(found.isComplete).toBe(true);
    expect(found.entries.every(({ problem }) => problem === undefined)).toBe(true);
  });

  it('reads any records in any layout alike', () => {
    const value = fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1 });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 5 }), (values) => {
        const plain = JSON.parse(JSON.stringify(values)) as unknown[];
        for (const write of Object.values(LAYOUTS)) expect(read(write(plain)).values).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });

  it('reads records longer than a piece of the file', () => {
    const long = [
      records[0],
      { model_output: 'é'.repeat(300_000) },
      { model_output: 'b"\\'.repeat(250_000) },
    ];
    for (const write of Object.values(LAYOUTS)) expect(read(write(long)).values).toEqual(long);
  });

  it('drops a byte order mark', () => {
    for (const write of Object.values(LAYOUTS))
      expect(read(`\ufeff${write(records)}`).values).toEqual(records);
  });

  it('names the line on which each record begins', () => {
    const [, second] = read(LAYOUTS['a pretty list']!(records)).entries;
    expect(second?.line).toBe(8);
    expect(read('\n{"a":1}\n\n{"a":2}\n').entries.map(({ line }) => line)).toEqual([2, 4]);
  });
});

describe('damaged logs', () => {
  const whole = (value: unknown) => JSON.stringify(value);

  it('keep their other lines', () => {
    const torn = whole(records[0]).slice(0, 40);
    const { entries } = read(`${whole(records[1])}\n${torn}\n${whole(records[2])}\n${torn}`);
    expect(entries.map(({ value }) => value)).toEqual([records[1], undefined, records[2], undefined]);
    expect(entries[1]?.problem).toMatchObject({ line: 2, message: expect.stringMatching(/ends/) });
    expect(entries[3]?.problem?.line).toBe(4);
  });

  it('keep the other records of a pretty layout, cut inside or outside of a text', () => {
    for (const cut of [30, 60, 75, 95]) {
      const pieces = [records[0], records[1], records[2]].map((value) => JSON.stringify(value, null, 2));
      const { values, entries } = read(`${pieces[0]}\n${pieces[1]!.slice(0, cut)}\n${pieces[2]}\n`);
      expect(values, `cut at ${cut}`).toEqual([records[0], undefined, records[2]]);
      expect(entries[1]?.problem?.line).toBeGreaterThanOrEqual(6);
    }
  });

  it('say that a list was never closed', () => {
    const text = LAYOUTS['a pretty list']!(records);
    const cut = read(text.slice(0, -30));
    expect(cut.isComplete).toBe(false);
    expect(cut.values).toEqual([records[0], records[1], undefined]);
    expect(read(text.slice(0, -1)).isComplete).toBe(false);
  });

  it.each([
    ['a duplicate key', '{"a":1,"a":2}', /"a" appears twice/],
    ['endless nesting', `${'['.repeat(100_000)}`, /nested deeper/],
    ['NUL', '{"a":"x\0y"}', /control character/],
    ['a bare word', 'hello', /expected a JSON value/],
    ['NaN, which Python writes', '{"a":NaN}', /expected a JSON value/],
  ])('report %s with its line', (_name, line, message) => {
    const { entries } = read(`{"a":0}\n${line}\n{"a":3}\n`);
    expect(entries.map(({ value }) => value)).toEqual([{ a: 0 }, undefined, { a: 3 }]);
    expect(entries[1]?.problem).toMatchObject({ line: 2, message: expect.stringMatching(message) });
  });

  it('report text that is not UTF-8', () => {
    const { entries } = read(
      Buffer.concat([Buffer.from('{"a":0}\n{"a":"'), Buffer.from([0xff]), Buffer.from('"}\n')]),
    );
    expect(entries[1]?.problem?.message).toMatch(/UTF-8/);
  });

  it('that are missing, empty or no file are refused', () => {
    expect(() => readLogFile(path.join(folder, 'none.json'), () => {})).toThrow(DataError);
    expect(() => readLogFile(folder, () => {})).toThrow(/no regular file/);
    expect(() => read('')).toThrow(/empty/);
    expect(() => read(' \n\n')).toThrow(/empty/);
  });

  it('never crash the reader: 2,000 mutations', () => {
    const bytes = Object.values(LAYOUTS).map((write) => Buffer.from(write(records)));
    fc.assert(
      fc.property(
        fc.constantFrom(...bytes),
        fc.nat(),
        fc.nat(30),
        fc.uint8Array({ maxLength: 8 }),
        (original, at, removed, added) => {
          const start = at % original.length;
          const mutated = Buffer.concat([
            original.subarray(0, start),
            added,
            original.subarray(start + removed),
          ]);
          try {
            const { entries } = read(mutated);
            for (const { value, problem } of entries)
              expect((value === undefined) === (problem !== undefined)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(DataError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
