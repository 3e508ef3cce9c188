/** Whether every question of a run can be judged, found out before the first step. */
import { DataError, tally } from '../../base/index.ts';
import { itemTask, type Question } from '../../data/index.ts';

/** What a built-in reward says of kinds of question; a user's module is taken to judge every kind. */
const FORM_REWARDS = new Set(['format', 'format_strict']);

/** @throws DataError when no reward but those of form can judge some of the questions */
export function checkJudges(questions: readonly Question[], rewardNames: readonly string[]): void {
  const judges = rewardNames.filter((name) => !FORM_REWARDS.has(name));
  if (judges.length === 0 || judges.some((name) => name !== 'accuracy' && name !== 'task')) return;
  const isJudged = (question: Question): boolean => {
    const task = itemTask(question.item);
    return task === 'multiple choice' || (task !== 'open' && judges.includes('task'));
  };
  const unjudged = questions.filter((question) => !isJudged(question));
  const [first] = unjudged;
  if (first === undefined) return;
  const counts = Object.entries(tally(unjudged.map(({ item }) => itemTask(item))));
  throw new DataError(
    `${unjudged.length} of ${questions.length} questions can not be judged by reward_funcs ${rewardNames.join(', ')}: ${counts
      .map(([task, count]) => `${count} ${task}`)
      .join(', ')}; the first is ${first.id}`,
    {
      hint: counts.some(([task]) => task === 'open')
        ? 'give open questions a reward module of your own in reward_funcs, or a problem_type'
        : 'use reward_funcs: [task, format], or a module of your own',
    },
  );
}
