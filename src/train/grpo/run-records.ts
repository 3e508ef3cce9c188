/** What a GRPO step leaves in the run folder beside its row of metrics: its completions, the numbers of its tokens. */
import { solutionText } from '../../data/index.ts';
import { type CompletionRecord, encodeTokens, type RunDirectory } from '../../run/index.ts';
import type { GrpoDetails } from './grpo-trainer.ts';

export interface StepRecord {
  /** Steps done. */
  readonly step: number;
  readonly run: RunDirectory;
  readonly details: GrpoDetails;
  readonly rewardNames: readonly string[];
}

export function recordStep({ step, run, details, rewardNames }: StepRecord): void {
  run.appendCompletions(step, completionRecords(step, details, rewardNames));
  run.writeTokens(step, encodeTokens({ step, rows: details.tokens }));
}

function completionRecords(
  step: number,
  { groups }: GrpoDetails,
  rewardNames: readonly string[],
): CompletionRecord[] {
  return groups.flatMap(({ prompt, rollouts }, group) => {
    const { id, video, problem, item } = prompt.question;
    return rollouts.map((one, row) => ({
      ...{ step, group, row, item: id, video, problem },
      solution: solutionText(item.answer),
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
