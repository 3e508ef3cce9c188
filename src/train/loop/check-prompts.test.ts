import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { createLogger } from '../../base/index.ts';
import { readItems, toQuestion } from '../../data/index.ts';
import { loadProcessor } from '../../models/index.ts';
import { FrameStore, promptLoader } from '../../prompt/index.ts';
import { resolveGrpoConfig } from '../config/config.ts';
import { quickKeys, writeModel, writeQuestions } from '../test-support.ts';
import { checkPrompts } from './check-prompts.ts';

it.each(['video', 'image'])('measures the very length that loading gives (%s)', async (media) => {
  const folder = scratchFolder();
  const processor = loadProcessor(writeModel(folder));
  writeQuestions(folder, 1);
  const image = join(folder, 'a.png');
  writeFileSync(image, encode({ width: 90, height: 61, channels: 3, data: new Uint8Array(90 * 61 * 3) }));
  const row = { problem: 'What?\nA. x\nB. y', image, data_type: 'image', solution: '<answer>A</answer>' };
  writeFileSync(join(folder, 'image.jsonl'), `${JSON.stringify(row)}\n`);
  const jsonl_path = join(folder, media === 'image' ? 'image.jsonl' : 'questions.jsonl');
  // Below what the settings allow at most, so that the file must be opened; no prompt is that long.
  const values = { ...quickKeys(folder), jsonl_path, output_dir: '-', max_frames: 64, max_pixels: 1e6 };
  const { config } = resolveGrpoConfig([{ source: 'test', values: { ...values, max_prompt_length: 8000 } }]);
  const question = toQuestion(readItems(jsonl_path).items[0]!, config);
  const logger = createLogger({ quiet: true, fd: 2 });
  const { longest, numProbed } = await checkPrompts([question], { processor, config, logger });
  const ready = await promptLoader(processor, config, new FrameStore({ budget_mib: 0 }))(question);
  expect([longest, numProbed]).toEqual([ready.inputs.input_ids.length, 1]);
  ready.dispose();
});
