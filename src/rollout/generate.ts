/**
 * Group generation: G completions of a prompt that is computed once. Several prompts may run together; their rows share
 * every projection and differ only in whose prefix they look at. A finished row leaves the batch at once.
 *
 * A row's draws depend on its prompt's generator and its own place in the group, not on which rows still run or which other
 * prompts are in the batch. The ids cross to JavaScript once a step, the log-probabilities once at the end. A device other than the
 * processor does not wait for that: it computes the next step, also for rows that will turn out to have ended, while the ids travel.
 *
 * Shapes: R rows still running, V vocabulary.
 */
import { setImmediate } from 'node:timers/promises';
import { ConfigError } from '../base/index.ts';
import {
  type DecodeSession,
  type EncodedPrompt,
  indexTensor,
  type VideoLanguageModel,
  visionTokenIds,
} from '../models/index.ts';
import {
  cat,
  Download,
  dispose,
  fromTypedArray,
  type Generator,
  keep,
  noGrad,
  rand,
  scope,
  type Tensor,
  zeros,
} from '../tensor/index.ts';
import { checkSampling, drawTokens, type SamplingOptions, sampleScores } from './sampler.ts';
import type { Completion } from './types.ts';

export interface GenerateOptions extends SamplingOptions {
  /** Completions of each prompt, G. */
  readonly num_generations: number;
  /** Tokens of a completion at most, the stop token included. */
  readonly max_completion_length: number;
  /** A completion ends with the first of these, which it keeps. */
  readonly stop_token_ids: readonly number[];
  /**
   * Never drawn. Default: `visionTokenIds(config)`. `ModelFolder.banned_token_ids` also has what only the tokenizer knows; []
   * bans nothing.
   */
  readonly banned_token_ids?: readonly number[] | undefined;
  /** Called for every token as soon as it is known. */
  readonly on_token?: ((token: GeneratedToken) => void) | undefined;
  /** Stops between two steps by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface GeneratedToken {
  readonly prompt: number;
  readonly row: number;
  /** Place in the completion, from 0. */
  readonly index: number;
  readonly id: number;
}

/** A completion that is being drawn. */
interface Row {
  readonly prompt: number;
  readonly row: number;
  readonly ids: number[];
  isStopped: boolean;
}

/** G completions of one prompt. See `generateGroups`. */
export async function generateGroup(
  model: VideoLanguageModel,
  prompt: EncodedPrompt,
  options: GenerateOptions & { readonly generator: Generator },
): Promise<Completion[]> {
  const [group] = await generateGroups(model, [prompt], { ...options, generators: [options.generator] });
  return group!;
}

/**
 * G completions of each prompt. Lets other work run between steps, so that progress and signals are served.
 *
 * @param options.generators One CPU generator a prompt; each step takes G numbers from it, greedy or not running excepted.
 * @returns One group a prompt, in order; all tensors made on the way are freed.
 * @throws ConfigError for an option out of range.
 */
export async function generateGroups(
  model: VideoLanguageModel,
  prompts: readonly EncodedPrompt[],
  options: GenerateOptions & { readonly generators: readonly Generator[] },
): Promise<Completion[][]> {
  checkOptions(options, prompts.length);
  const { num_generations, max_completion_length, stop_token_ids } = options;
  const stops = new Set(stop_token_ids);
  const all: Row[] = prompts.flatMap((_, prompt) =>
    Array.from({ length: num_generations }, (__, row) => ({ prompt, row, ids: [], isStopped: false })),
  );
  const record: { logps: Tensor; rows: readonly Row[] }[] = [];
  const session = model.decodeSession(prompts, num_generations);
  let running: readonly Row[] = all;
  let seen_RV = seenTokens(model, prompts, running, options);
  const banned_B = bannedTokens(model, options);
  try {
    for (let index = 0; ; index++) {
      const isLast = index + 1 === max_completion_length;
      const isAhead = model.device !== 'cpu' && !isLast;
      const { logps, ids } = nextTokens(session, { seen_RV, banned_B, running, isAhead }, options);
      record.push({ logps, rows: running });
      ids.forEach((id, i) => {
        const row = running[i]!;
        row.ids.push(id);
        row.isStopped = stops.has(id);
        options.on_token?.({ prompt: row.prompt, row: row.row, index, id });
      });
      const staying = [...running.keys()].filter((i) => !running[i]!.isStopped);
      if (staying.length === 0 || isLast) break;
      await setImmediate();
      options.signal?.throwIfAborted();
      if (staying.length < running.length) {
        session.keep(staying);
        seen_RV = rowsOf(seen_RV, staying);
        running = staying.map((i) => running[i]!);
      }
      if (!isAhead) stepOn(session, running, model.device);
    }
    return collect(all, record, prompts.length);
  } finally {
    session.dispose();
    dispose([seen_RV, banned_B]);
    for (const { logps } of record) logps.dispose();
  }
}

/**
 * Chooses a token for every running row, marks it as seen, and lets the device go on where `isAhead`.
 * @returns the ids, and their log-probabilities, which are kept
 */
