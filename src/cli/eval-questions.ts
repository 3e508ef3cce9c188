/** Which questions `twgrpo eval` asks, and which it asks again with less to see; what the user is told of the files. */
import { readFileSync } from 'node:fs';
import { ConfigError, DataError, type Output } from '../base/index.ts';
import { isMultiple, isOfType, type Question, type QuestionType } from '../data/index.ts';
import {
  benchmarkOf,
  CONTROLS,
  type Control,
  controlQuestions,
  type readQuestionSet,
} from '../eval/index.ts';
import type { EvalChoice } from './eval-options.ts';

/** The ids asked for. @throws ConfigError naming ids that no question has */
function chosenIds(file: string, known: ReadonlySet<string>): ReadonlySet<string> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(`--ids ${file}: cannot be read`, { cause });
  }
  const ids = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const unknown = ids.filter((id) => !known.has(id));
  if (unknown.length > 0)
    throw new ConfigError(
      `--ids ${file}: ${unknown.length} ids are no question of --data, the first is ${JSON.stringify(unknown[0])}`,
    );
  return new Set(ids);
}

/** @throws DataError when none is left */
export function chooseQuestions(
  given: EvalChoice,
  items: ReturnType<typeof readQuestionSet>['items'],
  questionType: QuestionType,
) {
  // A benchmark of single answers asks for one letter; only the user's own word leaves questions out.
  const ofType =
    given.questionType === undefined ? items : items.filter((item) => isOfType(item, questionType));
  const ids = given.ids === undefined ? undefined : chosenIds(given.ids, new Set(items.map(({ id }) => id)));
  const chosen = (ids === undefined ? ofType : ofType.filter(({ id }) => ids.has(id))).slice(0, given.limit);
  if (chosen.length === 0)
    throw new DataError('no question is left to ask', { hint: 'check --question-type and --ids' });
  return chosen;
}

/** The controls asked for, each with its questions. @throws ConfigError where there is nothing that one could take away */
export function controlsOf(
  given: EvalChoice,
  questions: readonly Question[],
): [Control, readonly Question[]][] {
  const isAsked = { blind: given.blind, 'single-frame': given.singleFrame };
  return CONTROLS.filter((control) => isAsked[control] === true).map((control) => {
    const chosen = controlQuestions(control, questions);
    if (chosen.length === 0)
      throw new ConfigError(`--${control}: none of the ${questions.length} questions shows a video`, {
        hint: `leave out --${control}: they would be asked the same way again`,
      });
    return [control, chosen];
  });
}

/** What the files hold, against what the benchmark has. */
export function sayWhatIsRead(
  given: EvalChoice,
  set: ReturnType<typeof readQuestionSet>,
  numChosen: number,
  out: Output,
): void {
  const known = given.benchmark === undefined ? [] : Object.entries(benchmarkOf(given.benchmark).counts);
  out.status(
    `${numChosen} of ${set.items.length} questions, read as ${set.formats.join(' and ')}${set.part === undefined ? '' : ` (${given.benchmark}: ${set.part}, complete)`}`,
  );
  const numMultiple = set.items.filter(isMultiple).length;
  if (given.benchmark !== undefined && benchmarkOf(given.benchmark).answers === 'single' && numMultiple > 0)
    out.warn(
      `${numMultiple} questions have several right options, but ${given.benchmark} asks for one letter; leave --benchmark out to ask for several`,
    );
  if (known.length > 0 && set.part === undefined)
    out.warn(
      `the files hold ${set.items.length} usable questions; ${given.benchmark} has ${known.map(([part, count]) => `${count} (${part})`).join(', ')}: scores are of a part`,
    );
  for (const [code, count] of Object.entries(set.dropped)) out.warn(`${count} questions left out: ${code}`);
  if (set.warnings.length > 0)
    out.warn(`${set.warnings.length} warnings about the questions; twgrpo data check lists them`);
}
