/** @file The metrics of docs/training.md and docs/sft.md are those that runs write: no more, no fewer. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { createLogger, type JsonObject } from '../base/index.ts';
import { resolveSftConfig } from './config/sft-config.ts';
import { runSft } from './sft/sft-run.ts';
import { quickKeys, rowsOf, train, writeModel, writeQuestions } from './test-support.ts';

const folder = scratchFolder();
let questions: string;
beforeAll(() => {
  writeModel(folder);
  questions = writeQuestions(folder);
});

/** Keys of the table under "## Metrics", but for those that only a GPU has. */
function documented(page: string): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8');
  const [, section = ''] = text.split(/^## Metrics$/m);
  const lines = section.split(/^## /m)[0]!.split('\n');
  return lines
    .filter((line) => line.startsWith('| `') && !line.includes('| on a GPU: '))
    .flatMap((line) => [...line.split('|')[1]!.matchAll(/`([^`]+)`/g)].map(([, key]) => key!))
    .sort();
}

/** Keys of all rows, parts that depend on the run in the page's words. */
function written(outputDirs: readonly string[]): string[] {
  const keys = outputDirs.flatMap(rowsOf).flatMap((row) => Object.keys(row));
  const general = keys.map((key) =>
    key
      .replace(/^rewards\/task\/.+\/mean$/, 'rewards/task/<kind>/mean')
      .replace(/^reward\/source\/.+/, 'reward/source/<name>')
      .replace(/^rewards\/[^/]*\/(mean|std|unjudged)$/, 'rewards/<name>/$1')
      .replace(/^time\/.*/, 'time/<phase>')
      .replace(/^eval_strict\/[^/]+\/.*/, 'eval_strict/<dimension>/<value>'),
  );
  return [...new Set(general)].filter((key) => key !== 'step').sort();
}

it('docs/training.md', async () => {
  const keys = { ...quickKeys(folder), max_steps: 2, beta: 0.1, lora_r: 2, max_completion_length: 40 };
  const plain = join(folder, 'plain');
  await train({ ...keys, output_dir: plain });
  // This model writes answers that can be read.
  const other = join(folder, 'other');
  await train({
    ...keys,
    model_name_or_path: join(import.meta.dirname, '../../assets/cold-start'),
    prompt_template: 'plain',
    max_completion_length: 96,
    max_steps: 1,
    output_dir: other,
    dynamic_sampling: true,
    temporal_contrast: true,
  });
  // By kind and by source: a question of each has both.
  const jsonl_path = join(folder, 'sources.jsonl');
  const rows = readFileSync(questions, 'utf8').trim().split('\n');
  writeFileSync(
    jsonl_path,
    rows.map((row) => `${JSON.stringify({ ...JSON.parse(row), data_source: 'x' })}\n`).join(''),
  );
  const kinds = join(folder, 'kinds');
  const kindKeys = { ...keys, jsonl_path, reward_funcs: ['task', 'unsure'], max_steps: 1, output_dir: kinds };
  await train(kindKeys, { rewards: { unsure: (inputs) => inputs.map((_, i) => (i === 0 ? null : 1)) } });
  expect(written([plain, other, kinds])).toEqual(documented('training.md'));
});

it('docs/sft.md', async () => {
  const data = join(folder, 'with-dims.jsonl');
  const rows = readFileSync(questions, 'utf8').trim().split('\n');
  const lines = rows.map((row) => JSON.stringify({ ...JSON.parse(row), dims: { kind: 'order' } }));
  writeFileSync(data, `${lines.join('\n')}\n`);
  const { model_name_or_path, video_root, max_frames, max_pixels, max_prompt_length, num_threads } =
    quickKeys(folder);
  const values: JsonObject = {
    ...{ model_name_or_path, video_root, max_frames, max_pixels, max_prompt_length, num_threads },
    jsonl_path: data,
    eval_jsonl_path: data,
    output_dir: join(folder, 'sft'),
    optimizer: 'muon',
    max_steps: 1,
    max_completion_length: 40,
  };
  const resolved = resolveSftConfig([{ source: 'test', values }]);
  await runSft({ resolved, logger: createLogger({ quiet: true, fd: 2 }) });
  expect(written([join(folder, 'sft')])).toEqual(documented('sft.md'));
});