function nextTokens(
  session: DecodeSession,
  { seen_RV, banned_B, running, isAhead }: Choosing,
  options: GenerateOptions & { readonly generators: readonly Generator[] },
): { ids: number[]; logps: Tensor } {
  return scope('generate: sample', () =>
    noGrad(() => {
      const logits_RV = session.logits;
      const scores = sampleScores(logits_RV, options, seen_RV, banned_B);
      const ids_R = options.greedy
        ? scores.argmax(-1)
        : drawTokens(scores, uniforms(running, options, scores.device));
      const download = new Download(ids_R);
      const column = ids_R.unsqueeze(1);
      seen_RV?.scatter_(1, column, true);
      const logps = keep(logits_RV.log_softmax(-1).gather(1, column).squeeze(1));
      if (isAhead) session.step(ids_R);
      return { ids: download.finish().tolist() as number[], logps };
    }),
  );
}

interface Choosing {
  readonly seen_RV: Tensor | undefined;
  readonly banned_B: Tensor | undefined;
  readonly running: readonly Row[];
  readonly isAhead: boolean;
}

/** Appends the newest token of every running row. */
function stepOn(session: DecodeSession, running: readonly Row[], device: string): void {
  scope(() => {
    session.step(
      indexTensor(
        running.map((row) => row.ids.at(-1)!),
        device,
      ),
    );
  });
}

/** Ids that are never drawn, where there are any. */
function bannedTokens(model: VideoLanguageModel, options: GenerateOptions): Tensor | undefined {
  const banned = options.banned_token_ids ?? visionTokenIds(model.config);
  return banned.length === 0 ? undefined : keep(indexTensor(banned, model.device));
}

/** One number of [0, 1) a running row. Each prompt draws for its whole group, so that finished rows shift nothing. */
function uniforms(
  running: readonly Row[],
  { generators, num_generations }: GenerateOptions & { readonly generators: readonly Generator[] },
  device: string,
): Tensor {
  const drawn = new Map<number, Float64Array>();
  for (const { prompt } of running) {
    if (drawn.has(prompt)) continue;
    const numbers = rand([num_generations], { generator: generators[prompt], dtype: 'float64' });
    drawn.set(prompt, numbers.toTypedArray() as Float64Array);
  }
  const values = Float64Array.from(running, ({ prompt, row }) => drawn.get(prompt)![row]!);
  return fromTypedArray(values, [values.length], { device });
}

/** (R, V) bool of the tokens each row has seen, where the chain asks for it. */
function seenTokens(
  model: VideoLanguageModel,
  prompts: readonly EncodedPrompt[],
  rows: readonly Row[],
  { repetition_penalty = 1 }: SamplingOptions,
): Tensor | undefined {
  if (repetition_penalty === 1) return undefined;
  return keep(
    scope(() => {
      const { device } = model;
      const seen = zeros([rows.length, model.config.text_config.vocab_size], { dtype: 'bool', device });
      rows.forEach(({ prompt }, i) => {
        const ids = indexTensor([...new Set(prompts[prompt]!.input_ids)], device);
        seen.select(0, i).index_fill_(0, ids, true);
      });
      return seen;
    }),
  );
}

/** Log-probabilities to JavaScript in one go, dealt out to their rows. */
function collect(
  all: readonly Row[],
  record: readonly { readonly logps: Tensor; readonly rows: readonly Row[] }[],
  numPrompts: number,
): Completion[][] {
  const flat = scope(() =>
    cat(
      record.map(({ logps }) => logps),
      0,
    ).toTypedArray(),
  ) as Float32Array;
  const logps = new Map(all.map((row) => [row, new Float32Array(row.ids.length)]));
  let at = 0;
  record.forEach(({ rows }, index) => {
    for (const row of rows) logps.get(row)![index] = flat[at++]!;
  });
  const groups: Completion[][] = Array.from({ length: numPrompts }, () => []);
  for (const row of all) {
    groups[row.prompt]!.push({
      ids: row.ids,
      logps: logps.get(row)!,
      finish_reason: row.isStopped ? 'stop' : 'length',
    });
  }
  return groups;
}

/** The rows that stay, in a tensor that outlives the step; the old one is freed. */
function rowsOf(seen_RV: Tensor | undefined, staying: readonly number[]): Tensor | undefined {
  if (seen_RV === undefined) return undefined;
  const fewer = keep(scope(() => seen_RV.index_select(0, indexTensor(staying, seen_RV.device))));
  seen_RV.dispose();
  return fewer;
}

function checkOptions(
  options: GenerateOptions & { readonly generators: readonly Generator[] },
  prompts: number,
): void {
  checkSampling(options);
  for (const key of ['num_generations', 'max_completion_length'] as const) {
    if (!Number.isInteger(options[key]) || options[key] < 1) {
      throw new ConfigError(`${key}: expected a whole number of at least 1, got ${options[key]}`);
    }
  }
  if (prompts === 0) throw new ConfigError('generation needs at least one prompt');
  if (!options.greedy && options.generators.length !== prompts) {
    throw new ConfigError(
      `generation needs one generator a prompt: ${prompts} prompts, ${options.generators.length} generators`,
    );
  }
}
