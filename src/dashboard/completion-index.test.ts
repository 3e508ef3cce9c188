import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { writeSyntheticRun } from '../../tests/support/synthetic-run.ts';
import { RunDirectory } from '../run/index.ts';
import { CompletionIndex, type SearchQuery } from './completion-index.ts';
import { RunData } from './run-data.ts';

const path = join(scratchFolder(), 'run');
writeSyntheticRun(path, {
  num_steps: 7,
  num_groups: 2,
  num_generations: 4,
  change: (record) =>
    record.step === 3 && record.row === 1
      ? { ...record, completion: 'Zwölf Boxkämpfer ✓', reward: 7 }
      : record,
});
const all = RunDirectory.open(path);
const records = all.completionSteps().flatMap((step) => all.readCompletions(step));
const index = new CompletionIndex(new RunData('x', all));
const search = (query: Partial<SearchQuery>) =>
  index.search({ q: '', sort: 'step', order: 'ascending', offset: 0, limit: 100, ...query });

describe('CompletionIndex', () => {
  it('finds every completion of every step, in order, with its text', async () => {
    const { matches, total, hits } = await search({});
    expect({ matches, total }).toEqual({ matches: 56, total: 56 });
    expect(hits.map(({ step, group, completion }) => [step, group, completion.row, completion.text])).toEqual(
      records.map(({ step, group, row, completion }) => [step, group, row, completion]),
    );
  });

  it('finds a text whatever its case, and reads the right bytes behind letters of several bytes', async () => {
    const { matches, hits } = await search({ q: 'BOXKÄMPFER' });
    expect(matches).toBe(2);
    expect(hits.map(({ completion }) => completion.text)).toEqual([
      'Zwölf Boxkämpfer ✓',
      'Zwölf Boxkämpfer ✓',
    ]);
  });

  it('sorts, pages and filters as a plain search does', async () => {
    const byReward = [...records].sort((a, b) => b.reward - a.reward).map(({ reward }) => reward);
    const second = await search({ sort: 'reward', order: 'descending', offset: 10, limit: 10 });
    expect(second.hits.map(({ completion }) => completion.reward)).toEqual(byReward.slice(10, 20));
    const several = records.filter(({ solution }) => solution.includes(','));
    expect((await search({ type: 'multiple' })).matches).toBe(several.length);
    const verdicts = await Promise.all(
      (['right', 'partly', 'wrong', 'unread'] as const).map((verdict) => search({ verdict })),
    );
    expect(verdicts.reduce((sum, { matches }) => sum + matches, 0)).toBe(56);
    const [withSignal, without] = [await search({ signal: 'with' }), await search({ signal: 'without' })];
    expect(withSignal.matches + without.matches).toBe(56);
    expect(
      withSignal.hits.every(({ step, group }) => {
        const rewards = records
          .filter((one) => one.step === step && one.group === group)
          .map(({ reward }) => reward);
        return Math.max(...rewards) > Math.min(...rewards);
      }),
    ).toBe(true);
  });

  it('takes in steps that come later, and forgets those that were cut off', async () => {
    all.appendCompletions(8, [{ ...records[0]!, step: 8, completion: 'late' }]);
    expect((await search({ q: 'late' })).hits.map(({ step }) => step)).toEqual([8]);
    all.truncateAfter(6);
    expect((await search({})).total).toBe(48);
  });
});
