/** What became of the answers of a step: how each was judged, and of every option letter how often it was named rightly, wrongly, or missed. */
import type { CompletionRecord } from '../run/index.ts';
import type { LetterCounts, StepOutcomes } from './api.ts';
import { lettersOf, verdictOf } from './group-views.ts';

export function stepOutcomes(
  records: readonly Pick<CompletionRecord, 'answer' | 'solution' | 'rewards'>[],
): StepOutcomes {
  const verdicts = { right: 0, partly: 0, wrong: 0, unread: 0 };
  const letters = new Map<string, { -readonly [Key in keyof LetterCounts]: number }>();
  const count = (letter: string, what: keyof LetterCounts): void => {
    const counts = letters.get(letter) ?? { hit: 0, wrong: 0, missed: 0 };
    counts[what]++;
    letters.set(letter, counts);
  };
  for (const record of records) {
    verdicts[verdictOf(record)]++;
    const truth = lettersOf(record.solution);
    // Answers that are no letters have nothing to count here.
    if (!truth.every((part) => /^[A-Z]$/.test(part))) continue;
    const named = new Set(record.answer ?? []);
    for (const letter of named) count(letter, truth.includes(letter) ? 'hit' : 'wrong');
    for (const letter of truth) if (!named.has(letter)) count(letter, 'missed');
  }
  return { verdicts, letters: Object.fromEntries([...letters].sort(([a], [b]) => (a < b ? -1 : 1))) };
}
