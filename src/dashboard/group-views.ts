/** Completions of a step as the groups that are shown: one prompt, its completions, and what each was worth. */
import type { CompletionRecord } from '../run/index.ts';
import type { CompletionView, GroupView } from './api.ts';
import type { ItemBook } from './item-book.ts';

/** Characters of a text in lists of many; a group's own page has it whole. */
const SHOWN = 8000;
/** Rewards closer than this are equal. */
const TOLERANCE = 1e-9;

/** @param texts `cut` shortens texts to 8000 characters */
export function groupViews(
  records: readonly CompletionRecord[],
  items: Pick<ItemBook, 'labels'>,
  texts: 'whole' | 'cut',
): GroupView[] {
  const groups = new Map<number, CompletionRecord[]>();
  for (const record of records) {
    const members = groups.get(record.group);
    if (members === undefined) groups.set(record.group, [record]);
    else members.push(record);
  }
  return [...groups].map(([group, members]) => {
    const { step, item, problem, solution } = members[0]!;
    return {
      step,
      group,
      item,
      problem,
      solution,
      truth: lettersOf(solution),
      labels: items.labels(item),
      has_signal: hasSpread(members),
      completions: members.map((record) => completionView(record, texts)),
    };
  });
}

export function completionView(record: CompletionRecord, texts: 'whole' | 'cut'): CompletionView {
  const { row, completion, answer, rewards, reward, advantage, length, truncated } = record;
  return {
    row,
    text: texts === 'cut' ? completion.slice(0, SHOWN) : completion,
    num_chars: completion.length,
    answer,
    verdict: verdictOf(record),
    rewards: Object.fromEntries(Object.entries(rewards).map(([name, value]) => [name, finite(value)])),
    reward: finite(reward),
    advantage: finite(advantage),
    length,
    truncated,
  };
}

/** Letters against letters, whatever the reward functions pay; other kinds of answer by what they earned. */
export function verdictOf(
  record: Pick<CompletionRecord, 'answer' | 'solution' | 'rewards'>,
): CompletionView['verdict'] {
  const { answer, rewards } = record;
  const truth = lettersOf(record.solution);
  if (!truth.every((part) => /^[A-Z]$/.test(part))) {
    const score = rewards['task'] ?? rewards['accuracy'] ?? Number.NaN;
    return Number.isNaN(score) ? 'unread' : score >= 1 ? 'right' : score > 0 ? 'partly' : 'wrong';
  }
  if (answer === null) return 'unread';
  const hits = answer.filter((letter) => truth.includes(letter)).length;
  if (hits < answer.length || hits === 0) return 'wrong';
  return hits === truth.length ? 'right' : 'partly';
}

/** `<answer>A,C</answer>` gives A and C; an answer that is no list of letters is one part. */
export function lettersOf(solution: string): string[] {
  const inside = (/<answer>([\s\S]*?)<\/answer>/.exec(solution)?.[1] ?? solution).trim();
  return /^[A-Z](?:\s*,\s*[A-Z])*$/.test(inside) ? inside.split(/\s*,\s*/) : [inside];
}

function hasSpread(records: readonly CompletionRecord[]): boolean {
  const rewards = records.map(({ reward }) => reward).filter((reward) => !Number.isNaN(reward));
  const first = rewards[0];
  return first !== undefined && rewards.some((reward) => Math.abs(reward - first) > TOLERANCE);
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
