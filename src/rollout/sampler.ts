/**
 * From logits to a token: a chain of explicit steps, each off unless asked for.
 *
 * Order: ban list, repetition penalty, temperature, top-k, top-p, min-p (transformers' order), then a draw, or the
 * largest score when greedy. Sampling changes what is drawn, never the log-probabilities that training reads: those
 * come from the untouched logits (`generate.ts`).
 *
 * Shapes: R rows, V vocabulary.
 *
 * Source: transformers 5.18 `generation/logits_process.py`.
 */

import { ConfigError } from '../base/index.ts';
import { scope, searchsorted, type Tensor, where } from '../tensor/index.ts';

export interface SamplingOptions {
  /** Always the likeliest token; temperature, top_k, top_p and min_p have no effect. Default false. */
  readonly greedy?: boolean | undefined;
  /** > 0; 1 leaves the distribution as it is. Default 1. */
  readonly temperature?: number | undefined;
  /** Only the k likeliest tokens; 0 or absent: all. */
  readonly top_k?: number | undefined;
  /** The likeliest tokens that together reach this probability, in (0, 1]. */
  readonly top_p?: number | undefined;
  /** Only tokens at least this fraction as likely as the likeliest, in [0, 1]. */
  readonly min_p?: number | undefined;
  /** > 1 makes tokens of the prompt and of the row itself less likely. */
  readonly repetition_penalty?: number | undefined;
}

const NEVER = Number.NEGATIVE_INFINITY;

/** @throws ConfigError naming the option and its range. */
export function checkSampling(options: SamplingOptions): void {
  const check = (key: keyof SamplingOptions, isGood: (value: number) => boolean, range: string) => {
    const value = options[key];
    if (value !== undefined && !(typeof value === 'number' && isGood(value))) {
      throw new ConfigError(`${key}: expected ${range}, got ${value}`);
    }
  };
  check('temperature', (x) => x > 0 && Number.isFinite(x), 'a number above 0 (use greedy for 0)');
  check('top_k', (x) => Number.isInteger(x) && x >= 0, 'a whole number, 0 for all');
  check('top_p', (x) => x > 0 && x <= 1, 'a number in (0, 1]');
  check('min_p', (x) => x >= 0 && x <= 1, 'a number in [0, 1]');
  check('repetition_penalty', (x) => x > 0 && Number.isFinite(x), 'a number above 0');
}

/**
 * The scores to draw from: logits with every step of the chain applied, impossible tokens at -inf.
 *
 * @param logits_RV float32; not changed.
 * @param seen_RV Bool, true for tokens that occur in the row's prompt or completion; read only with a repetition penalty.
 * @param banned_B Ids that are never drawn, int64; undefined: none.
 */
export function sampleScores(
  logits_RV: Tensor,
  options: SamplingOptions,
  seen_RV: Tensor | undefined,
  banned_B: Tensor | undefined,
): Tensor {
  return scope('sampleScores', () => {
    const { repetition_penalty: penalty = 1, temperature = 1, top_k = 0, top_p = 1, min_p = 0 } = options;
    let scores = logits_RV;
    if (banned_B !== undefined) scores = scores.clone().index_fill_(1, banned_B, NEVER);
    if (penalty !== 1) {
      if (seen_RV === undefined)
        throw new Error('internal: a repetition penalty needs to know the tokens seen');
      const weaker = scores.clamp_min(0).div(penalty).add(scores.clamp_max(0).mul(penalty));
      scores = where(seen_RV, weaker, scores);
    }
    if (options.greedy) return scores;
    if (temperature !== 1) scores = scores.div(temperature);
    const vocabulary = scores.shape[1]!;
    if (top_k > 0 && top_k < vocabulary) {
      const [largest] = scores.topk(top_k);
      scores = scores.masked_fill(scores.lt(largest.narrow(1, top_k - 1, 1)), NEVER);
    }
    if (top_p < 1) {
      const [ascending, order] = scores.sort(-1, false);
      const below = ascending
        .softmax(-1)
        .cumsum(-1)
        .le(1 - top_p);
      below.narrow(1, vocabulary - 1, 1).fill_(false); // the likeliest always stays
      scores = scores.masked_fill(below.scatter(1, order, below), NEVER);
    }
    if (min_p > 0) {
      const probabilities = scores.softmax(-1);
      scores = scores.masked_fill(probabilities.lt(probabilities.amax([-1], true).mul(min_p)), NEVER);
    }
    return scores;
  });
}

/**
 * One token a row, by inverting the cumulative distribution in float64.
 *
 * @param uniform_R One float64 number of [0, 1) a row. A row's draw depends on its own number alone: it is the same whichever
 *   other rows are in the batch.
 * @returns (R) int64.
 */
export function drawTokens(scores_RV: Tensor, uniform_R: Tensor): Tensor {
  return scope('drawTokens', () => {
    const cumulative = scores_RV.softmax(-1, 'float64').cumsum(-1);
    // (0, 1] times the true sum, then the first place that reaches it: a token of probability 0 is never that place.
    const total = cumulative.narrow(1, cumulative.shape[1]! - 1, 1);
    const target = total.mul(uniform_R.neg().add(1).unsqueeze(1));
    return searchsorted(cumulative, target).squeeze(1);
  });
}
