/** What a GRPO step leaves in the run folder beside its row of metrics: its completions, the numbers of its tokens. */

import { parseAnswer } from '../../answers/index.ts';
import type { Tokenizer } from '../../io/index.ts';
import { encodeTokens, type RunDirectory } from '../../run/index.ts';
import type { GrpoConfig } from '../config/config.ts';
import type { GrpoDetails } from './grpo-trainer.ts';

export interface StepRecord {
  /** Steps done. */
  readonly step: number;
  readonly run: RunDirectory;
  readonly config: GrpoConfig;
  readonly details: GrpoDetails;
  readonly rewardNames: readonly string[];
  readonly tokenizer: Tokenizer;
}

export function recordStep({ step, run, config, details, rewardNames, tokenizer }: StepRecord): void {
  const { groups, tokens } = details;
  run.appendCompletions(
    step,
    groups.flatMap(({ question, scored, contrast }, group) =>
      scored.map((one, row) => {
        const answer = parseAnswer(one.text, { parser: config.answer_parser, options: question.options });
        return {
          step,
          group,
          row,
          item: question.id,
          video: question.video,
          problem: question.problem,
          solution: question.solution,
          completion: one.text,
          answer: answer.failed ? null : answer.letters,
          rewards: Object.fromEntries(rewardNames.map((name, f) => [name, one.rewards[f]!])),
          ...(contrast === undefined ? {} : { temporal_bonus: contrast.bonuses[row]! }),
          reward: one.reward,
          advantage: one.advantage,
          length: one.ids.length,
          truncated: one.truncated,
        };
      }),
    ),
  );
  run.writeTokens(
    step,
    encodeTokens({
      step,
      rows: groups.flatMap(({ scored }, group) =>
        scored.map(({ ids, logps }, row) => ({
          group,
          row,
          ids: Int32Array.from(ids),
          ends: textEnds(ids, tokenizer),
          sampling_logps: logps,
          ...tokens[group]![row]!,
        })),
      ),
    }),
  );
}

/** Where each token's text ends in the completion, in UTF-16 units. A character split over tokens belongs to its last one. */
export function textEnds(ids: readonly number[], tokenizer: Tokenizer): Int32Array {
  const stream = tokenizer.decodeStream({ skip_special_tokens: true });
  const ends = new Int32Array(ids.length);
  let length = 0;
  ids.forEach((id, t) => {
    length += stream.push(id).length;
    ends[t] = length;
  });
  if (ids.length > 0) ends[ids.length - 1] = length + stream.end().length;
  return ends;
}
