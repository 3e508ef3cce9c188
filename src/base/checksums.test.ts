import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { CHECKSUMS, verifyChecksums, writeChecksums } from './checksums.ts';
import { DataError } from './errors.ts';

const root = scratchFolder();

function made(name: string): string {
  const folder = join(root, name);
  mkdirSync(join(folder, 'training_state'), { recursive: true });
  writeFileSync(join(folder, 'model.safetensors'), Buffer.alloc(9 * 2 ** 20, 7));
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(join(folder, 'training_state', 'trainer.json'), '{}');
  writeChecksums(folder);
  return folder;
}

it('are those of sha256sum', (context) => {
  const folder = made('whole');
  const { status, stdout, error } = spawnSync('sha256sum', ['-c', CHECKSUMS], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (error !== undefined) context.skip('no sha256sum here');
  expect([status, stdout]).toEqual([
    0,
    'empty: OK\nmodel.safetensors: OK\ntraining_state/trainer.json: OK\n',
  ]);
  expect(verifyChecksums(folder)?.map(({ state }) => state)).toEqual(['equal', 'equal', 'equal']);
});

it('tell a changed file, and a missing one; a folder without a list is not checked', () => {
  const folder = made('damaged');
  writeFileSync(join(folder, 'empty'), ' ');
  rmSync(join(folder, 'training_state', 'trainer.json'));
  expect(verifyChecksums(folder)).toEqual([
    { name: 'empty', state: 'differs' },
    { name: 'model.safetensors', state: 'equal' },
    { name: 'training_state/trainer.json', state: 'missing' },
  ]);
  rmSync(join(folder, CHECKSUMS));
  expect(verifyChecksums(folder)).toBe(undefined);
});

it.each(['nothing', `${'0'.repeat(64)}  ../../etc/passwd`, `${'0'.repeat(64)}  /etc/passwd`])(
  'a list that says %j is refused',
  (line) => {
    const folder = made('list');
    writeFileSync(join(folder, CHECKSUMS), `${line}\n`);
    expect(() => verifyChecksums(folder)).toThrow(DataError);
  },
);
