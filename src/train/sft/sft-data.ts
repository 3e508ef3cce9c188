/** The questions of a supervised run: what it learns from, what it is asked, and whether every stage has some of both. */
import { DataError, type Logger } from '../../base/index.ts';
import { drawSubset, type Question } from '../../data/index.ts';
import type { CurriculumStage, SftConfig } from '../config/sft-config.ts';
import { loadQuestions } from '../loop/load-questions.ts';
import { isWhere, whereText } from './curriculum.ts';

/** Questions to learn from and, with `eval_jsonl_path`, held-out ones. @throws DataError for a file that can not be read whole */
export function loadSftData(
  config: SftConfig,
  logger: Logger,
): {
  readonly questions: readonly Question[];
  readonly heldOut: readonly Question[];
  readonly fingerprint: string;
} {
  // Mixed files may hold kinds of question that nothing here can score; they are left out, and the number is told.
  const drop = ['unsupported_type'];
  const { questions, fingerprint, dropped } = loadQuestions(config, drop);
  tellDropped(config.jsonl_path, dropped, logger);
  const withProcess = questions.filter(({ item }) => item.process !== undefined).length;
  if (withProcess < questions.length)
    logger.info(
      `${questions.length - withProcess} of ${questions.length} items have no "process": their target is the solution alone`,
    );
  if (config.eval_jsonl_path === undefined) return { questions, heldOut: [], fingerprint };
  const held = loadQuestions({ ...config, jsonl_path: config.eval_jsonl_path, max_samples: undefined }, drop);
  tellDropped(config.eval_jsonl_path, held.dropped, logger);
  return { questions, heldOut: held.questions, fingerprint };
}

function tellDropped(file: string, dropped: Readonly<Record<string, number>>, logger: Logger): void {
  const { unsupported_type: number = 0 } = dropped;
  if (number > 0) logger.warn(`${file}: ${number} items are of no known problem_type and are left out`);
}

/** Held-out questions of a stage: at most `max_eval_samples`, always the same ones. */
export function heldOutOf(
  heldOut: readonly Question[],
  { where }: Pick<CurriculumStage, 'where'>,
  { max_eval_samples, data_seed, seed }: SftConfig,
): readonly Question[] {
  const own = heldOut.filter(({ item }) => isWhere(item, where));
  return drawSubset(own.length, max_eval_samples, data_seed ?? seed).map((index) => own[index]!);
}

/** @throws DataError when a stage has nothing to learn, or nothing to be judged by */
export function checkStages(
  stages: readonly CurriculumStage[],
  questions: readonly Question[],
  heldOut: readonly Question[],
  { jsonl_path, eval_jsonl_path }: SftConfig,
): void {
  stages.forEach(({ where, until }, index) => {
    const check = (all: readonly Question[], file: string) => {
      if (all.some(({ item }) => isWhere(item, where))) return;
      const kinds = [...new Set(all.map(({ item }) => JSON.stringify(item.dims)))].slice(0, 5);
      throw new DataError(`curriculum.${index}: no item of ${file} is ${whereText(where)}`, {
        hint: `the items' dims are, for example, ${kinds.join(' ')}`,
      });
    };
    check(questions, jsonl_path);
    if (until !== undefined || heldOut.length > 0) check(heldOut, String(eval_jsonl_path));
  });
}
