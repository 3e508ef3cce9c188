/**
 * How much of a reference text a model's text has: word error rate and ROUGE, on which Video-R1's rewards for OCR and
 * free-form answers rest.
 * Source: tulerfeng/Video-R1 `src/r1-v/src/open_r1/grpo.py` (`wer`, `compute_rouge_score`), google-research
 * `rouge_score/rouge_scorer.py`, `rouge_score/tokenize.py`.
 */
import { mean } from '../base/index.ts';
import { PYTHON_SPACE_CLASS, pythonStrip } from './answers.ts';
import { porterStem } from './porter-stemmer.ts';

const BLANKS = new RegExp(`${PYTHON_SPACE_CLASS}+`);

/**
 * Edits (insert, delete, replace a word) that make the hypothesis the reference, over the words of the reference; above 1
 * where the hypothesis is much longer. Words are what blanks part, case and punctuation included; without a reference
 * word the number of edits itself.
 */
export function wordErrorRate(reference: string, hypothesis: string): number {
  const wanted = words(reference);
  const given = words(hypothesis);
  let row = Array.from({ length: given.length + 1 }, (_, j) => j);
  wanted.forEach((word, i) => {
    const next = [i + 1];
    given.forEach((other, j) => {
      next.push(word === other ? row[j]! : 1 + Math.min(row[j + 1]!, next[j]!, row[j]!));
    });
    row = next;
  });
  return row.at(-1)! / Math.max(1, wanted.length);
}

function words(text: string): string[] {
  return pythonStrip(text)
    .split(BLANKS)
    .filter((word) => word !== '');
}

/** F-measures of ROUGE, each in [0, 1]. */
interface RougeScores {
  readonly rouge1: number;
  readonly rouge2: number;
  readonly rougeL: number;
}

/** ROUGE-1, -2 and -L of the stemmed words; only the letters a to z and digits count, so other scripts score 0. */
function rouge(reference: string, hypothesis: string): RougeScores {
  const wanted = stems(reference);
  const given = stems(hypothesis);
  return {
    rouge1: ngramScore(wanted, given, 1),
    rouge2: ngramScore(wanted, given, 2),
    rougeL:
      wanted.length === 0 || given.length === 0
        ? 0
        : fMeasure(longestCommon(wanted, given), wanted.length, given.length),
  };
}

/** Mean of the three F-measures, in [0, 1]. */
export function meanRouge(reference: string, hypothesis: string): number {
  const { rouge1, rouge2, rougeL } = rouge(reference, hypothesis);
  return mean([rouge1, rouge2, rougeL]);
}

function stems(text: string): string[] {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => (word.length > 3 ? porterStem(word) : word));
}

function ngramScore(wanted: readonly string[], given: readonly string[], n: number): number {
  const ours = ngrams(given, n);
  const theirs = ngrams(wanted, n);
  let common = 0;
  for (const [ngram, count] of theirs) common += Math.min(count, ours.get(ngram) ?? 0);
  const total = (list: readonly string[]): number => Math.max(1, list.length - n + 1);
  return fMeasure(common, total(wanted), total(given));
}

function ngrams(list: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let at = 0; at + n <= list.length; at++) {
    const ngram = list.slice(at, at + n).join(' ');
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}

function fMeasure(common: number, wanted: number, given: number): number {
  const precision = common / given;
  const recall = common / wanted;
  return precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
}

/** Length of the longest common subsequence. */
function longestCommon(first: readonly string[], second: readonly string[]): number {
  let row = new Array<number>(second.length + 1).fill(0);
  for (const word of first) {
    const next = [0];
    second.forEach((other, j) => {
      next.push(word === other ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!));
    });
    row = next;
  }
  return row.at(-1)!;
}
