/**
 * The run directory (`output_dir`): everything a run leaves behind, append-only, readable while it grows.
 *
 *     config.yaml            resolved configuration, sources as comments
 *     run.json               id, version, git commit, machine, command, start, resumes
 *     metrics.jsonl          one row a step
 *     alerts.jsonl           what looked wrong, one row an alert
 *     completions/step-000123.jsonl, tokens/step-000123.bin
 *     logs/ eval/ checkpoint-500/ events.out.tfevents.*
 *
 * One folder holds one run: a second run is refused unless it resumes the first, and resuming at step s removes what
 * was recorded after s so that no curve is forked.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { arch, cpus, hostname, platform, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Document, isNode, parse } from 'yaml';
import {
  appendJsonLines,
  asDiskError,
  ConfigError,
  DataError,
  gitCommit,
  type JsonObject,
  packageVersion,
  readJsonLines,
  repairJsonLines,
  TwgrpoError,
  writeFileAtomic,
} from '../base/index.ts';
import { appendCompletions, readCompletions } from './completions.ts';
import type { CompletionRecord } from './step-records.ts';
import { decodeTokens, type TokenFile } from './token-file.ts';

export interface MachineInfo {
  readonly hostname: string;
  readonly platform: string;
  readonly cpu: string;
  readonly num_cpus: number;
  readonly memory_gib: number;
  readonly node: string;
}

export interface ResumeRecord {
  /** ISO time. */
  readonly start: string;
  /** Optimizer step that was restored. */
  readonly step: number;
  readonly command: readonly string[];
  readonly version: string;
  readonly git_commit: string | null;
}

/** Content of `run.json`. */
export interface RunInfo {
  readonly id: string;
  readonly version: string;
  readonly git_commit: string | null;
  readonly machine: MachineInfo;
  readonly command: readonly string[];
  /** ISO time. */
  readonly start: string;
  readonly resumes: readonly ResumeRecord[];
}

/** One row of `metrics.jsonl`: the optimizer step and its numbers. */
export type MetricsRow = { readonly step: number } & Readonly<
  Record<string, number | string | boolean | null>
>;

export interface CreateRunOptions {
  /** Resolved configuration, written to config.yaml. */
  readonly config: JsonObject;
  /** Where a value came from, by dotted key (`'loss.alpha': '--set'`); written as comments. */
  readonly sources?: Readonly<Record<string, string>>;
  /** The command line; default: this process's arguments. */
  readonly command?: readonly string[];
}

const SUBFOLDERS = ['completions', 'tokens', 'logs'] as const;

/** `step-000123` */
export function stepName(step: number): string {
  if (!Number.isInteger(step) || step < 0)
    throw new TwgrpoError(`internal: step must be a whole number, got ${step}`);
  return `step-${String(step).padStart(6, '0')}`;
}

export class RunDirectory {
  readonly path: string;
  #info: RunInfo;

  private constructor(path: string, info: RunInfo) {
    this.path = path;
    this.#info = info;
  }

  /** @throws ConfigError when the folder holds a run already */
  static checkFree(path: string): void {
    const folder = resolve(path);
    for (const name of ['run.json', 'metrics.jsonl'])
      if (existsSync(join(folder, name)))
        throw new ConfigError(`output_dir ${folder} already holds a run (${name} is there)`, {
          hint: 'continue it with --resume, or choose another output_dir',
        });
  }

  /**
   * Starts a run in `path`, which may exist but must not hold a run yet.
   * @throws ConfigError when the folder already holds a run or cannot be made.
   */
  static create(path: string, options: CreateRunOptions): RunDirectory {
    const folder = resolve(path);
    RunDirectory.checkFree(folder);
    const info: RunInfo = {
      id: randomUUID(),
      version: packageVersion(),
      git_commit: gitCommit() ?? null,
      machine: machineInfo(),
      command: options.command ?? process.argv.slice(1),
      start: new Date().toISOString(),
      resumes: [],
    };
    try {
      for (const name of SUBFOLDERS) mkdirSync(join(folder, name), { recursive: true });
      // Last, because a folder with a run.json is a run: killed before it, the next attempt begins anew.
      writeFileAtomic(join(folder, 'config.yaml'), configText(options));
      writeFileAtomic(join(folder, 'run.json'), `${JSON.stringify(info, null, 2)}\n`);
    } catch (cause) {
      throw new ConfigError(`cannot start a run in output_dir ${folder}`, {
        hint: 'check the path, its permissions and the free space',
        cause: asDiskError(cause),
      });
    }
    return new RunDirectory(folder, info);
  }

  /**
   * Opens an existing run for reading or for further appends.
   * @throws DataError when the folder holds no run or run.json is damaged.
   */
  static open(path: string): RunDirectory {
    const folder = resolve(path);
    const file = join(folder, 'run.json');
    let parsed: unknown;
    try {
      parsed = JSON.parse(readFileSync(file, 'utf8'));
    } catch (cause) {
      throw new DataError(`${folder} is not a run directory: cannot read run.json`, {
        hint: 'give the output_dir of a run',
        cause,
      });
    }
    if (typeof parsed !== 'object' || parsed === null || !('id' in parsed) || typeof parsed.id !== 'string') {
      throw new DataError(`${file}: expected an object with a text "id"`);
    }
    return new RunDirectory(folder, { resumes: [], ...(parsed as object) } as unknown as RunInfo);
  }

