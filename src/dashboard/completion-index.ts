/**
 * An index of every completion of a run, so that search, sorting and filters reach all steps: for each completion its step, group,
 * row, numbers, and the bytes of its line in its file. Made on the first search, a few files at a time so that the server goes on
 * answering, and grown by new files alone. Opening a run reads none of it.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { CompletionRecord } from '../run/index.ts';
import type { CompletionView, Hit, SearchResult } from './api.ts';
import { completionView, lettersOf, verdictOf } from './group-views.ts';
import type { RunData } from './run-data.ts';

export interface SearchQuery {
  /** Part of the completion's text, letter case aside. */
  readonly q: string;
  readonly sort: 'step' | 'reward' | 'advantage' | 'length';
  readonly order: 'ascending' | 'descending';
  readonly verdict?: CompletionView['verdict'] | undefined;
  /** Questions with one right option, or with several. */
  readonly type?: 'single' | 'multiple' | undefined;
  /** `name=value` of a dimension of the data file. */
  readonly label?: string | undefined;
  /** Groups whose rewards differ, or those whose rewards are equal. */
  readonly signal?: 'with' | 'without' | undefined;
  readonly offset: number;
  readonly limit: number;
}

const VERDICTS = ['right', 'partly', 'wrong', 'unread'] as const;
/** Files read before other requests get their turn. */
const FILES_A_TURN = 40;

/** Numbers of one step's completions; one place a completion. */
interface StepIndex {
  readonly step: number;
  readonly mark: string;
  readonly groups: Uint16Array;
  readonly rows: Uint16Array;
  readonly rewards: Float64Array;
  readonly advantages: Float64Array;
  readonly lengths: Uint32Array;
  readonly verdicts: Uint8Array;
  /** 1 where several options are right; 2 where the group's rewards differ. */
  readonly flags: Uint8Array;
  readonly items: Uint32Array;
  /** First byte of each line, and of the end of the last. */
  readonly offsets: Float64Array;
}

export class CompletionIndex {
  readonly #run: RunData;
  readonly #steps = new Map<number, StepIndex>();
  readonly #itemNumbers = new Map<string, number>();
  readonly #items: string[] = [];

  constructor(run: RunData) {
    this.#run = run;
  }

