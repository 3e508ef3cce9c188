import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { sweepLeftovers, writeFileAtomic, writeFolderAtomic } from './atomic.ts';
import { DataError } from './errors.ts';

const root = scratchFolder();
let dir = root;
let counter = 0;
beforeEach(() => {
  dir = join(root, String(counter++));
  mkdirSync(dir);
});

describe('sweepLeftovers', () => {
  it('takes away what dead processes left, and nothing that a living one writes or that is not ours', () => {
    writeFolderAtomic(join(dir, 'whole'), (own) => {
      const [name] = readdirSync(dir) as [string];
      const [, host, , start] = name.split('-') as [string, string, string, string];
      const { pid } = spawnSync(process.execPath, ['-e', '']);
      const dead = `.tmp-${host}-${pid}-${start}-0123abcd-checkpoint-5`;
      // The number of a living process that began at another time: the writer is dead, its number was given anew.
      const reused = `.tmp-${host}-${process.pid}-1-0123abcd-checkpoint-6`;
      const elsewhere = `.tmp-other.host-${pid}-${start}-0123abcd-checkpoint-7`;
      const foreign = ['.tmp-mine', 'checkpoint-5', `.tmp-${pid}-0123abcd-checkpoint-8`];
      for (const one of [dead, reused, elsewhere, ...foreign]) mkdirSync(join(dir, one));
      writeFileSync(join(dir, dead, 'model.safetensors'), 'half');
      const swept = sweepLeftovers(dir);
      expect(swept.sort()).toEqual((existsSync('/proc/self/stat') ? [dead, reused] : [dead]).sort());
      expect(readdirSync(dir)).toEqual(expect.arrayContaining([name, elsewhere, ...foreign]));
      writeFileSync(join(own, 'x'), 'still there');
    });
    expect(readFileSync(join(dir, 'whole', 'x'), 'utf8')).toBe('still there');
    expect(sweepLeftovers(join(dir, 'nowhere'))).toEqual([]);
  });
});

describe('writeFileAtomic', () => {
  it('writes text, bytes or pieces, makes parents, and replaces', () => {
    const file = join(dir, 'a', 'b.txt');
    writeFileAtomic(file, 'é');
    expect(readFileSync(file, 'utf8')).toBe('é');
    writeFileAtomic(file, Uint8Array.from([1, 2]));
    writeFileAtomic(file, (write) => {
      write(Uint8Array.from([3]));
      write(Uint8Array.from([4]));
    });
    expect([...readFileSync(file)]).toEqual([3, 4]);
    expect(readdirSync(join(dir, 'a'))).toEqual(['b.txt']);
  });

  it('a failure in the middle leaves the old content and no leftover', () => {
    const file = join(dir, 'x');
    writeFileAtomic(file, 'old');
    const failing = (write: (piece: Uint8Array) => void) => {
      write(Buffer.from('half'));
      expect(readdirSync(dir).filter((name) => name.startsWith('.tmp-')).length).toBe(1);
      throw new Error('disk full');
    };
    expect(() => writeFileAtomic(file, failing)).toThrow('disk full');
    expect(readFileSync(file, 'utf8')).toBe('old');
    expect(readdirSync(dir)).toEqual(['x']);
  });

  it('a reader with the old file open keeps the old content', async () => {
    const file = join(dir, 'x');
    writeFileAtomic(file, 'old');
    const { open } = await import('node:fs/promises');
    const handle = await open(file);
    writeFileAtomic(file, 'new');
    expect(await handle.readFile('utf8')).toBe('old');
    await handle.close();
  });
});

describe('writeFolderAtomic', () => {
  it('shows the folder only when it is whole', () => {
    const target = join(dir, 'deep', 'model');
    writeFolderAtomic(target, (temporary) => {
      expect(existsSync(target)).toBe(false);
      mkdirSync(join(temporary, 'sub'));
      writeFileSync(join(temporary, 'sub', 'f'), 'x');
    });
    expect(readFileSync(join(target, 'sub', 'f'), 'utf8')).toBe('x');
  });

  it('refuses an existing folder, or replaces it whole', () => {
    const target = join(dir, 'model');
    const fill = (name: string) => (temporary: string) => writeFileSync(join(temporary, name), '');
    writeFolderAtomic(target, fill('a'));
    expect(() => writeFolderAtomic(target, fill('b'))).toThrow(DataError);
    writeFolderAtomic(target, fill('b'), { replace: true });
    expect(readdirSync(target)).toEqual(['b']);
    expect(readdirSync(dir)).toEqual(['model']);
  });

  it('a failure in the middle leaves the old folder and no leftover', () => {
    const target = join(dir, 'model');
    writeFolderAtomic(target, (temporary) => writeFileSync(join(temporary, 'a'), ''));
    const failing = (temporary: string) => {
      writeFileSync(join(temporary, 'b'), '');
      throw new Error('no space');
    };
    expect(() => writeFolderAtomic(target, failing, { replace: true })).toThrow('no space');
    expect(readdirSync(target)).toEqual(['a']);
    expect(readdirSync(dir)).toEqual(['model']);
  });
});