  /**
   * Continues the run after `step`: rows, completions and token files of later steps are removed, a torn last line is
   * cut off, the resume is noted in run.json and a changed configuration is written beside the old one.
   */
  static resume(path: string, step: number, options: CreateRunOptions): RunDirectory {
    const run = RunDirectory.open(path);
    for (const name of SUBFOLDERS) mkdirSync(join(run.path, name), { recursive: true });
    run.truncateAfter(step);
    const record: ResumeRecord = {
      start: new Date().toISOString(),
      step,
      command: options.command ?? process.argv.slice(1),
      version: packageVersion(),
      git_commit: gitCommit() ?? null,
    };
    run.#info = { ...run.#info, resumes: [...run.#info.resumes, record] };
    writeFileAtomic(join(run.path, 'run.json'), `${JSON.stringify(run.#info, null, 2)}\n`);
    const text = configText(options);
    const configPath = join(run.path, 'config.yaml');
    const old = existsSync(configPath) ? readFileSync(configPath, 'utf8') : undefined;
    // Values count, not comments: the same value may have come another way.
    if (old !== undefined && isDeepStrictEqual(parse(old), parse(text))) return run;
    if (old !== undefined)
      writeFileAtomic(join(run.path, `config.${run.#info.resumes.length - 1}.yaml`), old);
    writeFileAtomic(configPath, text);
    return run;
  }

  get info(): RunInfo {
    return this.#info;
  }

  get metricsPath(): string {
    return join(this.path, 'metrics.jsonl');
  }

  completionsPath(step: number): string {
    return join(this.path, 'completions', `${stepName(step)}.jsonl`);
  }

  tokensPath(step: number): string {
    return join(this.path, 'tokens', `${stepName(step)}.bin`);
  }

  /** Appends one row. Numbers that are not finite are stored as null. */
  appendMetrics(row: MetricsRow): void {
    appendJsonLines(this.metricsPath, [row]);
  }

  /** All complete rows, oldest first; empty before the first step. */
  readMetrics(): MetricsRow[] {
    if (!existsSync(this.metricsPath)) return [];
    return readJsonLines(this.metricsPath).map((row, index) => {
      if (typeof row['step'] !== 'number') {
        throw new DataError(`${this.metricsPath}: row ${index + 1} has no number "step"`);
      }
      return row as MetricsRow;
    });
  }

  appendCompletions(step: number, records: readonly CompletionRecord[]): void {
    appendCompletions(this.completionsPath(step), records);
  }

  /** Empty for a step without a file. @throws DataError for a damaged one */
  readCompletions(step: number): CompletionRecord[] {
    return readCompletions(this.completionsPath(step));
  }

  /** Steps that have a completions file, ascending. */
  completionSteps(): number[] {
    return stepsIn(join(this.path, 'completions')).map((entry) => entry.step);
  }

  /** Writes `tokens/step-N.bin`, see `token-file.ts`. */
  writeTokens(step: number, bytes: Uint8Array): void {
    writeFileAtomic(this.tokensPath(step), bytes);
  }

  /** @throws DataError when the step has no token file, or it is damaged */
  readTokens(step: number): TokenFile {
    const path = this.tokensPath(step);
    if (!existsSync(path)) throw new DataError(`${path}: no such file`);
    return decodeTokens(readFileSync(path), path);
  }

  get alertsPath(): string {
    return join(this.path, 'alerts.jsonl');
  }

  /** Appends one alert; it names its `step`. */
  appendAlert(alert: { readonly step: number } & JsonObject): void {
    appendJsonLines(this.alertsPath, [alert]);
  }

  /** Removes every record of a step greater than `step`. */
  truncateAfter(step: number): void {
    for (const path of [this.metricsPath, this.alertsPath]) {
      if (!existsSync(path)) continue;
      repairJsonLines(path);
      const rows = readJsonLines(path);
      const kept = rows.filter((row) => Number(row['step']) <= step);
      if (kept.length < rows.length) {
        writeFileAtomic(path, kept.map((row) => `${JSON.stringify(row)}\n`).join(''));
      }
    }
    for (const name of ['completions', 'tokens']) {
      const folder = join(this.path, name);
      for (const entry of stepsIn(folder)) {
        if (entry.step > step) rmSync(join(folder, entry.file));
        else if (entry.file.endsWith('.jsonl')) repairJsonLines(join(folder, entry.file));
      }
    }
  }
}

function stepsIn(folder: string): { file: string; step: number }[] {
  if (!existsSync(folder)) return [];
  const entries: { file: string; step: number }[] = [];
  for (const file of readdirSync(folder)) {
    const match = /^step-(\d+)\.(jsonl|bin)$/.exec(file);
    if (match !== null) entries.push({ file, step: Number(match[1]) });
  }
  return entries.sort((a, b) => a.step - b.step);
}

function configText(options: CreateRunOptions): string {
  const document = new Document(options.config);
  for (const [key, source] of Object.entries(options.sources ?? {})) {
    const node: unknown = document.getIn(key.split('.'), true);
    if (isNode(node)) node.comment = ` ${source}`;
  }
  return document.toString({ lineWidth: 0 });
}

function machineInfo(): MachineInfo {
  const cores = cpus();
  return {
    hostname: hostname(),
    platform: `${platform()} ${arch()}`,
    cpu: cores[0]?.model.trim() ?? 'unknown',
    num_cpus: cores.length,
    memory_gib: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    node: process.version,
  };
}
