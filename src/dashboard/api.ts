/**
 * What the server and the page say to each other: the JSON of every path under `/api`. Types only, so that the page can be checked
 * against them without loading the server. Numbers that are not finite travel as null.
 */
import type { Outcome } from '../report/index.ts';
import type { AccuracyTable, Comparison, EvaluationRow } from '../stats/index.ts';

/** `GET /api/listing` */
export interface Listing {
  readonly version: string;
  readonly runs: readonly RunEntry[];
  readonly evaluations: readonly EvaluationEntry[];
}

export interface RunEntry {
  /** Names the run in every other path. */
  readonly id: string;
  /** The folder's name as short as it can be told apart. */
  readonly name: string;
  readonly path: string;
  /** ISO time. */
  readonly start: string;
  /** Step of the last row; 0 before the first. */
  readonly last_step: number;
  /** Steps that the run is meant to take, where its configuration says so. */
  readonly max_steps: number | null;
  /** Written to in the last minute or two. */
  readonly is_live: boolean;
  /** Changes with every row and file the run adds. */
  readonly revision: string;
}

export interface EvaluationEntry {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  /** The model that answered, as the evaluation's settings name it. */
  readonly model: string | null;
  /** Step of the checkpoint that answered, where its name says so; 0 for the model that its run began with. */
  readonly step: number | null;
  /** The run whose model answered. */
  readonly run: string | null;
  /** What was asked: the benchmark's name, or those of the data files. */
  readonly set: string | null;
  readonly revision: string;
}

/** `GET /api/runs/:id/series?keys=a,b&buckets=600&from=&to=`: columns of metrics.jsonl, reduced where there are more rows than buckets. */
export interface Series {
  /** Rows in the range. */
  readonly rows: number;
  /** Keys that the run has. */
  readonly known: readonly string[];
  /** Mean step, wall time of training in hours, and tokens so far of each bucket. */
  readonly step: readonly number[];
  readonly hours: readonly (number | null)[];
  readonly tokens: readonly (number | null)[];
  readonly columns: Readonly<Record<string, ReducedColumn>>;
}

export interface ReducedColumn {
  readonly mean: readonly (number | null)[];
  /** Extremes of each bucket; absent where a bucket is one row. */
  readonly min?: readonly (number | null)[];
  readonly max?: readonly (number | null)[];
}

/** `GET /api/runs/:id/verdict` */
export interface Verdict {
  readonly state: 'learning' | 'flat' | 'falling' | 'suspect' | 'early' | 'broken';
  /** Whether the run learns, in one sentence. */
  readonly headline: string;
  /** Why not, or what to look at; most telling first. */
  readonly reasons: readonly Reason[];
}

export interface Reason {
  readonly rule: string;
  readonly text: string;
  /** What to do next. */
  readonly advice: string;
  /** Chart key or page that shows it. */
  readonly key?: string;
}

/** `GET /api/runs/:id/steps`: steps that have completions, ascending. */
export interface StepList {
  readonly steps: readonly number[];
}

/** `GET /api/runs/:id/steps/:step` */
export interface StepView {
  readonly step: number;
  readonly groups: readonly GroupView[];
}

export interface GroupView {
  readonly step: number;
  readonly group: number;
  readonly item: string;
  readonly problem: string;
  readonly solution: string;
  /** Right letters. */
  readonly truth: readonly string[];
  /** Source, kind and dimensions of the question, where its data file is at hand. */
  readonly labels: Readonly<Record<string, string>>;
  readonly has_signal: boolean;
  readonly completions: readonly CompletionView[];
}

export interface CompletionView {
  readonly row: number;
  /** The text, cut at 8000 characters in lists. */
  readonly text: string;
  readonly num_chars: number;
  readonly answer: readonly string[] | null;
  readonly verdict: 'right' | 'partly' | 'wrong' | 'unread';
  readonly rewards: Readonly<Record<string, number | null>>;
  readonly reward: number | null;
  readonly advantage: number | null;
  readonly length: number;
  readonly truncated: boolean;
}

/** `GET /api/runs/:id/steps/:step/groups/:group`: a group with whole texts and the numbers of its tokens. */
export interface GroupTokens {
  readonly group: GroupView;
  /** `token_weight_max` of the run. */
  readonly weight_max: number;
  /** By row; absent where the run wrote no token file. */
  readonly tokens: readonly TokenArrays[] | null;
}

