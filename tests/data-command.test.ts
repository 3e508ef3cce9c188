/** @file `data check` says the next step for a file that it can not look at, to people and to programs, and checks the others. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const folder = scratchFolder();

it('a missing file is an error with a hint, beside the report of the other', async () => {
  const missing = join(folder, 'nowhere.jsonl');
  const there = join(folder, 'there.jsonl');
  writeFileSync(
    there,
    `${JSON.stringify({ problem: 'Which?\nA. this\nB. that', video: 'a.mp4', solution: '<answer>A</answer>' })}\n`,
  );
  const { code, stdout, stderr } = await runCommand('data', 'check', missing, there, '--json');
  expect(code).toBe(3);
  expect(stderr).toContain(`${missing}: no such data file`);
  expect(stderr).toContain('next step: check the path');
  const [refused, checked] = JSON.parse(stdout).files;
  expect(refused).toMatchObject({ file: missing, hint: expect.stringContaining('check the path') });
  expect(checked).toMatchObject({ file: there, is_sound: true });
});
