/**
 * TempCompass, the four official files: an object of videos, each with its dimensions (action, speed, direction, order,
 * attribute_change), each with a list of questions. The task is told by the form of the record:
 *   multi-choice      options as lines "A. …", answer "B. text"
 *   caption_matching  two lines "Caption A: …", "Option 1: …" or "Sentence A: …", answer such a line
 *   yes_no            answer "yes" or "no"
 *   captioning        lines "Information A: {…}", answer "B. text"; scored here by letter, not by the official judge
 * Source: llyx97/TempCompass questions/*.json.
 */
import { z } from 'zod';
import { LETTERS, text } from '../item.ts';
import { splitLabel, splitProblem } from '../options.ts';
import type { ReadSink, RowReader } from './reader.ts';

const questionSchema = z.looseObject({ question: text(), answer: text(20_000) });
const videoSchema = z.record(z.string(), z.array(z.unknown()));

const LABELLED_LINE = /^(Caption|Option|Sentence|Information) ([A-H]|[1-8]): (.*)$/;

export const readTempCompassRow: RowReader = (row, sink) => {
  const videoId = row.key;
  if (videoId === undefined) {
    return sink.reject(
      row.line,
      'bad_record',
      'expected one JSON object of videos (the official TempCompass form)',
    );
  }
  const dims = sink.parse(videoSchema, row.value, row.line, videoId);
  if (dims !== undefined && Object.values(dims).every((questions) => questions.length === 0))
    sink.warn(row.line, 'no_questions', `video ${videoId} has no questions`, { field: videoId });
  for (const [dim, questions] of Object.entries(dims ?? {})) {
    for (const [index, value] of questions.entries()) {
      const item = `${videoId}/${dim}/${index}`;
      const record = sink.parse(questionSchema, value, row.line, item);
      if (record !== undefined) addQuestion(record, videoId, dim, index, row.line, sink);
    }
  }
  return undefined;
};

function addQuestion(
  record: z.output<typeof questionSchema>,
  videoId: string,
  dim: string,
  index: number,
  line: number,
  sink: ReadSink,
): void {
  const parts = partsOf(record.question, record.answer);
  const item = `${parts?.task ?? 'unknown'}/${videoId}/${dim}/${index}`;
  if (parts === undefined) {
    sink.reject(line, 'no_options', 'the question has no options of a known form', {
      item,
      field: 'question',
    });
    return;
  }
  if (parts.right < 0) {
    sink.reject(
      line,
      'answer_conflict',
      `the answer ${JSON.stringify(record.answer.slice(0, 100))} is none of the options`,
      { item, field: 'answer' },
    );
    return;
  }
  if (parts.isTextDifferent) {
    sink.warn(
      line,
      'answer_conflict',
      `the answer's letter and text disagree: ${JSON.stringify(record.answer.slice(0, 100))}; the letter is used`,
      { item, field: 'answer' },
    );
  }
  sink.add(line, {
    id: item,
    media: [{ path: `${videoId}.mp4` }],
    question: parts.question,
    options: parts.options,
    ...(parts.task === 'yes_no' ? {} : { problem: record.question }),
    answer: [LETTERS[parts.right]!],
    dims: { task: parts.task, dim },
  });
}

interface Parts {
  readonly task: 'multi-choice' | 'yes_no' | 'caption_matching' | 'captioning';
  readonly question: string;
  readonly options: string[];
  /** Index of the right option; -1 when the answer fits none. */
  readonly right: number;
  readonly isTextDifferent: boolean;
}

function partsOf(question: string, answer: string): Parts | undefined {
  const lines = question.split('\n');
  const labelledLines = lines.map((line) => LABELLED_LINE.exec(line)).filter((match) => match !== null);
  if (labelledLines.length >= 2) {
    const options = labelledLines.map((match) => match[3]!);
    const rest = lines.filter((line) => !LABELLED_LINE.test(line)).join('\n');
    if (labelledLines[0]![1] === 'Information') {
      const right = labelledLines.findIndex((match) => match[2] === splitLabel(answer).letter);
      return { task: 'captioning', question: rest, options, right, isTextDifferent: false };
    }
    const right = labelledLines.findIndex((match) => match[0] === answer.trim());
    return { task: 'caption_matching', question: rest, options, right, isTextDifferent: false };
  }
  const word = ['yes', 'no'].indexOf(answer.trim().toLowerCase());
  if (word >= 0 && lines.length === 1) {
    return { task: 'yes_no', question, options: ['yes', 'no'], right: word, isTextDifferent: false };
  }
  const split = splitProblem(question);
  if (split === undefined) return undefined;
  const said = splitLabel(answer);
  const right = said.letter === undefined ? -1 : LETTERS.indexOf(said.letter);
  const option = split.options[right];
  return {
    task: 'multi-choice',
    ...split,
    right: option === undefined ? -1 : right,
    isTextDifferent: option !== undefined && said.text !== option,
  };
}