  /** @throws DataError for a damaged file */
  async search(query: SearchQuery): Promise<SearchResult> {
    await this.#update();
    const found: [StepIndex, number][] = [];
    let total = 0;
    const fits = this.#filter(query);
    const needle = query.q.toLowerCase();
    let turn = 0;
    for (const step of this.#steps.values()) {
      total += step.rows.length;
      const places = [...step.rows.keys()].filter((at) => fits(step, at));
      if (needle === '') for (const at of places) found.push([step, at]);
      else if (places.length > 0) {
        if (++turn % FILES_A_TURN === 0) await setImmediate();
        const texts = this.#run.directory.readCompletions(step.step);
        for (const at of places)
          if (texts[at]?.completion.toLowerCase().includes(needle)) found.push([step, at]);
      }
    }
    const sign = query.order === 'ascending' ? 1 : -1;
    const keyOf = sortKey(query.sort);
    found.sort((a, b) => sign * (keyOf(...a) - keyOf(...b)) || a[0].step - b[0].step || a[1] - b[1]);
    const page = found.slice(query.offset, query.offset + query.limit);
    return {
      matches: found.length,
      total,
      labels: this.#labels(),
      hits: page.map(([step, at]) => this.#hit(step, at)),
    };
  }

  async #update(): Promise<void> {
    const steps = this.#run.steps();
    const wanted = new Set(steps);
    for (const step of this.#steps.keys()) if (!wanted.has(step)) this.#steps.delete(step);
    let turn = 0;
    for (const step of steps) {
      const path = this.#run.directory.completionsPath(step);
      const { size, mtimeMs } = statSync(path);
      const mark = `${size}-${mtimeMs}`;
      if (this.#steps.get(step)?.mark === mark) continue;
      this.#steps.set(step, this.#readStep(step, path, mark));
      if (++turn % FILES_A_TURN === 0) await setImmediate();
    }
  }

  #readStep(step: number, path: string, mark: string): StepIndex {
    const records = this.#run.directory.readCompletions(step);
    const spread = new Set<number>();
    const firsts = new Map<number, number>();
    for (const { group, reward } of records) {
      const first = firsts.get(group);
      if (first === undefined) firsts.set(group, reward);
      else if (Math.abs(first - reward) > 1e-9) spread.add(group);
    }
    return {
      step,
      mark,
      groups: Uint16Array.from(records, ({ group }) => group),
      rows: Uint16Array.from(records, ({ row }) => row),
      rewards: Float64Array.from(records, ({ reward }) => reward),
      advantages: Float64Array.from(records, ({ advantage }) => advantage),
      lengths: Uint32Array.from(records, ({ length }) => length),
      verdicts: Uint8Array.from(records, (record) => VERDICTS.indexOf(verdictOf(record))),
      flags: Uint8Array.from(
        records,
        ({ solution, group }) => Number(lettersOf(solution).length > 1) + 2 * Number(spread.has(group)),
      ),
      items: Uint32Array.from(records, ({ item }) => this.#numberOf(item)),
      offsets: lineOffsets(readFileSync(path), records.length),
    };
  }

  #numberOf(item: string): number {
    let number = this.#itemNumbers.get(item);
    if (number === undefined) {
      number = this.#items.push(item) - 1;
      this.#itemNumbers.set(item, number);
    }
    return number;
  }

  #filter(query: SearchQuery): (step: StepIndex, at: number) => boolean {
    const verdict = query.verdict === undefined ? undefined : VERDICTS.indexOf(query.verdict);
    const [name = '', ...rest] = (query.label ?? '').split('=');
    const wanted = rest.join('=');
    const items =
      query.label === undefined
        ? undefined
        : new Set(
            [...this.#items.keys()].filter((i) => this.#run.items.labels(this.#items[i]!)[name] === wanted),
          );
    return (step, at) =>
      (verdict === undefined || step.verdicts[at] === verdict) &&
      (query.type === undefined || (step.flags[at]! & 1) === Number(query.type === 'multiple')) &&
      (query.signal === undefined || ((step.flags[at]! & 2) !== 0) === (query.signal === 'with')) &&
      (items === undefined || items.has(step.items[at]!));
  }

  #labels(): SearchResult['labels'] {
    const values = new Map<string, Set<string>>();
    for (const item of this.#items)
      for (const [name, value] of Object.entries(this.#run.items.labels(item)))
        values.set(name, (values.get(name) ?? new Set()).add(value));
    return Object.fromEntries(
      [...values]
        .filter(([, { size }]) => size > 1 && size <= 60)
        .map(([name, found]) => [name, [...found].sort()]),
    );
  }

  /** Reads one line of the file, however many it has. */
  #hit({ step, offsets }: StepIndex, at: number): Hit {
    const [from, to] = [offsets[at]!, offsets[at + 1]!];
    const bytes = Buffer.allocUnsafe(to - from);
    const fd = openSync(this.#run.directory.completionsPath(step), 'r');
    try {
      readSync(fd, bytes, 0, bytes.length, from);
    } finally {
      closeSync(fd);
    }
    const record = JSON.parse(bytes.toString('utf8')) as CompletionRecord;
    return { step, group: record.group, item: record.item, completion: completionView(record, 'cut') };
  }
}

function sortKey(sort: SearchQuery['sort']): (step: StepIndex, at: number) => number {
  const known = (value: number): number => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value);
  if (sort === 'reward') return ({ rewards }, at) => known(rewards[at]!);
  if (sort === 'advantage') return ({ advantages }, at) => known(advantages[at]!);
  if (sort === 'length') return ({ lengths }, at) => lengths[at]!;
  return ({ step }) => step;
}

/** Where lines that hold something begin, and where the last ends. */
function lineOffsets(bytes: Buffer, count: number): Float64Array {
  const offsets = new Float64Array(count + 1);
  let at = 0;
  for (let line = 0; line < count; line++) {
    while (bytes[at] === 0x0a) at++;
    offsets[line] = at;
    at = bytes.indexOf(0x0a, at) + 1;
    offsets[line + 1] = at;
  }
  return offsets;
}
