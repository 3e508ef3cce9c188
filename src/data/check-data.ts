/**
 * The data doctor: everything that can be known to be wrong with a set of questions before hours of training: broken records,
 * missing or unreadable videos, names that collide, options that repeat, prompts that are too long; and what a guesser
 * would score.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { DataError, forEachConcurrently, mean, recordOf, tally, VideoError } from '../base/index.ts';
import { decodeFrames, listFrames, sampleFrames } from '../video/index.ts';
import { countIssues, type DataIssue } from './issues.ts';
import { type DataItem, itemTask, type Medium } from './item.ts';
import { mediaFacts, type VideoFacts } from './media-facts.ts';
import { type MediaRoot, mediaPath } from './media-path.ts';
import { type ReadOptions, readItemsWithIssues } from './read-items.ts';

/**
 * - `exists`: the file is there;
 * - `probe`: header and packets of each file;
 * - `decode`: every frame of each file.
 */
export const VIDEO_CHECKS = ['exists', 'probe', 'decode'] as const;
export type VideoCheck = (typeof VIDEO_CHECKS)[number];

export interface CheckOptions extends ReadOptions {
  /** Folder of the videos; without it only the data file is checked. */
  readonly root?: MediaRoot;
  /** Codes of errors whose questions the set leaves out by rule: they are reported as warnings. @default none */
  readonly drop?: readonly string[];
  /** Thoroughness of the check of videos. @default 'probe' */
  readonly videos?: VideoCheck;
  /**
   * Number of prompt tokens of an item, frames included; asked only with `max_prompt_length`. `facts` tell size and length
   * of its media where they are known.
   */
  readonly countTokens?: (item: DataItem, facts: readonly (VideoFacts | undefined)[]) => number;
  readonly max_prompt_length?: number;
  /** Files probed at once. @default the number of processors, at most 8 */
  readonly jobs?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface SourceReport {
  /** Questions of the source in the file. */
  readonly num_questions: number;
  /** Questions of the source whose video is there and can be read. */
  readonly num_covered: number;
}

export interface DataReport {
  readonly file: string;
  readonly format: string;
  readonly num_questions: number;
  readonly num_usable: number;
  readonly num_single: number;
  readonly num_multiple: number;
  /** Number of options -> questions with so many. */
  readonly options: Readonly<Record<string, number>>;
  /** Kind of question -> questions of it. */
  readonly types: Readonly<Record<string, number>>;
  /** What is shown (`1 video`, `2 videos and 1 image`, `text`) -> questions that show it. */
  readonly media: Readonly<Record<string, number>>;
  /** Value of `data_source` -> questions that have it. */
  readonly data_sources: Readonly<Record<string, number>>;
  /** Strict accuracy in percent of always giving the most frequent answer, of multiple choice. */
  readonly best_constant: { readonly answer: string; readonly percent: number } | null;
  /** Expected strict accuracy in percent of a random choice among all non-empty sets of options. */
  readonly chance_percent: number | null;
  readonly videos: {
    readonly num_files: number;
    readonly num_missing: number;
    readonly num_unreadable: number;
    readonly is_checked: boolean;
  };
  /** Coverage of each subset: the `task`, `question_type`, `kind` or `discipline` of the items, else their source. */
  readonly sources: Readonly<Record<string, SourceReport>>;
  readonly counts: {
    readonly errors: Readonly<Record<string, number>>;
    readonly warnings: Readonly<Record<string, number>>;
  };
  readonly issues: readonly DataIssue[];
  /** True when there is no error; warnings are allowed. */
  readonly is_sound: boolean;
}

const SUBSET_DIMS = ['task', 'question_type', 'kind', 'discipline', 'type'] as const;

/** Checks one data file and the videos it names. Problems are in the report, not thrown. */
export async function checkData(path: string, options: CheckOptions = {}): Promise<DataReport> {
  const { items, issues: readIssues, numQuestions, format, lines } = readItemsWithIssues(path, options);
  const media = options.root === undefined ? undefined : await checkMedia(path, items, options.root, options);
  const issues = [
    ...readIssues.map((issue) => (options.drop?.includes(issue.code) ? leftOut(issue) : issue)),
    ...nameCollisions(path, items),
    ...longPrompts(path, items, media?.facts ?? new Map(), options),
    ...(media?.issues ?? []),
    ...(numQuestions === 0 && readIssues.length === 0 ? [noQuestions(path)] : []),
  ].map((issue) => ({ ...issue, line: issue.line ?? lines.get(issue.item ?? '') }));
  const errors = issues.filter((issue) => issue.severity === 'error');
  const warnings = issues.filter((issue) => issue.severity === 'warning');
  const choices = items.filter(({ options }) => options.length > 0);
  const num_multiple = choices.filter((item) => item.answer.length > 1).length;
  return {
    file: path,
    format,
    num_questions: numQuestions,
    num_usable: items.length,
    num_single: choices.length - num_multiple,
    num_multiple,
    options: tally(choices.map((item) => String(item.options.length))),
    types: tally(items.map(itemTask)),
    media: tally(items.map(({ media }) => mediaName(media))),
    data_sources: tally(items.flatMap(({ provenance }) => textsOf(provenance['data_source']))),
    best_constant: bestConstant(choices),
    chance_percent:
      choices.length === 0 ? null : mean(choices.map((item) => 100 / (2 ** item.options.length - 1))),
    videos: {
      num_files: new Set(items.flatMap(({ media }) => media.map(({ path }) => path))).size,
      num_missing: media?.missing.size ?? 0,
      num_unreadable: media?.unreadable.size ?? 0,
      is_checked: media !== undefined,
    },
    sources: coverage(items, new Set([...(media?.missing ?? []), ...(media?.unreadable ?? [])])),
    counts: { errors: countIssues(errors), warnings: countIssues(warnings) },
    issues,
    is_sound: errors.length === 0,
  };
}

const textsOf = (value: unknown): string[] => (typeof value === 'string' && value !== '' ? [value] : []);

/** `1 video`, `2 videos and 1 image`, `text` */
function mediaName(media: readonly Pick<Medium, 'type'>[]): string {
  const counts = tally(media.map(({ type }) => (type === 'frames' ? 'folder' : type)));
  const names = Object.entries(counts).map(([type, count]) => `${count} ${type}${count === 1 ? '' : 's'}`);
  return names.length === 0 ? 'text' : names.join(' and ');
}

/** An error that costs its own question alone, by the rule of the set. */
function leftOut(issue: DataIssue): DataIssue {
  return { ...issue, severity: 'warning', message: `${issue.message}; the question is left out` };
}

function noQuestions(file: string): DataIssue {
  return { severity: 'error', code: 'no_questions', message: 'there is no question in the file', file };
}

/** Different videos with one file name are mixed up easily when folders are merged. */
function nameCollisions(file: string, items: readonly DataItem[]): DataIssue[] {
  const byName = new Map<string, Map<string, string>>();
  for (const { id, type, path } of items.flatMap(mediaOf)) {
    if (type === 'frames') continue;
    const name = basename(path).toLowerCase();
    const paths = byName.get(name) ?? new Map<string, string>();
    if (!paths.has(path)) paths.set(path, id);
    byName.set(name, paths);
  }
  const issues: DataIssue[] = [];
  for (const paths of byName.values()) {
    if (paths.size < 2) continue;
    const [[first], ...others] = [...paths] as [[string, string], ...[string, string][]];
    for (const [path, item] of others) {
      issues.push({
        severity: 'warning',
        code: 'name_collision',
        message: `${path} and ${first} have one file name`,
        file,
        item,
        field: 'path',
      });
    }
  }
  return issues;
}

function longPrompts(
  file: string,
  items: readonly DataItem[],
  facts: ReadonlyMap<string, VideoFacts>,
  options: CheckOptions,
): DataIssue[] {
  const { countTokens, max_prompt_length } = options;
  if (countTokens === undefined || max_prompt_length === undefined) return [];
  return items.flatMap((item): DataIssue[] => {
    const length = countTokens(
      item,
      item.media.map(({ path }) => facts.get(path)),
    );
    if (length <= max_prompt_length) return [];
    const message = `the prompt has ${length} tokens, more than max_prompt_length ${max_prompt_length}`;
    return [{ severity: 'error', code: 'prompt_too_long', message, file, item: item.id }];
  });
}

/** A medium with the id of its item. */
type ItemMedium = Medium & { readonly id: string };

const mediaOf = ({ id, media }: DataItem): ItemMedium[] => media.map((medium) => ({ id, ...medium }));

interface MediaReport {
  readonly issues: DataIssue[];
  /** Paths as in the items. */
  readonly missing: Set<string>;
  readonly unreadable: Set<string>;
  /** Path -> facts of the videos that could be read. */
  readonly facts: Map<string, VideoFacts>;
}

async function checkMedia(
  file: string,
  items: readonly DataItem[],
  root: MediaRoot,
  options: CheckOptions,
): Promise<MediaReport> {
  const report: MediaReport = { issues: [], missing: new Set(), unreadable: new Set(), facts: new Map() };
  const all = items.flatMap(mediaOf);
  const first = new Map<string, ItemMedium>();
  for (const medium of all) if (!first.has(medium.path)) first.set(medium.path, medium);
  const queue = [...first.values()];
  let done = 0;
  const jobs = Math.max(1, options.jobs ?? Math.min(8, availableParallelism()));
  await forEachConcurrently(queue, jobs, async (medium) => {
    options.signal?.throwIfAborted();
    const facts = await checkOne(file, medium, root, options, report);
    if (facts !== undefined) report.facts.set(medium.path, facts);
    options.onProgress?.(++done, queue.length);
  });
  for (const medium of all) {
    const { id, path, start } = medium;
    const facts = report.facts.get(path);
    const durationS = facts?.durationS;
    if (durationS !== undefined && (start ?? 0) >= durationS) {
      const message = `the clip begins at ${start} s, but the video ends at ${durationS.toFixed(2)} s`;
      report.issues.push({ severity: 'error', code: 'clip_outside', message, file, item: id });
    } else if (facts !== undefined && medium.type === 'video') {
      const message = framesProblem(medium, facts);
      if (message !== undefined)
        report.issues.push({ severity: 'error', code: 'bad_frames', message, file, item: id });
    }
  }
  return report;
}

/** Why a video does not have the frames that its own settings ask for; what they leave open is the default of `correct`. */
function framesProblem(medium: Medium, facts: VideoFacts): string | undefined {
  const {
    fps = 2,
    nframes,
    max_frames = 16,
    min_frames = Math.min(4, max_frames),
    start: startS,
    end: endS,
  } = medium;
  if (startS === undefined && endS === undefined && nframes === undefined) return undefined;
  try {
    sampleFrames(
      { fps, nframes, min_frames, max_frames, second_per_grid: 'true_time' },
      { ...facts, totalFrames: facts.numFrames, startS, endS },
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof VideoError)) throw error;
    return error.message;
  }
}

