/** The world words the negation of each of its questions itself; question-answer inversion must come to the same words. */
import { expect, it } from 'vitest';
import { negateQuestion } from '../src/data/qai/index.ts';
import { KINDS, QUESTION_KINDS } from '../src/world/index.ts';

it.each(QUESTION_KINDS)('%s: both wordings are the inversions of each other', (kind) => {
  const { variants, wording } = KINDS[kind];
  for (const variant of variants.flat()) {
    const [plain, negated] = [false, true].map((isNegated) =>
      wording(variant, { text: 'the red cube', objects: [0] }, isNegated),
    );
    expect(negateQuestion(plain!)).toMatchObject({ question: negated });
    expect(negateQuestion(negated!)).toMatchObject({ question: plain });
  }
});
