import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { RepoCache } from './cache.ts';

const COMMIT = 'a'.repeat(40);

it('links files of the same content at the same time, and leaves nothing else behind', async () => {
  const cache = new RepoCache(scratchFolder(), { type: 'model', name: 'owner/name', revision: undefined });
  const files = Array.from({ length: 40 }, (_, i) => ({
    path: `${i}.json`,
    size: 2,
    checksum: 'b'.repeat(40),
  }));
  const blob = cache.blobPath(files[0]!);
  mkdirSync(dirname(blob), { recursive: true });
  writeFileSync(blob, '{}');
  await Promise.all(files.map((file) => cache.link(COMMIT, file)));
  const folder = cache.snapshotFolder(COMMIT);
  expect(readdirSync(folder).sort()).toEqual(files.map(({ path }) => path).sort());
  for (const { path } of files) expect(readFileSync(join(folder, path), 'utf8')).toBe('{}');
});
