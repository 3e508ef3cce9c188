/**
 * The files of an evaluation: append-only rows keyed by item id, and the settings they were made with.
 *
 *     <output_dir>/settings.json   everything that can change a score, and facts beside it
 *     <output_dir>/rows.jsonl      one row an item, in the order they were finished
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ConfigError,
  DataError,
  type JsonObject,
  readJsonLines,
  repairJsonLines,
  writeFileAtomic,
} from '../base/index.ts';
import type { ScoredRow } from './accuracy.ts';

/** One line of rows.jsonl. */
export interface EvaluationRow extends ScoredRow {
  readonly problem: string;
  /** Paths of all videos and images of the question, a blank between them. */
  readonly video: string;
  readonly completion: string;
  /** 1 when the completion has the form `<think>…</think> <answer>…</answer>`, else 0. */
  readonly format: number;
  /** Tokens of the completion. */
  readonly length: number;
  /** Cut off at the longest length allowed. */
  readonly truncated: boolean;
}

export function rowsPath(output_dir: string): string {
  return join(output_dir, 'rows.jsonl');
}

/** A row as a program takes it. @throws DataError naming the place of a damaged one */
export type RowCheck<Row> = (record: JsonObject, place: string) => Row;

/**
 * Rows of an earlier attempt; a torn last line is cut off, a repeated id counts once.
 * @throws what `check` throws
 */
export function resumeRows<Row extends { readonly id: string }>(
  output_dir: string,
  check: RowCheck<Row>,
): Row[] {
  const file = rowsPath(output_dir);
  if (!existsSync(file)) return [];
  repairJsonLines(file);
  return uniqueRows(file, check);
}

/**
 * Rows of a finished or running evaluation, to compare with.
 * @throws DataError when the folder holds none
 */
export function readEvaluationRows(output_dir: string): EvaluationRow[] {
  const file = rowsPath(output_dir);
  if (!existsSync(file))
    throw new DataError(`${output_dir}: holds no evaluation (no rows.jsonl in it)`, {
      hint: 'name the output folder of another twgrpo eval',
    });
  return uniqueRows(file, checkEvaluationRow);
}

function uniqueRows<Row extends { readonly id: string }>(file: string, check: RowCheck<Row>): Row[] {
  const rows = new Map<string, Row>();
  readJsonLines(file).forEach((record, index) => {
    const row = check(record, `${file}: row ${index + 1}`);
    if (!rows.has(row.id)) rows.set(row.id, row);
  });
  return [...rows.values()];
}

/** @throws DataError naming a field that no evaluation writes */
export function checkEvaluationRow(record: JsonObject, place: string): EvaluationRow {
  const isTexts = (value: unknown) => Array.isArray(value) && value.every((one) => typeof one === 'string');
  const wrong = (
    [
      ['id', typeof record['id'] === 'string'],
      ['truth', isTexts(record['truth'])],
      ['chosen', isTexts(record['chosen'])],
      ['score', typeof record['score'] === 'number'],
      ['completion', typeof record['completion'] === 'string'],
      ['dims', typeof record['dims'] === 'object' && record['dims'] !== null],
    ] as const
  ).find(([, isRight]) => !isRight);
  if (wrong !== undefined)
    throw new DataError(
      `${place}: field "${wrong[0]}" is ${JSON.stringify(record[wrong[0]]) ?? 'missing'}, which no evaluation writes`,
      { hint: 'remove that row, and run the evaluation again to fill the gap' },
    );
  return record as unknown as EvaluationRow;
}

/**
 * Notes the settings, or holds them against those of the rows that are there.
 * @param facts written beside, not compared: paths, dates
 * @throws ConfigError naming each setting that differs
 */
export function checkSettings(output_dir: string, settings: JsonObject, facts: JsonObject = {}): void {
  mkdirSync(output_dir, { recursive: true });
  const file = join(output_dir, 'settings.json');
  if (!existsSync(file)) {
    writeFileAtomic(file, `${JSON.stringify({ ...settings, facts }, null, 2)}\n`);
    return;
  }
  const { facts: _, ...saved } = readSettings(file);
  const differing = [...new Set([...Object.keys(saved), ...Object.keys(settings)])].filter(
    (key) => JSON.stringify(saved[key]) !== JSON.stringify(settings[key]),
  );
  if (differing.length > 0)
    throw new ConfigError(
      `${output_dir} holds results made with other settings: ${differing
        .map((key) => `${key} was ${JSON.stringify(saved[key])}, now ${JSON.stringify(settings[key])}`)
        .join('; ')}`,
      { hint: 'choose another output folder, or remove this one' },
    );
}

function readSettings(file: string): JsonObject {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as JsonObject;
  } catch (cause) {
    throw new DataError(`${file}: is no JSON`, { cause, hint: 'remove the output folder and begin again' });
  }
}
