/**
 * Answers in the authors' log form, one JSON object a line, so that their logs and ours can be compared row by row.
 * Source: longmalongma/TW-GRPO `src/eval/eval_general_videor1.py`, `process_batch_results`, `extract_think_content`.
 * Left out: think_confidence, answer_confidence and total_tokens_generated; theirs are taken at positions of the prompt.
 */
import {
  type AnswerParser,
  formatAuthorsEval,
  parseAnswer,
  pythonStrip,
  withoutPrompt,
} from '../answers/index.ts';
import { type DataItem, labelled, solutionText, truthOf } from '../data/index.ts';
import type { EvaluationRow } from '../stats/index.ts';

/** One row of the log, without a line break. */
export function authorsLogLine(row: EvaluationRow, item: DataItem, parser: AnswerParser): string {
  const output = pythonStrip(withoutPrompt(row.completion));
  const solution = solutionText(truthOf(item));
  const [medium] = item.media;
  return JSON.stringify({
    question: {
      problem_id: item.id,
      problem: item.problem ?? item.question,
      data_type: medium?.type ?? 'text',
      problem_type: item.type,
      options: labelled(item.options),
      solution,
      video: medium?.path,
      ...item.dims,
    },
    ground_truth: solution,
    model_output: output,
    extracted_answer: extractedAnswer(output, parser),
    think_content: thinkContent(output),
    accuracy_score: row.score,
    format_score: formatAuthorsEval(output),
  });
}

/** The answer that the authors' evaluator reads; under `tolerant`, the letters that were read. */
function extractedAnswer(output: string, parser: AnswerParser): string {
  const { text, letters } = parseAnswer(output, { parser });
  return parser === 'tolerant' ? letters.join(',') : pythonStrip(text);
}

/** The first thinking block, else all before "answer:", else nothing. */
function thinkContent(output: string): string {
  const block = /<think>(.*?)<\/think>/s.exec(output);
  if (block !== null) return pythonStrip(block[1]!);
  return pythonStrip(output.slice(0, Math.max(0, output.toLowerCase().indexOf('answer:'))));
}
