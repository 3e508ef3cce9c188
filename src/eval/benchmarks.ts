/**
 * The question sets the field reports, by name: what their files look like, how many questions they have, how their answers
 * are given. Videos are never guessed: the user names a root, and the beginning of the paths in the published files that it
 * stands for is known here.
 */

import { ConfigError, DataError } from '../base/index.ts';
import {
  type DataFormat,
  type DataIssue,
  type DataItem,
  fingerprint,
  isMultiple,
  type ReadOptions,
  readItems,
} from '../data/index.ts';
import type { Answers } from './protocols.ts';

export interface Benchmark {
  readonly title: string;
  /** Forms its files come in. */
  readonly formats: readonly DataFormat[];
  readonly answers: Answers;
  /** Beginnings of the paths in the published files; the video root stands for the one that fits. */
  readonly video_prefixes: readonly string[];
  /** Number of questions by the name of the part; other numbers are reported as a part of the set. */
  readonly counts: Readonly<Record<string, number>>;
  /** CLEVRER: the kinds of question that belong to it. */
  readonly question_types?: readonly string[];
  /** Codes of questions that are left out and counted, as the authors do. */
  readonly drop: readonly string[];
  /** Where the set and its files are described. */
  readonly source: string;
}

const REPEATED = ['duplicate_row'];

const SINGLE = { answers: 'single', drop: REPEATED } as const;

/** A set that Video-R1 publishes for evaluation. */
const inVideoR1Eval = (
  title: string,
  format: DataFormat,
  video_prefix: string,
  counts: Benchmark['counts'],
  source: string,
): Benchmark => ({
  ...SINGLE,
  title,
  formats: [format, 'authors', 'items'],
  video_prefixes: [video_prefix],
  counts,
  source: `${source}, in the form of Video-R1-eval`,
});

export const BENCHMARKS = {
  'clevrer-counterfactual': {
    title: 'CLEVRER, counterfactual questions of the validation split',
    formats: ['clevrer', 'authors', 'items'],
    answers: 'mixed',
    video_prefixes: [],
    counts: { validation: 9238 },
    question_types: ['counterfactual'],
    drop: ['no_answer', ...REPEATED],
    source: 'data.csail.mit.edu/clevrer; questions without a right option are left out, as the authors do',
  },
  nextgqa: {
    ...SINGLE,
    title: 'NExT-GQA, multiple choice',
    formats: ['nextgqa', 'nextgqa-csv', 'authors', 'items'],
    video_prefixes: ['/NExTQA/videos'],
    counts: { test: 5553, validation: 3358 },
    source: 'doc-doc/NExT-GQA',
  },
  mmvu: inVideoR1Eval(
    'MMVU, multiple choice of the validation split',
    'mmvu',
    '/MMVU',
    { validation: 625 },
    'yilunzhao/MMVU',
  ),
  mvbench: inVideoR1Eval('MVBench', 'mvbench', '/MVBench', { all: 4000 }, 'OpenGVLab/MVBench'),
  tempcompass: {
    ...SINGLE,
    title: 'TempCompass, all four tasks; captioning by letter, not by the official judge',
    formats: ['tempcompass', 'authors', 'items'],
    video_prefixes: ['/TempCompass'],
    counts: {
      all: 7540,
      'multi-choice': 1580,
      yes_no: 2453,
      caption_matching: 1503,
      captioning: 2004,
    },
    source: 'llyx97/TempCompass questions/*.json',
  },
  videomme: inVideoR1Eval(
    'Video-MME without subtitles',
    'videomme',
    '/videoMME',
    { all: 2700 },
    'lmms-lab/Video-MME',
  ),
  star: {
    ...SINGLE,
    title: 'STAR, validation split',
    formats: ['star', 'authors', 'items'],
    video_prefixes: ['/STAR', '/NExTQA/videos'],
    counts: { validation: 7098 },
    source: 'csbobby/STAR_Benchmark',
  },
  world: {
    title: 'the synthetic world of this project',
    formats: ['authors', 'clevrer', 'items'],
    answers: 'mixed',
    video_prefixes: [],
    counts: {},
    drop: [],
    source: 'written by this project',
  },
} satisfies Readonly<Record<string, Benchmark>>;

