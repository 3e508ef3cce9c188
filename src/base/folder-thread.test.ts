import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { beginFolder, isLeftover } from './atomic.ts';
import { verifyChecksums } from './checksums.ts';
import { FolderThread, HeldFiles } from './folder-thread.ts';

const root = scratchFolder();

/** A begun folder, with files that are held. */
function begun(name: string) {
  const target = join(root, name);
  const { temporary } = beginFolder(target);
  const held = new HeldFiles();
  held.write(join(temporary, 'a.json'), '{"ä":1}');
  held.write(join(temporary, 'deep', 'b.bin'), (put) => {
    put(Uint8Array.of(1, 2, 3));
    // A part of a larger buffer.
    put(Uint8Array.of(0, 4, 5, 0).subarray(1, 3));
  });
  return { target, temporary, files: held.files };
}

it('writes what was held, with checksums, under its real name, and then removes what it takes the place of', async () => {
  const { target, temporary, files } = begun('whole');
  const old = join(root, 'old');
  mkdirSync(old);
  await new FolderThread({ files, end: { temporary, target, awaited: [], replaced: [old] } }).done();
  expect(readFileSync(join(target, 'a.json'), 'utf8')).toBe('{"ä":1}');
  expect([...readFileSync(join(target, 'deep', 'b.bin'))]).toEqual([1, 2, 3, 4, 5]);
  expect(verifyChecksums(target)).toEqual([
    { name: 'a.json', state: 'equal' },
    { name: 'deep/b.bin', state: 'equal' },
  ]);
  expect(existsSync(old)).toBe(false);
});

it('takes the bytes: what is written to a weight afterwards does not show', async () => {
  const { target, temporary } = begun('copy');
  const held = new HeldFiles();
  const content = Uint8Array.of(7, 7);
  held.write(join(temporary, 'c'), content);
  content.fill(8);
  await new FolderThread({
    files: held.files,
    end: { temporary, target, awaited: [], replaced: [] },
  }).done();
  expect([...readFileSync(join(target, 'c'))]).toEqual([7, 7]);
});

it('waits for the files of other processes', async () => {
  const { target, temporary, files } = begun('shared');
  const end = { temporary, target, awaited: ['part-2'], replaced: [] };
  const thread = new FolderThread({ files, end });
  await new FolderThread({ files: [{ file: join(temporary, 'part-3'), pieces: [] }] }).done();
  while (!existsSync(join(temporary, 'deep', 'b.bin'))) await new Promise((next) => setTimeout(next, 5));
  expect([thread.isDone, existsSync(target)]).toEqual([false, false]);
  writeFileSync(join(temporary, 'part-2'), 'two');
  await thread.done();
  expect(readdirSync(target).sort()).toEqual(['SHA256SUMS', 'a.json', 'deep', 'part-2', 'part-3']);
});

it('gives up a file that its process will not write', async () => {
  const { target, temporary, files } = begun('lost');
  const thread = new FolderThread({ files, end: { temporary, target, awaited: ['part-2'], replaced: [] } });
  await thread.end('stop');
  await expect(thread.done()).rejects.toThrow('part-2: the process that writes it did not');
  expect(existsSync(target)).toBe(false);
});

it('does not give a name where another process has the lock meanwhile', async () => {
  const { target, temporary, files } = begun('taken');
  const file = join(root, 'lock');
  writeFileSync(file, 'theirs');
  const lock = { file, text: 'ours' };
  const thread = new FolderThread({ files, end: { temporary, target, awaited: [], replaced: [], lock } });
  await expect(thread.done()).rejects.toThrow('another process took the folder over');
  expect(existsSync(target)).toBe(false);
});

it.skipIf(process.platform !== 'linux')(
  'tells of a disk that refuses as any writer does: class, words, next step',
  async () => {
    const files = [{ file: '/sys/a', pieces: [] }];
    await expect(new FolderThread({ files }).done()).rejects.toMatchObject({
      name: 'DiskError',
      message: expect.stringMatching(
        /^\/sys\/a: (permission denied|not permitted|the file system is read-only)/,
      ),
      hint: expect.stringMatching(/owns|mount/),
    });
    expect(readdirSync(root).filter((name) => isLeftover(name) && /taken|lost/.test(name)).length).toBe(2);
  },
);
