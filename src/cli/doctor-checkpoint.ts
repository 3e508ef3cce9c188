/** `twgrpo doctor --checkpoint DIR`: whether a checkpoint's files are still those that were saved. */
import { existsSync } from 'node:fs';
import { CHECKSUMS, DataError, EXIT_CODES, type Output, verifyChecksums } from '../base/index.ts';

/** @returns the exit code: 0 when every file is as it was saved. @throws DataError when there is nothing to check */
export function checkCheckpoint(folder: string, out: Output): number {
  if (!existsSync(folder))
    throw new DataError(`${folder}: no such folder`, { hint: 'give a checkpoint-<step> folder of a run' });
  const files = verifyChecksums(folder);
  if (files === undefined)
    throw new DataError(`${folder}: has no ${CHECKSUMS}, so its files can not be checked`, {
      hint: 'only checkpoints of training have one; twgrpo inspect model reads the headers of any model folder',
    });
  const damaged = files.filter(({ state }) => state !== 'equal');
  for (const { name, state } of damaged)
    out.print(`${out.red(state === 'missing' ? 'missing' : 'damaged')}  ${name}`);
  if (damaged.length === 0) out.print(`${files.length} files, each as it was saved`);
  else {
    out.print(`${damaged.length} of ${files.length} files are not as they were saved`);
    out.print(
      out.bold('fix: resume from an older checkpoint of the run (--resume auto passes over this one)'),
    );
  }
  out.json({ ok: damaged.length === 0, checkpoint: folder, files });
  return damaged.length === 0 ? EXIT_CODES.done : EXIT_CODES.data;
}
