/** @file Questions in the form of CLEVRER's published files. */

/** A question with the text of its answer. */
export const descriptive = (question_id: number, question: string, answer: string) => ({
  question_id,
  question_type: 'descriptive',
  question,
  program: [],
  answer,
});

/** A question with choices, some of which are right. */
export const withChoices = (
  question_id: number,
  question_type: 'counterfactual' | 'explanatory' | 'predictive',
  question: string,
  choices: readonly object[],
) => ({ question_id, question_type, question, program: [], choices });

/** One of its choices. */
export const choice = (choice_id: number, answer: 'correct' | 'wrong') => ({
  choice_id,
  choice: `event ${choice_id}`,
  program: [],
  answer,
});