/** Little-endian arrays as base64, bit for bit those of the token file. */
export interface TokenArrays {
  readonly row: number;
  /** int32 */
  readonly ids: string;
  /** int32: where each token's text ends, in UTF-16 units. */
  readonly ends: string;
  /** float32, as the following. */
  readonly weights: string;
  readonly entropy: string;
  readonly logps: string;
  readonly sampling_logps: string;
}

/** `GET /api/runs/:id/search?q=&sort=&order=&verdict=&type=&label=&signal=&offset=&limit=` */
export interface SearchResult {
  /** Completions that fit, and all there are. */
  readonly matches: number;
  readonly total: number;
  /** Dimensions that can be filtered by, with their values. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
  readonly hits: readonly Hit[];
}

export interface Hit {
  readonly step: number;
  readonly group: number;
  readonly item: string;
  readonly completion: CompletionView;
}

/** `GET /api/runs/:id/weights`: where the weight lies over the run, from steps spread evenly over it. */
export interface WeightSummary {
  /** Steps that were looked at. */
  readonly steps: readonly number[];
  /** Positions of a bucket, and for every step the mean weight of each bucket; null where nothing reached it. */
  readonly positions_per_bucket: number;
  readonly by_position: readonly (readonly (number | null)[])[];
  /** For every step the share of completions still going on at the beginning of each bucket. */
  readonly alive: readonly (readonly number[])[];
  readonly words: readonly WordChange[];
  /** For every step the share of the loss's weight, |advantage| times weight, of the 20 % of tokens with the greatest weights; and the share
   * that the same tokens have where every weight is 1, as in plain GRPO. Null where no token has an advantage. */
  readonly top_share: readonly (number | null)[];
  readonly top_share_plain: readonly (number | null)[];
  /** How the answers of every step were judged, and what became of each option letter. */
  readonly outcomes: readonly StepOutcomes[];
}

export interface StepOutcomes {
  readonly verdicts: Readonly<Record<CompletionView['verdict'], number>>;
  readonly letters: Readonly<Record<string, LetterCounts>>;
}

/** Completions that named the letter rightly, wrongly, and that missed it. */
export interface LetterCounts {
  readonly hit: number;
  readonly wrong: number;
  readonly missed: number;
}

export interface WordChange {
  readonly word: string;
  readonly count: number;
  /** Mean weight over the run, in its first third and in its last. */
  readonly mean: number;
  readonly early: number | null;
  readonly late: number | null;
}

/** `GET <owner>/clip?medium=0`, the owner being a group of a step or a row of an evaluation. */
export interface Clip {
  readonly kind: 'video' | 'frames' | 'image';
  /** Videos, folders of frames and images that the question shows, this one among them. */
  readonly num_media: number;
  /** Name of the file, without its folder. */
  readonly name: string;
  /** The picture's size, length and rate; an image has neither rate nor length, both are 0. */
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly seconds: number;
  readonly num_frames: number;
  /** The part that was asked about, in seconds. */
  readonly start: number | null;
  readonly end: number | null;
  /** Frames that the model sees, in order. */
  readonly frames: readonly { readonly index: number; readonly seconds: number }[];
  /** Browsers play it. */
  readonly is_playable: boolean;
  readonly notes: readonly string[];
}

/** `GET /api/runs/:id/about` */
export interface About {
  readonly info: Readonly<Record<string, unknown>>;
  readonly config: readonly ConfigLine[];
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
}

export interface ConfigLine {
  readonly key: string;
  readonly value: string;
  /** Where the value came from; empty: the default. */
  readonly source: string;
}

/** `GET /api/runs/:id/alerts` */
export interface AlertList {
  readonly alerts: readonly {
    readonly step: number;
    readonly rule: string;
    readonly message: string;
    readonly value: number | null;
    readonly limit: number | null;
  }[];
}

/** `GET /api/evaluations/:id` */
export interface EvaluationView {
  readonly entry: EvaluationEntry;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly accuracy: AccuracyTable | null;
}

/** `GET /api/evaluations/:id/rows?against=:id&change=&q=&offset=&limit=` */
export interface EvaluationRows {
  /** All items of the first, by what became of them. */
  readonly counts: Readonly<Record<Outcome, number>>;
  readonly matches: number;
  readonly comparison: Comparison | null;
  readonly items: readonly EvaluationItem[];
}

export interface EvaluationItem {
  /** Place in rows.jsonl. */
  readonly at: number;
  readonly change: Outcome;
  readonly row: EvaluationRow;
  /** The same item's row in the evaluation compared with. */
  readonly other: EvaluationRow | null;
}

/** Any failure. */
export interface Problem {
  readonly error: string;
  readonly hint?: string;
}
