/**
 * The first look at a run: completions of one group with what was read from them and what they earned, before any weight
 * has changed. It shows at once when a prompt asks for another form than the parser reads, or a reward is always 0.
 */
import type { Logger } from '../../base/index.ts';
import { truthOf } from '../../data/index.ts';
import type { RolloutGroup } from '../../rollout/index.ts';

const MAX_TEXT = 160;

/** Writes the first group to the log, and a warning where its answers or rewards give nothing to learn from. */
export function logProbe(
  { prompt, rollouts, is_zero_std }: RolloutGroup,
  rewardNames: readonly string[],
  logger: Logger,
): void {
  const { id, problem, item } = prompt.question;
  logger.info(`probe: ${id}, right ${truthOf(item).join(',') || 'as its reward says'}: ${shorten(problem)}`);
  rollouts.forEach((one, row) => {
    const { answer } = one;
    const read = answer.failed ? 'not readable' : answer.letters.join(',');
    const shown = prompt.question.options.length > 0 ? `answer ${read} (${answer.source}); ` : '';
    const cut = one.finish_reason === 'length' ? ', cut off' : '';
    const rewards = rewardNames.map((name, f) => `${name} ${show(one.rewards[f]!)}`).join(', ');
    logger.info(
      `probe ${row + 1}/${rollouts.length}: ${shown}${rewards}; ${one.ids.length} tokens${cut}: ${shorten(one.text)}`,
    );
  });
  const isChoice = prompt.question.options.length > 0;
  if (isChoice && rollouts.every(({ answer }) => answer.failed))
    logger.warn(
      `probe: no answer could be read from any of the ${rollouts.length} completions; check prompt_template, answer_parser and max_completion_length`,
    );
  if (rollouts.every(({ finish_reason }) => finish_reason === 'length'))
    logger.warn('probe: every completion was cut off; max_completion_length may be too small');
  if (is_zero_std)
    logger.warn('probe: all completions of this group earned the same reward; this group teaches nothing');
}

function show(reward: number): string {
  return Number.isNaN(reward) ? 'not judged' : String(Number(reward.toPrecision(4)));
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return JSON.stringify(line.length <= MAX_TEXT ? line : `${line.slice(0, MAX_TEXT)}…`);
}
