/** @file The built addon has the guards that native/CMakeLists.txt asks for, read from its ELF file by binutils. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { readEngineFile } from '../src/base/index.ts';

const ADDON = readEngineFile()!.addon;
const binutils = (program: 'readelf' | 'objdump', ...flags: readonly string[]): string =>
  execFileSync(program, [...flags, ADDON], { encoding: 'utf8', maxBuffer: 2 ** 26 });

describe.skipIf(process.platform !== 'linux')('the addon (skipped where it is no ELF file)', () => {
  it('has a stack that holds no code, and no segment that is written to and executed', () => {
    const segments = [...binutils('readelf', '-lW').matchAll(/^ +([A-Z_]+) +0x.* ([R ][W ][E ]) +0x/gm)].map(
      ([, type, flags]) => `${type} ${flags}`,
    );
    expect(segments).toContain('GNU_STACK RW ');
    expect(segments).toContain('LOAD R E');
    expect(segments.filter((segment) => segment.includes('WE'))).toEqual([]);
  });

  it('has tables that are read-only once it is loaded (full RELRO)', () => {
    expect(binutils('readelf', '-lW')).toMatch(/GNU_RELRO/);
    expect(binutils('readelf', '-dW')).toMatch(/FLAGS.*NOW/);
  });

  it('has stack protectors', () => {
    expect(binutils('readelf', '-W', '--dyn-syms')).toMatch(/UND __stack_chk_fail/);
  });

  it.skipIf(process.arch !== 'x64')('has marks of where a jump may land (skipped on other than x86)', () => {
    expect(binutils('objdump', '--disassemble=napi_register_module_v1')).toMatch(
      /<napi_register_module_v1>:\n.*endbr64/,
    );
  });
});