/** Check one file or folder; returns size and length of what was opened. */
async function checkOne(
  file: string,
  item: ItemMedium,
  root: MediaRoot,
  options: CheckOptions,
  report: MediaReport,
): Promise<VideoFacts | undefined> {
  const fail = (code: string, message: string, hint?: string): undefined => {
    report.issues.push({ severity: 'error', code, message, file, item: item.id, field: 'path', hint });
    return undefined;
  };
  const warn = (code: string, message: string): void =>
    void report.issues.push({ severity: 'warning', code, message, file, item: item.id, field: 'path' });
  let path: string;
  try {
    path = mediaPath(item, root);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    report.missing.add(item.path);
    return fail('bad_path', error.message.replace(`item ${item.id}: `, ''), error.hint);
  }
  if (!existsSync(path)) {
    report.missing.add(item.path);
    const likely = likeName(path);
    if (likely !== undefined)
      return fail('other_name', `${JSON.stringify(path)} is not there, but ${JSON.stringify(likely)} is`);
    const other = sameStem(path);
    return other === undefined
      ? fail('missing_video', `${path} is not there`)
      : fail('other_extension', `${path} is not there, but ${other} is`);
  }
  try {
    const isFolder = item.type === 'frames' || statSync(path).isDirectory();
    if (options.videos === 'exists') {
      if (isFolder) listFrames(path);
      return undefined;
    }
    const { signal } = options;
    const facts = await mediaFacts(path, item, { signal });
    for (const note of facts.notes ?? []) warn('unusual_video', `${path}: ${note}`);
    // One frame is asked for; every frame is decoded on the way and counted.
    if (options.videos === 'decode' && item.type === 'video' && !isFolder) {
      const { warnings } = await decodeFrames(path, [0], { signal });
      if (warnings.length > 0) warn('damaged_video', `${path}: ${warnings[0]}`);
    }
    return facts;
  } catch (error) {
    if (!(error instanceof VideoError)) throw error;
    report.unreadable.add(item.path);
    return fail('unreadable_video', error.message);
  }
}

