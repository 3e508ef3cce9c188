import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { createLogger, VideoError } from '../base/index.ts';
import { itemSchema, type Question, toQuestion } from '../data/index.ts';
import { loadProcessor, type Processor } from '../models/index.ts';
import type { ReadyPrompt } from '../prompt/index.ts';
import { evaluationReport } from '../report/index.ts';
import type { Completion } from '../rollout/index.ts';
import { empty } from '../tensor/index.ts';
import { type EvaluateOptions, evaluate } from './evaluate.ts';

const CHECKPOINT = fileURLToPath(new URL('../../tests/goldens/checkpoints/qwen2-5-vl', import.meta.url));
const scratch = scratchFolder();

let processor: Processor;
beforeAll(() => {
  processor = loadProcessor(CHECKPOINT);
});

const questions = Array.from({ length: 11 }, (_, i) =>
  toQuestion(
    itemSchema.parse({
      id: `${i}`,
      media: [{ path: `${i}.mp4` }],
      question: 'Which?',
      options: ['one', 'two', 'three'],
      answer: i % 2 === 0 ? ['A'] : ['A', 'C'],
      dims: { half: i < 6 ? 'first' : 'second' },
    }),
    { video_root: '.' },
  ),
);

const isMissing = ({ id }: Question): boolean => id === '3' || id === '8';

/** Answers "A" to everything, by an engine whose memory holds so many prompts. */
function answering(fits: number) {
  const sizes: number[] = [];
  const asked: string[] = [];
  let alive = 0;
  const load = async (question: Question): Promise<ReadyPrompt> => {
    if (isMissing(question)) throw new VideoError(`${question.media[0]!.file}: no such file`);
    alive++;
    return { question, text: '', inputs: {} as ReadyPrompt['inputs'], dispose: () => void alive-- };
  };
  const answer = async (ready: readonly ReadyPrompt[]): Promise<Completion[]> => {
    sizes.push(ready.length);
    // 2^50 bytes: the engine's own failure, in its own words.
    if (ready.length > fits) empty([2 ** 50], { dtype: 'uint8' });
    return ready.map(({ question }) => {
      asked.push(question.id);
      const ids = processor.tokenizer.encode('<think> x </think> <answer>A</answer>');
      return { ids, finish_reason: 'stop' } as unknown as Completion;
    });
  };
  return { load, answer, sizes, asked, alive: () => alive };
}

function options(name: string, workshop: ReturnType<typeof answering>): EvaluateOptions {
  return {
    model: undefined as unknown as EvaluateOptions['model'],
    processor,
    questions,
    load: workshop.load,
    answer: workshop.answer,
    output_dir: join(scratch, name),
    settings: { protocol: name },
    batch_size: 8,
    max_completion_length: 8,
    sampling: { greedy: true },
    answer_parser: 'tolerant',
    stop_token_ids: [],
    banned_token_ids: [],
    logger: createLogger({ quiet: true, fd: 2, color: false }),
  };
}

describe('evaluate', () => {
  it('halves the batch where the engine has no memory: every item once, in the file too', async () => {
    const workshop = answering(3);
    const { rows, missing, isComplete, batch_size } = await evaluate(options('memory', workshop));
    const answered = questions.filter((question) => !isMissing(question)).map(({ id }) => id);
    expect(workshop.sizes.filter((size) => size > 3).length).toBeGreaterThan(0);
    expect([batch_size, isComplete, workshop.alive()]).toEqual([2, true, 0]);
    expect(workshop.asked).toEqual(answered);
    expect(rows.map(({ id }) => id)).toEqual(answered);
    expect(missing.map(({ id }) => id)).toEqual(['3', '8']);
    const lines = readFileSync(join(scratch, 'memory', 'rows.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(answered);
  });

  it('asks nothing again that has a row, and again what was missing', async () => {
    await evaluate({ ...options('resume', answering(8)), questions: questions.slice(0, 5) });
    const workshop = answering(8);
    const { rows, num_resumed } = await evaluate(options('resume', workshop));
    expect(num_resumed).toBe(4);
    expect(workshop.asked).toEqual(['5', '6', '7', '9', '10']);
    expect(rows.map(({ id }) => id)).toEqual(['0', '1', '2', '4', '5', '6', '7', '9', '10']);
  });

  it('its figures: strict and soft, single and multiple, by dimension, coverage, form of the answers', async () => {
    const evaluation = await evaluate(options('report', answering(8)));
    const report = evaluationReport('run', evaluation, {
      questions: questions.length,
      left_out: { no_answer: 1 },
      settings: {},
    });
    // Right for single answers; half of the truth for the others: 1, 5, 7, 9 of them have a video.
    expect(report.accuracy?.overall).toMatchObject({ n: 9, correct: 5, strict: 5 / 9, soft: 7 / 9 });
    expect(report.accuracy?.by_answers).toMatchObject({
      single: { n: 5, strict: 1 },
      multiple: { n: 4, strict: 0, soft: 0.5 },
    });
    expect(report.accuracy?.by).toMatchObject({ half: { first: { n: 5 }, second: { n: 4 } } });
    expect(report.coverage).toEqual({
      questions: 11,
      answered: 9,
      missing: 2,
      waiting: 0,
      left_out: { no_answer: 1 },
      share: 9 / 11,
    });
    expect(report.answers).toMatchObject({
      precision: 1,
      recall: 7 / 9,
      under_answering: 4 / 9,
      truncated: 0,
      format: 1,
    });
  });
});
