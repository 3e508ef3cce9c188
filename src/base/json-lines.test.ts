import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { DataError } from './errors.ts';
import { appendJsonLines, readJsonLines, repairJsonLines } from './json-lines.ts';

const folder = scratchFolder();

describe('JSON lines', () => {
  it('append and read back; numbers that are not finite become null', () => {
    const path = join(folder, 'a.jsonl');
    appendJsonLines(path, [{ a: 1 }, { b: 'x\ny' }]);
    appendJsonLines(path, []);
    appendJsonLines(path, [{ c: Number.NaN }]);
    expect(readJsonLines(path)).toEqual([{ a: 1 }, { b: 'x\ny' }, { c: null }]);
  });

  it('ignore a torn last line and cut it off before writing on', () => {
    const path = join(folder, 'torn.jsonl');
    appendJsonLines(path, [{ step: 1 }]);
    appendFileSync(path, '{"step":2,"rew');
    expect(readJsonLines(path)).toEqual([{ step: 1 }]);
    expect(repairJsonLines(path)).toBe(14);
    expect(repairJsonLines(path)).toBe(0);
    appendJsonLines(path, [{ step: 2 }]);
    expect(readFileSync(path, 'utf8')).toBe('{"step":1}\n{"step":2}\n');
  });

  it('name file and line of damage inside', () => {
    const path = join(folder, 'bad.jsonl');
    writeFileSync(path, '{"a":1}\n\n[1]\n');
    expect(() => readJsonLines(path)).toThrow(`${path}:3: expected one JSON object, got [1]`);
    writeFileSync(path, '{"a":1}\n{"a":\n{"a":3}\n');
    expect(() => readJsonLines(path)).toThrow(DataError);
    expect(() => readJsonLines(path)).toThrow(`${path}:2:`);
    expect(() => readJsonLines(join(folder, 'none'))).toThrow(/cannot read .*none/);
  });
});
