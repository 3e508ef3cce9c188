/** Log rows in the authors' form: against what their evaluators keep of each answer, and read back by `score`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { accuracyScore, formatAuthors, parseAnswer } from '../answers/index.ts';
import type { DataItem } from '../data/index.ts';
import type { EvaluationRow } from '../stats/index.ts';
import { authorsLogLine } from './authors-log.ts';
import { type LogScore, scoreLog } from './score-log.ts';

const { texts, evaluators } = JSON.parse(
  readFileSync(new URL('../../tests/goldens/eval/evaluators.json', import.meta.url), 'utf8'),
) as {
  readonly texts: readonly string[];
  readonly evaluators: Readonly<Record<string, { readonly kept: readonly (readonly [string, string])[] }>>;
};

const scratch = scratchFolder();

const item = {
  id: 'q1',
  media: 'video',
  path: '/MMVU/videos/Art/0.mp4',
  question: 'Which?',
  options: ['one', 'two', 'three'],
  answer: ['A', 'C'],
  type: 'multiple choice',
  dims: { discipline: 'Art' },
} as unknown as DataItem;

function rowOf(text: string, index: number, parser: 'authors_eval' | 'tolerant'): EvaluationRow {
  const { letters, failed } = parseAnswer(text, { parser, options: item.options });
  return {
    id: `q${index}`,
    problem: 'Which?\nA. one\nB. two\nC. three',
    video: 'a.mp4',
    truth: item.answer,
    chosen: letters,
    failed,
    score: accuracyScore(letters, item.answer, 'soft'),
    format: formatAuthors(text),
    completion: text,
    length: 1,
    truncated: false,
    dims: {},
  };
}

describe("the authors' log form", () => {
  it.each([
    ['eval_clevrer', 'authors_eval'],
    ['eval_general_zeroshot', 'authors_raw'],
  ] as const)('keeps of every answer what %s keeps', (evaluator, parser) => {
    texts.forEach((text, index) => {
      const row = rowOf(text, index, 'authors_eval');
      const line = JSON.parse(authorsLogLine(row, item, parser)) as Record<string, unknown>;
      const kept = [line['extracted_answer'], line['think_content']];
      expect(kept, JSON.stringify(text)).toEqual(evaluators[evaluator]!.kept[index]);
    });
  });

  it('is read back with every score repeated', () => {
    const file = join(scratch, 'log.json');
    const lines = texts.map((text, index) =>
      authorsLogLine(rowOf(text, index, 'authors_eval'), { ...item, id: `q${index}` }, 'authors_eval'),
    );
    writeFileSync(file, lines.join('\n'));
    const found = scoreLog(file) as LogScore;
    expect(found.rule).toMatchObject({
      rule: 'authors_eval',
      accuracy: { authors_eval: { agree: texts.length, of: texts.length } },
      extracted: { authors_eval: { agree: texts.length, of: texts.length } },
      format: { agree: texts.length, of: texts.length },
    });
    expect(found.unknown_fields).toEqual({});
  });

  it.each(['authors_eval', 'tolerant'] as const)(
    'the rows of an evaluation read by %s are scored again',
    (parser) => {
      const file = join(scratch, `${parser}.jsonl`);
      const rows = texts.map((text, index) => rowOf(text, index, parser));
      writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n'));
      const found = scoreLog(file) as LogScore;
      expect(found.invalid).toEqual([]);
      expect(found.rule.rule).toBe(parser);
      expect(found.rule.accuracy[parser]).toEqual({ agree: texts.length, of: texts.length });
      expect(found.changes).toEqual([]);
      expect(found.rows).toBe(texts.length);
    },
  );
});
