import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../../tests/support/run-command.ts';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { quickKeys, rowsOf, train, writeModel, writeQuestions } from '../test-support.ts';

const folder = scratchFolder();
beforeAll(() => {
  writeModel(folder);
  writeQuestions(folder);
});

/** Changes one byte in the middle of a file, and nothing of its size. */
function flipByte(path: string): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from([bytes[at]! ^ 1]), 0, 1, at);
  closeSync(fd);
}

it('one changed bit is found by doctor, refused by name, and passed over by --resume auto', async () => {
  const run = join(folder, 'run');
  const keys = { ...quickKeys(folder), output_dir: run, save_steps: 2, max_steps: 4 };
  await train(keys);
  const newest = join(run, 'checkpoint-4');
  const whole = readFileSync(join(newest, 'model.safetensors'));
  const sound = await runCommand('doctor', '--checkpoint', newest);
  expect([sound.code, sound.stdout]).toEqual([
    0,
    expect.stringMatching(/^\d+ files, each as it was saved\n$/),
  ]);

  flipByte(join(newest, 'training_state', 'optimizer.safetensors'));
  const damaged = await runCommand('doctor', '--checkpoint', newest, '--json');
  expect(damaged.code).toBe(3);
  expect(JSON.parse(damaged.stdout)).toMatchObject({
    ok: false,
    files: expect.arrayContaining([
      { name: 'training_state/optimizer.safetensors', state: 'differs' },
      { name: 'model.safetensors', state: 'equal' },
    ]),
  });
  await expect(train(keys, { resume: newest })).rejects.toThrow(
    `${newest}: not as it was saved (SHA256SUMS): training_state/optimizer.safetensors differs`,
  );

  const resumed = await train(keys, { resume: 'auto' });
  expect(resumed.step).toBe(4);
  expect(rowsOf(run).map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  expect(readFileSync(join(newest, 'model.safetensors')).equals(whole)).toBe(true);
});

it('a folder that has nothing to check says so', async () => {
  const { code, stderr } = await runCommand('doctor', '--checkpoint', join(folder, 'model'));
  expect(code).toBe(3);
  expect(stderr).toContain('has no SHA256SUMS, so its files can not be checked');
});
