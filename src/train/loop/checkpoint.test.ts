import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { createLogger } from '../../base/index.ts';
import { quickKeys, train, writeModel, writeQuestions } from '../test-support.ts';

const folder = scratchFolder();
beforeAll(() => {
  writeModel(folder);
  writeQuestions(folder);
});

const sumsOf = (run: string, step: number): string =>
  readFileSync(join(folder, run, `checkpoint-${step}`, 'SHA256SUMS'), 'utf8');

it('a checkpoint is that of its own step, whatever training does meanwhile; without memory for a copy it is the same', async () => {
  const keys = { ...quickKeys(folder), max_steps: 4 };
  // Written while the next step trains, one after another, and the last alone.
  await train({ ...keys, output_dir: join(folder, 'beside'), save_steps: 1 });
  const available = vi.spyOn(process, 'availableMemory').mockReturnValue(1000);
  const logger = createLogger({ quiet: true, fd: 2 });
  const warn = vi.spyOn(logger, 'warn');
  try {
    await train({ ...keys, output_dir: join(folder, 'at-once'), save_steps: 1 }, { logger });
  } finally {
    available.mockRestore();
  }
  const words = warn.mock.calls.map((call) => String(call.at(-1)));
  expect(words.filter((text) => text.includes('training stands still while it is written'))).toHaveLength(1);
  for (const step of [1, 2, 3, 4])
    expect(sumsOf('beside', step), `step ${step}`).toBe(sumsOf('at-once', step));
  expect(new Set([1, 2, 3, 4].map((step) => sumsOf('beside', step))).size).toBe(4);
});
