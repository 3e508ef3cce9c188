import { existsSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../base/index.ts';
import { type DataItem, itemSchema, LETTERS } from '../item.ts';
import { readItems } from '../read-items.ts';
import { type InvertOptions, invertItems, type QaiProvenance } from './invert.ts';

const NEXTGQA = path.join(
  process.env['TWGRPO_SHARED'] ?? path.join(packageRoot(), '..', 'shared'),
  'data/benchmarks/nextgqa_val.json',
);

function item(
  id: string,
  question: string,
  options: string[],
  answer: string[],
  more: object = {},
): DataItem {
  return itemSchema.parse({ id, media: [{ path: `${id}.mp4` }], question, options, answer, ...more });
}

const qaiOf = (one: DataItem): QaiProvenance => one.provenance['qai'] as QaiProvenance;

/** The faults of the output for this input; there must be none, whatever the settings. */
function problemsOf(before: readonly DataItem[], after: readonly DataItem[]): string[] {
  const problems: string[] = [];
  const check = (isRight: boolean, id: string, what: string): void => {
    if (!isRight) problems.push(`${id}: ${what}`);
  };
  check(after.length === before.length, 'all', 'number of items');
  for (const [index, one] of after.entries()) {
    const original = before[index]!;
    const qai = qaiOf(one);
    const isThere = one.media[0]?.path === original.media[0]?.path;
    check(qai.original_id === original.id && isThere, one.id, 'provenance');
    const shown = qai.kept_options.map((letter) => LETTERS.indexOf(letter));
    check(
      one.options.length === shown.length &&
        one.options.every((text, at) => text === original.options[shown[at]!]),
      one.id,
      'options are not those kept',
    );
    const wasRight = shown.map((place) => original.answer.includes(LETTERS[place]!));
    const isRight = one.options.map((_, place) => one.answer.includes(LETTERS[place]!));
    const isTurned = isRight.every((right, place) => right !== wasRight[place]);
    const isSame = isRight.every((right, place) => right === wasRight[place]);
    if (qai.inverted) {
      // Never an inverted answer under an unchanged question.
      check(one.question.toLowerCase() !== original.question.toLowerCase(), one.id, 'question unchanged');
      check(isTurned, one.id, 'answer not inverted');
      check(
        one.id === `${original.id}#inverted` && one.dims['qai'] === 'inverted',
        one.id,
        'id or dimension',
      );
      check(one.problem === undefined, one.id, 'the old problem text is left');
      check(qai.refused === null && qai.rule !== null, one.id, 'rule');
      check(qai.original_question === original.question, one.id, 'original question');
    } else {
      check(one.question === original.question && isSame, one.id, 'an item that stays was changed');
      check(one.id === original.id && one.dims['qai'] === 'original', one.id, 'id or dimension');
    }
    check(wasRight.filter(Boolean).length === original.answer.length, one.id, 'a right option was lost');
    check(isRight.includes(true), one.id, 'no right option');
  }
  return problems;
}

const settings = fc.record({
  seed: fc.integer(),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  drop: fc.boolean(),
  balance: fc.boolean(),
  contractions: fc.constantFrom('natural', 'always', 'never'),
}) as fc.Arbitrary<InvertOptions>;

describe('invertItems', () => {
  const question = fc.oneof(
    fc.constantFrom(
      'what did the man do',
      'why did he go',
      'how did she open it',
      'which object the man took',
      'did he go',
      'Which event will not happen?',
      'who opened it',
      'how many are there',
    ),
    fc.string({ minLength: 1, maxLength: 60 }).filter((text) => !text.includes('\0')),
  );
  const options = fc.uniqueArray(
    fc.constantFrom(
      'run',
      'ran',
      'jump',
      'smile',
      'smile and wave',
      'yes',
      'red',
      'blue',
      'the cube',
      'none of the above',
    ),
    { minLength: 1, maxLength: 6 },
  );
  const anyItem = fc
    .record({ question, options, pick: fc.integer({ min: 1, max: 63 }) })
    .map(({ question: text, options: all, pick }, index = 0) => {
      const right = all.flatMap((_, place) => ((pick >> place) & 1 ? [LETTERS[place]!] : []));
      return { question: text, options: all, answer: right.length === 0 ? ['A'] : right, index };
    });

  it('is sound for any items and settings, and the same for the same seed', () => {
    fc.assert(
      fc.property(fc.array(anyItem, { maxLength: 12 }), settings, (raws, chosen) => {
        const items = raws.map((raw, index) => item(`${index}`, raw.question, raw.options, raw.answer));
        const first = invertItems(items, chosen);
        expect(problemsOf(items, first.items)).toEqual([]);
        for (const one of first.items) expect(itemSchema.safeParse(one).success).toBe(true);
        expect(invertItems(items, chosen)).toEqual(first);
        const { report } = first;
        const possible = Object.values(report.rules).reduce((sum, rule) => sum + rule.possible, 0);
        const refused = Object.values(report.refused).reduce((sum, count) => sum + count, 0);
        expect(possible + refused).toBe(items.length);
        expect(report.inverted).toBe(first.items.filter((one) => qaiOf(one).inverted).length);
      }),
      { numRuns: 300 },
    );
  });

  it('decides about each item apart from the others', () => {
    const items = Array.from({ length: 50 }, (_, i) =>
      item(`${i}`, 'what did he do', ['run', 'jump', 'sit', 'eat'], ['B']),
    );
    const all = invertItems(items, { seed: 3 }).items;
    const half = invertItems(items.filter((_, i) => i % 2 === 0).reverse(), { seed: 3 }).items.reverse();
    expect(half).toEqual(all.filter((_, i) => i % 2 === 0));
    expect(invertItems(items, { seed: 4 }).items).not.toEqual(all);
  });

  it('inverts all, or none, or the share', () => {
    const items = Array.from({ length: 400 }, (_, i) =>
      item(`${i}`, 'what did he do', ['run', 'jump', 'sit'], ['B']),
    );
    expect(invertItems(items, { seed: 1, share: 1 }).report.inverted).toBe(400);
    expect(invertItems(items, { seed: 1, share: 0 }).report.inverted).toBe(0);
    // 400 throws of a coin: five standard deviations are 50.
    expect(Math.abs(invertItems(items, { seed: 1 }).report.inverted - 200)).toBeLessThan(50);
    expect(invertItems(items, { seed: 1, balance: true }).report.inverted).toBe(200);
  });

  it('keeps every wrong option without drop, and turns several right ones round', () => {
    const one = item('1', 'Which of these will happen?', ['run', 'jump', 'sit', 'eat'], ['A', 'C'], {
      problem: 'as written',
      process: '<think>He runs.</think>',
    });
    const [made] = invertItems([one], { seed: 1, share: 1, drop: false }).items;
    expect(made).toMatchObject({
      question: 'Which of these will not happen?',
      options: ['run', 'jump', 'sit', 'eat'],
      answer: ['B', 'D'],
    });
    expect(made).not.toHaveProperty('problem');
    expect(made).not.toHaveProperty('process');
    expect(invertItems([one], { seed: 1, share: 0 }).items[0]).toMatchObject({
      problem: 'as written',
      process: '<think>He runs.</think>',
    });
  });

  it('with balance, the number of options tells nothing', () => {
    const items = Array.from({ length: 4000 }, (_, i) =>
      item(`${i}`, 'what did he do', ['a b', 'c d', 'e f', 'g h', 'i j'], ['B']),
    );
    const { report } = invertItems(items, { seed: 9, balance: true });
    for (const count of [2, 3, 4, 5]) {
      const { inverted, original } = report.options[count]!;
      // Each is Binomial(2000, 1/4), standard deviation 19.4.
      expect(Math.abs(inverted - 500)).toBeLessThan(97);
      expect(Math.abs(original - 500)).toBeLessThan(97);
    }
    // Without it, only whole lists of options are left of the items that stay.
    expect(Object.keys(invertItems(items, { seed: 9 }).report.options)).toHaveLength(4);
    expect(invertItems(items, { seed: 9 }).report.options[2]?.original).toBe(0);
  });

  it('says why an item stays', () => {
    const items = [
      item('1', 'did he go', ['run', 'jump'], ['A']),
      item('2', 'what did he do', ['run', 'ran fast'], ['A']),
      item('3', 'what did he do', ['run', 'none of the above'], ['A']),
      item('4', 'what did he do', ['run', 'no reaction'], ['A']),
      item('5', 'why did he run', ['to win', 'not to lose'], ['A']),
    ];
    const { items: made, report } = invertItems(items, { seed: 1, share: 1 });
    expect(made.map((one) => qaiOf(one).refused)).toEqual([
      'yes_no_question',
      'overlapping_options',
      'meta_option',
      'negative_option',
      null,
    ]);
    expect(report.refused).toEqual({
      yes_no_question: 1,
      overlapping_options: 1,
      meta_option: 1,
      negative_option: 1,
    });
  });

  it('refuses items that went through it, and impossible shares', () => {
    const one = item('1', 'what did he do', ['run', 'jump'], ['A']);
    const { items } = invertItems([one], { seed: 1 });
    expect(() => invertItems(items, { seed: 1 })).toThrow(/has been through/);
    expect(() => invertItems([one], { seed: 1, share: 1.5 })).toThrow(/share/);
    expect(() => invertItems([one], { seed: 0.5 })).toThrow(/whole number/);
  });
});

describe.skipIf(!existsSync(NEXTGQA))('the NExT-GQA validation file', () => {
  const items = existsSync(NEXTGQA) ? readItems(NEXTGQA).items : [];

  it('counts rules and refusals', () => {
    const { report } = invertItems(items, { seed: 0 });
    const possible = Object.fromEntries(
      Object.entries(report.rules).map(([rule, count]) => [rule, count.possible]),
    );
    expect({ possible, refused: report.refused }).toMatchInlineSnapshot(`
      {
        "possible": {
          "be-contracted": 126,
          "be-not": 5,
          "do-contracted": 1003,
          "do-support": 25,
          "how-feel": 34,
          "how-ways": 605,
          "why-frame": 1446,
        },
        "refused": {
          "double_negation": 10,
          "how_known": 3,
          "how_measure": 1,
          "how_state": 5,
          "meta_option": 11,
          "negative_option": 26,
          "no_auxiliary": 1,
          "overlapping_options": 48,
          "quantified_subject": 7,
          "relative_clause": 1,
          "yes_no_question": 1,
        },
      }
    `);
  });

  it('never holds an inverted answer under an unchanged question: 20 seeds and settings', () => {
    fc.assert(
      fc.property(settings, (chosen) => {
        expect(problemsOf(items, invertItems(items, chosen).items)).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});
