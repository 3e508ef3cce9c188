/** The `-authors` protocols against what the authors' evaluators ask and score; golden from their own functions. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accuracyScore, formatAuthorsEval, parseAnswer, parseSolution } from '../answers/index.ts';
import { type DataItem, promptMessages, toQuestion } from '../data/index.ts';
import { benchmarkOf } from './benchmarks.ts';
import { protocolOf } from './protocols.ts';

interface Golden {
  readonly evaluator_of: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly items: readonly { readonly problem: string; readonly options: readonly string[] }[];
  readonly solutions: readonly string[];
  readonly texts: readonly string[];
  readonly evaluators: Readonly<
    Record<
      string,
      {
        /** Digests of system and user turn of each item; null: no such turn. */
        readonly prompts: readonly (readonly [string | null, string])[];
        /** Accuracy under each solution, then format. */
        readonly scores: readonly (readonly number[])[];
      }
    >
  >;
}

const golden = JSON.parse(
  readFileSync(new URL('../../tests/goldens/eval/evaluators.json', import.meta.url), 'utf8'),
) as Golden;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);
const cases = Object.entries(golden.evaluator_of).flatMap(([protocol, row]) =>
  Object.entries(row).map(([benchmark, evaluator]) => ({ protocol, benchmark, evaluator })),
);

describe('the protocols of the authors', () => {
  it('cover every protocol, benchmark and form of answer', () => {
    expect(cases).toHaveLength(18);
    expect(golden.texts.length * golden.solutions.length).toBeGreaterThan(1400);
  });

  it.each(cases)('$protocol on $benchmark reads and scores as $evaluator', (one) => {
    const parser = protocolOf(one.protocol).answer_parser[benchmarkOf(one.benchmark).answers];
    const expected = golden.evaluators[one.evaluator]!;
    golden.texts.forEach((text, index) => {
      const { letters } = parseAnswer(text, { parser });
      const scores = golden.solutions.map((solution) =>
        accuracyScore(letters, parseSolution(solution), 'soft'),
      );
      const found = [...scores, formatAuthorsEval(text)];
      found.forEach((value, column) => {
        expect(value, `${JSON.stringify(text)}, column ${column}`).toBeCloseTo(
          expected.scores[index]![column]!,
          11,
        );
      });
    });
  });

  it.each(cases)('$protocol on $benchmark asks as $evaluator', (one) => {
    const template = protocolOf(one.protocol).template[benchmarkOf(one.benchmark).answers];
    golden.items.forEach((given, index) => {
      const options = given.options.map((option) => option.replace(/^[A-Z]\. /, ''));
      // The files of the general sets hold the question alone, those of CLEVRER its options too.
      const isGeneral = template === 'video-r1' || template === 'zero-shot-letter';
      const item = {
        media: [{ type: 'video' }],
        question: given.problem,
        options,
        ...(isGeneral ? {} : { problem: given.problem }),
      } as const;
      const messages = promptMessages(item, { template });
      const system = messages.length === 2 ? digest(String(messages[0]!.content)) : null;
      const content = messages.at(-1)!.content;
      const text = Array.isArray(content) ? content.find((part) => part.type === 'text') : undefined;
      expect([system, digest(String(text?.text))]).toEqual(expected(one.evaluator, index));
    });
  });

  it('show the whole video, ours the part that the item names', () => {
    const item = {
      id: 'a',
      media: [{ type: 'video', path: 'a.mp4', start: 2, end: 5 }],
      question: 'q',
      options: ['x'],
      answer: ['A'],
    };
    const asked = (name: string) =>
      toQuestion(item as unknown as DataItem, { video_root: '/v', clip: protocolOf(name).clip }).item
        .media[0]!;
    for (const name of Object.keys(golden.evaluator_of)) {
      expect(asked(name)).not.toHaveProperty('start');
      expect(asked(name)).not.toHaveProperty('end');
    }
    expect(asked('tw-grpo')).toMatchObject({ start: 2, end: 5 });
  });
});

function expected(evaluator: string, index: number): readonly [string | null, string] {
  return golden.evaluators[evaluator]!.prompts[index]!;
}
