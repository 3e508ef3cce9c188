/** One run folder as the page asks for it. Nothing is read before it is asked for; what was read is kept while its file stays as it is. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, readJsonLines } from '../base/index.ts';
import type { CompletionRecord, RunDirectory, TokenFile, TokenRecord } from '../run/index.ts';
import type { About, AlertList, GroupTokens, GroupView, StepView, TokenArrays } from './api.ts';
import { FileCache } from './file-cache.ts';
import { groupViews } from './group-views.ts';
import { ItemBook } from './item-book.ts';
import { MetricsTable } from './metrics-table.ts';
import { RunConfig } from './run-config.ts';

/** Steps whose files are kept. */
const KEPT_STEPS = 8;

export class RunData {
  readonly id: string;
  readonly directory: RunDirectory;
  readonly metrics: MetricsTable;
  readonly #configs = new FileCache<RunConfig>(1);
  readonly #completions = new FileCache<readonly CompletionRecord[]>(KEPT_STEPS);
  readonly #tokens = new FileCache<TokenFile>(KEPT_STEPS);
  #book: ItemBook | undefined;
  #steps: { readonly mark: number; readonly steps: readonly number[] } | undefined;

  constructor(id: string, directory: RunDirectory) {
    this.id = id;
    this.directory = directory;
    this.metrics = new MetricsTable(directory.metricsPath);
  }

  get path(): string {
    return this.directory.path;
  }

  get config(): RunConfig {
    return this.#configs.get(join(this.path, 'config.yaml'), (path) => new RunConfig(path));
  }

  /** What the data file says of the questions, where it is at hand. */
  get items(): ItemBook {
    const path = this.config.text('jsonl_path');
    this.#book ??= new ItemBook(path === undefined ? [] : [path]);
    return this.#book;
  }

  /** Steps with completions, ascending. */
  steps(): readonly number[] {
    const mark = statSync(join(this.path, 'completions'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (this.#steps?.mark !== mark) this.#steps = { mark, steps: this.directory.completionSteps() };
    return this.#steps.steps;
  }

  /** @throws DataError for a step without completions, or a damaged file */
  completions(step: number): readonly CompletionRecord[] {
    const path = this.directory.completionsPath(step);
    if (!existsSync(path)) throw new DataError(`step ${step} has no completions`);
    return this.#completions.get(path, () => this.directory.readCompletions(step));
  }

  /** @returns null where the run wrote none. @throws DataError for a damaged file */
  tokens(step: number): TokenFile | null {
    const path = this.directory.tokensPath(step);
    return existsSync(path) ? this.#tokens.get(path, () => this.directory.readTokens(step)) : null;
  }

  /** @throws DataError as `completions` */
  step(step: number): StepView {
    return { step, groups: groupViews(this.completions(step), this.items, 'cut') };
  }

  /** @throws DataError for a group that the step does not have */
  group(step: number, group: number): GroupView {
    const records = this.completions(step).filter((record) => record.group === group);
    const [view] = groupViews(records, this.items, 'whole');
    if (view === undefined) throw new DataError(`step ${step} has no group ${group}`);
    return view;
  }

  /** @throws DataError as `group` */
  groupTokens(step: number, group: number): GroupTokens {
    const view = this.group(step, group);
    const rows = this.tokens(step)?.rows.filter((row) => row.group === group);
    const weight_max = this.config.get('token_weight_max');
    return {
      group: view,
      weight_max: typeof weight_max === 'number' ? weight_max : 1,
      tokens: rows === undefined ? null : rows.map(tokenArrays),
    };
  }

  alerts(): AlertList {
    const path = this.directory.alertsPath;
    const rows = existsSync(path) ? readJsonLines(path) : [];
    const numberOf = (value: unknown) => (typeof value === 'number' ? value : null);
    return {
      alerts: rows.map((row) => ({
        step: numberOf(row['step']) ?? 0,
        rule: String(row['rule'] ?? ''),
        message: String(row['message'] ?? ''),
        value: numberOf(row['value']),
        limit: numberOf(row['limit']),
      })),
    };
  }

  about(): About {
    const files = readdirSync(this.path, { withFileTypes: true }).map((entry) => ({
      name: entry.isDirectory() ? `${entry.name}/` : entry.name,
      bytes: entry.isFile() ? statSync(join(this.path, entry.name)).size : 0,
    }));
    const info = JSON.parse(readFileSync(join(this.path, 'run.json'), 'utf8')) as About['info'];
    return { info, config: this.config.lines, files };
  }
}

function tokenArrays(record: TokenRecord): TokenArrays {
  const text = ({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): string =>
    Buffer.from(buffer, byteOffset, byteLength).toString('base64');
  const { row, ids, ends, weights, entropy, logps, sampling_logps } = record;
  return {
    row,
    ids: text(ids),
    ends: text(ends),
    weights: text(weights),
    entropy: text(entropy),
    logps: text(logps),
    sampling_logps: text(sampling_logps),
  };
}
