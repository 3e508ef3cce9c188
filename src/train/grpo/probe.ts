/**
 * The first look at a run: completions of one group with what was read from them and what they earned, before any weight
 * has changed. It shows at once when a prompt asks for another form than the parser reads, or a reward is always 0.
 */
import { parseAnswer, parseSolution } from '../../answers/index.ts';
import type { Logger } from '../../base/index.ts';
import type { ExperienceGroup } from '../../rollout/index.ts';
import type { GrpoConfig } from '../config/config.ts';

const MAX_TEXT = 160;

/** Writes the first group to the log, and a warning where its answers or rewards give nothing to learn from. */
export function logProbe(
  group: ExperienceGroup,
  rewardNames: readonly string[],
  config: GrpoConfig,
  logger: Logger,
): void {
  const { question, scored } = group;
  const truth = parseSolution(question.solution).join(',');
  logger.info(`probe: ${question.id}, right ${truth}: ${shorten(question.problem)}`);
  let numFailed = 0;
  scored.forEach((one, row) => {
    const answer = parseAnswer(one.text, { parser: config.answer_parser, options: question.options });
    if (answer.failed) numFailed += 1;
    const rewards = rewardNames.map((name, f) => `${name} ${show(one.rewards[f]!)}`).join(', ');
    logger.info(
      `probe ${row + 1}/${scored.length}: answer ${answer.failed ? 'not readable' : answer.letters.join(',')} (${answer.source}); ${rewards}; ${one.ids.length} tokens${one.truncated ? ', cut off' : ''}: ${shorten(one.text)}`,
    );
  });
  if (numFailed === scored.length)
    logger.warn(
      `probe: no answer could be read from any of the ${scored.length} completions; check prompt_template, answer_parser and max_completion_length`,
    );
  if (scored.every(({ truncated }) => truncated))
    logger.warn('probe: every completion was cut off; max_completion_length may be too small');
  if (group.is_zero_std)
    logger.warn('probe: all completions of this group earned the same reward; this group teaches nothing');
}

function show(reward: number): string {
  return Number.isNaN(reward) ? 'not judged' : String(Number(reward.toPrecision(4)));
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return JSON.stringify(line.length <= MAX_TEXT ? line : `${line.slice(0, MAX_TEXT)}…`);
}
