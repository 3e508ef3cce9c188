/** What a GRPO step leaves in the run folder beside its row of metrics: its completions, the numbers of its tokens. */
import { solutionText, truthOf } from '../../data/index.ts';
import { type CompletionRecord, encodeTokens, type RunDirectory, type TokenRecord } from '../../run/index.ts';
import type { LearnedGroup } from './learned-group.ts';

/** @param step steps done */
export function recordStep(
  run: RunDirectory,
  step: number,
  groups: readonly LearnedGroup[],
  rewardNames: readonly string[],
): void {
  run.appendCompletions(step, completionRecords(step, groups, rewardNames));
  run.writeTokens(step, encodeTokens({ step, rows: tokenRecords(groups) }));
}

function completionRecords(
  step: number,
  groups: readonly LearnedGroup[],
  rewardNames: readonly string[],
): CompletionRecord[] {
  return groups.flatMap(({ prompt, rollouts }, group) => {
    const { id, media, problem, item } = prompt.question;
    const video = media.map(({ file }) => file).join(' ');
    return rollouts.map((one, row) => ({
      ...{ step, group, row, item: id, video, problem },
      solution: solutionText(truthOf(item)),
      completion: one.text,
      answer: one.answer.failed ? null : one.answer.letters,
      rewards: Object.fromEntries(rewardNames.map((name, f) => [name, one.rewards[f]!])),
      ...(one.temporal_bonus === undefined ? {} : { temporal_bonus: one.temporal_bonus }),
      reward: one.reward,
      advantage: one.advantage,
      length: one.ids.length,
      truncated: one.finish_reason === 'length',
    }));
  });
}

function tokenRecords(groups: readonly LearnedGroup[]): TokenRecord[] {
  return groups.flatMap(({ rollouts }, group) =>
    rollouts.map(({ ids, text_ends: ends, logps: sampling_logps, update }, row) => {
      if (update === undefined) throw new Error('internal: a step is recorded before its update');
      return { ...{ group, row, ids: Int32Array.from(ids), ends, sampling_logps }, ...update };
    }),
  );
}
