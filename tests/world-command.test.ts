/**
 * @file The synthetic world's files in CLEVRER's official form go the way of the original's: `data convert`, `data check`, `qai`,
 * `eval`, each as a user runs it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkpointDir } from './support/model-goldens.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const scratch = scratchFolder();
const world = join(scratch, 'world');
const videos = join(world, 'videos', 'train');
const converted = join(scratch, 'converted.jsonl');
const inverted = join(scratch, 'inverted.jsonl');

interface OfficialScene {
  readonly video_filename: string;
  readonly questions: readonly {
    readonly question_type: string;
    readonly choices?: readonly { readonly choice: string; readonly answer: string }[];
  }[];
}
interface Item {
  readonly id: string;
  readonly problem: string;
  readonly solution: string;
  readonly video: string;
}
const linesOf = <T>(file: string): T[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

const run = async (...argv: string[]) => {
  const { code, stdout, stderr } = await runCommand(...argv, '--json');
  expect([argv.slice(0, 2), code, code === 0 ? '' : stderr]).toEqual([argv.slice(0, 2), 0, '']);
  return JSON.parse(stdout);
};

describe('the files of the world', () => {
  let scenes: readonly OfficialScene[] = [];
  beforeAll(async () => {
    await run(
      ...['world', 'generate', '--output-dir', world, '--num-videos', '12', '--seed', '4'],
      ...[
        '--kind',
        'counterfactual',
        '--kind',
        'explain',
        '--size',
        '112x112',
        '--fps',
        '8',
        '--num-frames',
        '24',
      ],
    );
    scenes = JSON.parse(readFileSync(join(world, 'questions', 'train.json'), 'utf8'));
    expect(scenes).toHaveLength(12);
  }, 60_000);

  it('become items by data convert, one for each question, right options and all', async () => {
    await run(
      ...['data', 'convert', 'clevrer', join(world, 'questions', 'train.json'), '--output', converted],
      ...['--split', 'train', '--question-type', 'explanatory', '--question-type', 'counterfactual'],
    );
    const asked = scenes.flatMap(({ questions }) => questions.filter(({ choices }) => choices !== undefined));
    const items = linesOf<Item>(converted);
    expect(items).toHaveLength(asked.length);
    items.forEach(({ solution, problem }, at) => {
      const choices = asked[at]!.choices!;
      const right = choices.flatMap(({ answer }, i) => (answer === 'correct' ? ['ABCDE'[i]] : []));
      expect(solution).toBe(`<answer>${right.join(',')}</answer>`);
      for (const { choice } of choices) expect(problem).toContain(choice);
    });
  });

  it('pass data check with their videos', async () => {
    const report = await run('data', 'check', converted, '--video-root', videos);
    expect([report.ok, report.files[0].num_usable]).toEqual([true, linesOf(converted).length]);
    for (const { video } of linesOf<Item>(converted)) expect(existsSync(join(videos, video))).toBe(true);
  });

  it('are inverted by qai', async () => {
    const report = await run('qai', converted, '--output', inverted, '--seed', '1', '--share', '1');
    expect(report.inverted).toBeGreaterThan(0);
    expect(report.inverted + report.original).toBe(report.items);
    expect(linesOf(inverted)).toHaveLength(linesOf(converted).length);
  });

  it('are answered by eval', async () => {
    const { accuracy } = await run(
      ...['eval', '--model', checkpointDir('qwen2-5-vl'), '--data', converted, '--video-root', videos],
      ...['--output-dir', join(scratch, 'eval'), '--max-frames', '4', '--max-pixels', '12544'],
      ...['--max-completion-length', '12', '--batch-size', '4'],
    );
    expect(accuracy.overall.n).toBe(linesOf(converted).length);
  });
});