/** A file whose name differs only by case, blanks around it, percent signs, a query, or the form of its Unicode. */
function likeName(path: string): string | undefined {
  const folder = dirname(path);
  if (!existsSync(folder)) return undefined;
  const plain = (name: string): string => name.trim().normalize('NFC').toLowerCase();
  const wanted = new Set([plain(basename(path)), plain(basename(path).replace(/[?#].*$/s, ''))]);
  try {
    wanted.add(plain(decodeURIComponent(basename(path))));
  } catch (error) {
    // A percent sign that is no code stands for itself.
    if (!(error instanceof URIError)) throw error;
  }
  const found = readdirSync(folder).find((name) => wanted.has(plain(name)));
  return found === undefined ? undefined : join(folder, found);
}

/** A file with the same name but another ending, as when a set was re-encoded. */
function sameStem(path: string): string | undefined {
  const folder = dirname(path);
  const stem = basename(path, extname(path));
  if (!existsSync(folder)) return undefined;
  const found = readdirSync(folder).find((name) => basename(name, extname(name)) === stem);
  return found === undefined ? undefined : join(folder, found);
}

function coverage(items: readonly DataItem[], bad: ReadonlySet<string>): Record<string, SourceReport> {
  const sources = recordOf<{ num_questions: number; num_covered: number }>([]);
  for (const item of items) {
    const dim = SUBSET_DIMS.find((name) => item.dims[name] !== undefined);
    const name = dim === undefined ? item.source : item.dims[dim]!;
    sources[name] ??= { num_questions: 0, num_covered: 0 };
    sources[name].num_questions++;
    if (!item.media.some(({ path }) => bad.has(path))) sources[name].num_covered++;
  }
  return sources;
}

function bestConstant(items: readonly DataItem[]): { answer: string; percent: number } | null {
  const [best] = Object.entries(tally(items.map((item) => item.answer.join(','))));
  return best === undefined ? null : { answer: best[0], percent: (100 * best[1]) / items.length };
}
