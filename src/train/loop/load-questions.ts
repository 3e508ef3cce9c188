/** The questions of a run: read, filtered by type, drawn. */

import { DataError } from '../../base/index.ts';
import {
  drawLikeAuthors,
  drawSubset,
  isOfType,
  type Question,
  readItems,
  toQuestion,
} from '../../data/index.ts';
import type { GrpoConfig } from '../config/config-schema.ts';

type QuestionKeys = Pick<
  GrpoConfig,
  | 'jsonl_path'
  | 'video_root'
  | 'video_prefix'
  | 'clip'
  | 'question_type'
  | 'max_samples'
  | 'data_seed'
  | 'seed'
> &
  Partial<Pick<GrpoConfig, 'data_order'>>;

export interface LoadedQuestions {
  readonly questions: readonly Question[];
  readonly fingerprint: string;
  /** How many were left out, by code; empty unless `drop` names codes. */
  readonly dropped: Readonly<Record<string, number>>;
}

/**
 * Items of the configured type, or the drawn part of them.
 * @param drop codes of errors whose items may be left out
 * @throws DataError for a file that can not be read whole, or holds no item of the type
 */
export function loadQuestions(config: QuestionKeys, drop: readonly string[] = []): LoadedQuestions {
  const file = readItems(config.jsonl_path, { drop });
  const wanted = file.items.filter((item) => isOfType(item, config.question_type));
  if (wanted.length === 0)
    throw new DataError(
      `${config.jsonl_path}: none of its ${file.items.length} items is of question_type ${config.question_type}`,
      {
        hint: 'use question_type: mixed, or another file',
      },
    );
  const seed = config.data_seed ?? config.seed;
  const { max_samples = wanted.length } = config;
  const indices =
    config.data_order === 'authors'
      ? drawLikeAuthors(wanted.length, max_samples)
      : drawSubset(wanted.length, max_samples, seed);
  const drawn = indices.map((index) => wanted[index]!);
  const questions = drawn.map((item) => toQuestion(item, config));
  return { questions, fingerprint: file.fingerprint, dropped: file.dropped };
}
