/**
 * The runs and evaluations in the folders a user named: each gets an id, and nothing else can be asked for. Looked through again when
 * the page asks, so that a run that begins while the page is open appears.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { DataError, lastSignOfLife, packageVersion } from '../base/index.ts';
import { RunDirectory } from '../run/index.ts';
import type { EvaluationEntry, Listing, RunEntry } from './api.ts';
import { EvaluationData } from './evaluation-data.ts';
import { markOf } from './file-cache.ts';
import { RunData } from './run-data.ts';

/** Levels of folders below a named one that are looked into. */
const MAX_DEPTH = 4;
/** Folders looked into at most: a wrong folder must not take minutes. */
const MAX_FOLDERS = 3000;
/** Never a run, often large. */
const PASSED_OVER = /^(?:completions|tokens|logs|videos?|clips|node_modules|checkpoint-.*|\..*)$/;
/** A run that was silent for longer is not live. */
const LIVE_MS = 90_000;

export class Workspace {
  /** Folder that clips lie in now, where they were moved since the runs. */
  readonly videoRoot: string | undefined;
  readonly #folders: readonly string[];
  readonly #runs = new Map<string, RunData>();
  readonly #evaluations = new Map<string, EvaluationData>();

  /**
   * @param folders each a run, an evaluation, or a folder with some in it
   * @param options.video_root where clips lie now that were moved since
   * @throws DataError when a folder is not there, or none of them holds a run or an evaluation
   */
  constructor(folders: readonly string[], { video_root }: { readonly video_root?: string | undefined } = {}) {
    this.#folders = folders.map((folder) => resolve(folder));
    this.videoRoot = video_root === undefined ? undefined : resolve(video_root);
    if (this.videoRoot !== undefined && !existsSync(this.videoRoot))
      throw new DataError(`${video_root}: no such folder`, {
        hint: 'name the folder that the clips lie in now',
      });
    for (const folder of this.#folders)
      if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
        throw new DataError(`${folder}: no such folder`, {
          hint: 'give the output_dir of a run, of an evaluation, or a folder that holds some',
        });
    this.#look();
    if (this.#runs.size + this.#evaluations.size === 0)
      throw new DataError(
        `${this.#folders.join(', ')}: neither a run (run.json) nor an evaluation (rows.jsonl) in it`,
        { hint: 'give the output_dir of a run, or make one: twgrpo demo --quick' },
      );
  }

  /** @throws DataError for an id that no listing gave */
  run(id: string): RunData {
    const run = this.#runs.get(id);
    if (run === undefined) throw new DataError('no such run');
    return run;
  }

  /** @throws DataError for an id that no listing gave */
  evaluation(id: string): EvaluationData {
    const evaluation = this.#evaluations.get(id);
    if (evaluation === undefined) throw new DataError('no such evaluation');
    return evaluation;
  }

  /** Newest runs first. */
  listing(): Listing {
    this.#look();
    const paths = [...this.#runs.values(), ...this.#evaluations.values()].map(({ path }) => path);
    const runs = [...this.#runs.values()].map((run) => runEntry(run, nameOf(run.path, paths)));
    const evaluations = [...this.#evaluations.values()].map((evaluation) =>
      this.#evaluationEntry(evaluation, nameOf(evaluation.path, paths)),
    );
    return {
      version: packageVersion(),
      runs: runs.sort((a, b) => (a.start < b.start ? 1 : -1)),
      evaluations: evaluations.sort((a, b) => (a.step ?? 0) - (b.step ?? 0) || (a.name < b.name ? -1 : 1)),
    };
  }

  /** The run that an evaluation belongs to: beside it or above it in the same folder, or named by its settings. */
  runOf(evaluation: EvaluationData): RunData | undefined {
    const runs = [...this.#runs.values()];
    const { model } = evaluation;
    const named = runs.find((run) => model !== null && resolve(model).startsWith(`${run.path}/`));
    if (named !== undefined) return named;
    for (let folder = dirname(evaluation.path); ; folder = dirname(folder)) {
      const near = runs.filter((run) => run.path === folder || run.path.startsWith(`${folder}/`));
      if (near.length > 0) return near.length === 1 ? near[0] : undefined;
      if (dirname(folder) === folder) return undefined;
    }
  }

  #evaluationEntry(evaluation: EvaluationData, name: string): EvaluationEntry {
    const { id, path, model, set } = evaluation;
    const run = this.runOf(evaluation);
    const step = /checkpoint-(\d+)/.exec(model ?? '')?.[1];
    const start = run?.config.text('model_name_or_path');
    const isStart = model !== null && start !== undefined && resolve(model) === resolve(start);
    return {
      ...{ id, name, path, model, set },
      step: step !== undefined ? Number(step) : isStart ? 0 : null,
      run: run?.id ?? null,
      revision: markOf(evaluation.rowsPath),
    };
  }

  #look(): void {
    let left = MAX_FOLDERS;
    const visit = (folder: string, depth: number): void => {
      if (left-- <= 0) return;
      this.#take(folder);
      if (depth === 0) return;
      for (const entry of readdirSync(folder, { withFileTypes: true }))
        if (entry.isDirectory() && !PASSED_OVER.test(entry.name)) visit(join(folder, entry.name), depth - 1);
    };
    for (const folder of this.#folders) if (existsSync(folder)) visit(folder, MAX_DEPTH);
  }

  #take(folder: string): void {
    const id = createHash('sha256').update(folder).digest('hex').slice(0, 10);
    if (!this.#runs.has(id) && existsSync(join(folder, 'run.json')))
      this.#runs.set(id, new RunData(id, RunDirectory.open(folder)));
    if (!this.#evaluations.has(id) && existsSync(join(folder, 'rows.jsonl')))
      this.#evaluations.set(id, new EvaluationData(id, folder));
  }
}

/** The last parts of a path that tell it apart from the others. */
function nameOf(path: string, paths: readonly string[]): string {
  const parts = path.split('/');
  for (let count = 1; count < parts.length; count++) {
    const name = parts.slice(-count).join('/');
    if (paths.filter((other) => other === name || other.endsWith(`/${name}`)).length === 1)
      return count === 1 && /^(?:run|eval)$/.test(name) ? parts.slice(-2).join('/') : name;
  }
  return relative(process.cwd(), path) || basename(path);
}

function runEntry(run: RunData, name: string): RunEntry {
  const { id, path, directory, config } = run;
  // A step may take many minutes: the process that makes it says meanwhile that it lives.
  const changed = Math.max(
    statSync(directory.metricsPath, { throwIfNoEntry: false })?.mtimeMs ?? 0,
    lastSignOfLife(path) ?? 0,
  );
  const max_steps = config.get('max_steps');
  const last_step = run.metrics.lastStep();
  return {
    id,
    name,
    path,
    start: directory.info.start,
    last_step,
    max_steps: typeof max_steps === 'number' ? max_steps : null,
    is_live: Date.now() - changed < LIVE_MS && last_step !== max_steps,
    revision: `${markOf(directory.metricsPath)}/${markOf(directory.alertsPath)}`,
  };
}