export type BenchmarkName = keyof typeof BENCHMARKS;
export const BENCHMARK_NAMES = Object.keys(BENCHMARKS) as readonly BenchmarkName[];

/** @throws ConfigError for an unknown name */
export function benchmarkOf(name: string): Benchmark {
  if (Object.hasOwn(BENCHMARKS, name)) return BENCHMARKS[name as BenchmarkName];
  throw new ConfigError(
    `benchmark must be one of ${BENCHMARK_NAMES.join(', ')}, got ${JSON.stringify(name)}`,
    {
      hint: 'any other set is evaluated by --data alone',
    },
  );
}

/** Questions of one set, out of one or several files. */
export interface QuestionSet {
  readonly items: readonly DataItem[];
  /** Questions left out, by code. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly warnings: readonly DataIssue[];
  readonly formats: readonly string[];
  /** Hash of ids, questions and answers. */
  readonly fingerprint: string;
  /** Beginning of the paths that the video root stands for; undefined when they are relative. */
  readonly video_prefix: string | undefined;
  /** Which part of the benchmark this is: `validation`; undefined for a number of questions that no part has. */
  readonly part: string | undefined;
}

export interface QuestionSetOptions extends ReadOptions {
  readonly benchmark?: Benchmark;
  /** Further codes of questions that may be left out. */
  readonly drop?: readonly string[];
  /** Overrides the benchmark's. */
  readonly video_prefix?: string;
}

/**
 * Reads the files of a set.
 * @throws DataError for a damaged question, a file in a form the benchmark does not have, or an id that two files share
 */
export function readQuestionSet(files: readonly string[], options: QuestionSetOptions = {}): QuestionSet {
  const { benchmark } = options;
  const drop = [...(benchmark?.drop ?? []), ...(options.drop ?? [])];
  const question_types = options.question_types ?? benchmark?.question_types;
  const sets = files.map((file) => {
    const set = readItems(file, {
      ...options,
      drop,
      ...(question_types === undefined ? {} : { question_types }),
    });
    if (benchmark !== undefined && !benchmark.formats.some((format) => format === set.format))
      throw new DataError(
        `${file}: reads as ${set.format}, but ${benchmark.title} comes as ${benchmark.formats.join(', ')}`,
        { hint: `check the file (${benchmark.source}), or leave out --benchmark` },
      );
    return set;
  });
  const items = sets.flatMap((set) => set.items);
  checkIds(files, sets);
  const dropped: Record<string, number> = {};
  for (const set of sets)
    for (const [code, count] of Object.entries(set.dropped)) dropped[code] = (dropped[code] ?? 0) + count;
  return {
    items,
    dropped,
    warnings: sets.flatMap((set) => set.warnings),
    formats: [...new Set(sets.map((set) => set.format))],
    fingerprint: fingerprint(items),
    video_prefix: options.video_prefix ?? prefixOf(items, benchmark?.video_prefixes ?? []),
    part: partOf(items, benchmark),
  };
}

function checkIds(files: readonly string[], sets: readonly { readonly items: readonly DataItem[] }[]): void {
  const fileOf = new Map<string, string>();
  sets.forEach(({ items }, i) => {
    for (const { id } of items) {
      const other = fileOf.get(id);
      if (other !== undefined)
        throw new DataError(`${files[i]}: the id ${id} is also in ${other}`, {
          hint: 'results are kept by id: give the files one after another to runs of their own',
        });
      fileOf.set(id, files[i]!);
    }
  });
}

/** The part with that number of questions; none where a set of one right option holds several (inverted files). */
function partOf(items: readonly DataItem[], benchmark: Benchmark | undefined): string | undefined {
  if (benchmark === undefined || (benchmark.answers === 'single' && items.some(isMultiple))) return undefined;
  return Object.entries(benchmark.counts).find(([, count]) => count === items.length)?.[0];
}

/** The known beginning that all paths share. */
function prefixOf(items: readonly DataItem[], known: readonly string[]): string | undefined {
  return known.find((prefix) =>
    items.every(({ media }) => media.every(({ path }) => path.startsWith(`${prefix}/`))),
  );
}
