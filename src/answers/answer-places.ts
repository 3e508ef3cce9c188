/**
 * Where in a completion the tolerant rule looks for the answer, the most decisive place first: the last non-empty `<answer>`
 * block, text beside half a pair of tags, the last sentence that says "the answer is …" (English or Chinese), a JSON object
 * or a `\boxed{}`, else everything behind the reasoning, which must have ended. A later place is read only where an earlier one says nothing.
 */

import type { AnswerSource } from './answers.ts';

export interface AnswerPlace {
  readonly text: string;
  readonly source: AnswerSource;
}

/** @param completion folded text, in which runs of blanks are one blank or one line break */
export function answerPlaces(completion: string): readonly AnswerPlace[] {
  const lastBlock = [...completion.matchAll(/<answer>((?:(?!<answer>).)*?)<\/answer>/gis)]
    .map((match) => match[1]!.trim())
    .filter((block) => block !== '')
    .at(-1);
  if (lastBlock !== undefined) return [place(lastBlock, 'tag'), ...statements(lastBlock, 'tag')];
  const opened = completion.split(/<answer>/i).slice(1);
  if (opened.length > 0) {
    const text = opened.map(stripTags).findLast((part) => part !== '') ?? '';
    return [place(text, 'unclosed_tag'), ...statements(text, 'unclosed_tag')];
  }
  const thinkEnd = completion.toLowerCase().lastIndexOf('</think>');
  const rest = completion.slice(thinkEnd < 0 ? 0 : thinkEnd);
  const answerEnd = rest.toLowerCase().lastIndexOf('</answer>');
  const before = answerEnd < 0 ? '' : stripTags(rest.slice(0, answerEnd));
  if (before !== '') {
    const lastLine = before.slice(before.lastIndexOf('\n') + 1);
    return [before, ...statements(before, 'unopened_tag').map(({ text }) => text), lastLine].map((text) =>
      place(text, 'unopened_tag'),
    );
  }
  // Thinking without an end, as of an answer cut at its limit, weighs options and settles on none.
  const unended = rest.toLowerCase().lastIndexOf('<think>');
  const text = stripTags(unended < 0 ? rest : rest.slice(0, unended));
  if (text === '') return [place(text, 'nowhere')];
  const stated = statements(text, 'phrase');
  return stated.length > 0 ? stated : [place(text, thinkEnd < 0 ? 'whole_text' : 'after_think')];
}

function place(text: string, source: AnswerSource): AnswerPlace {
  return { text, source };
}

/** The text without tags and without the remains of a tag that was cut in the middle. */
function stripTags(text: string): string {
  return singleBlanks(text.replace(/<?\/?\b(?:answer|think)>/gi, ' ').replace(/<\/?[a-z]*$/i, ' ')).trim();
}

/** Each run of blanks as one blank, or as one line break where it holds one: long runs would make patterns slow. */
export function singleBlanks(text: string): string {
  return text.replace(/\s+/g, (run) => (run.includes('\n') ? '\n' : ' '));
}

const SAYS = '(?:is|are|(?:must|should|would|will)\\sbe)\\b\\s?:?';
const ADVERB =
  '(?:(?:therefore|thus|hence|clearly|(?:most\\s)?likely|definitely|indeed|probably)\\b,?\\s?:?\\s?)?';
const NAMED = '(?:answers?|(?:correct|right|best|final)\\s(?:options?|choices?|letters?))';
/** "The answer is", "Correct option:", "### Answer" on a line of its own, "I choose". */
const ENGLISH = new RegExp(
  `\\b${NAMED}\\b\\s?(?:${SAYS}|[:=]|\\n)\\s?${ADVERB}|\\bI(?:'ll|'d|\\swould|\\swill|\\smust)?\\s(?:choose|select|pick|go\\swith)\\s`,
  'gi',
);
/** "答案是", "正确选项为", "故选", "选择" before a letter; "不选" says the opposite. */
const CHINESE =
  /(?<![不未没别])(?:答案|选项|选择|选)(?:应该|应当|应|就)?(?:(?:是|为|:|=)+\s?|\s?(?=["'([]*[A-Za-z](?![A-Za-z])))/g;
const JSON_OBJECT = /\{[^{}]*["'](?:final_?|correct_?)?(?:answer|choice|option|答案)["']\s?:[^{}]*\}/gi;
const BOXED = /\\boxed\s?\{(?:[^{}\n]|\{[^{}\n]*\})*\}/g;

/** The statements of an answer in a text, the last one of each kind. */
function statements(text: string, source: AnswerSource): readonly AnswerPlace[] {
  const phrase = [ENGLISH, CHINESE]
    .map((pattern) => [...text.matchAll(pattern)].at(-1))
    .map((match) =>
      match === undefined ? undefined : { at: match.index, end: match.index + match[0].length },
    )
    .reduce((one, other) => (one === undefined || (other && other.end > one.end) ? other : one), undefined);
  const said = phrase === undefined ? '' : text.slice(phrase.end).trim();
  const json = [...text.matchAll(JSON_OBJECT)].at(-1);
  const jsonEnd = json === undefined ? -1 : json.index + json[0].length;
  if (json !== undefined && jsonEnd > (phrase?.at ?? -1)) return [place(json[0], source)];
  const boxed = lastBoxed(text, phrase?.at ?? 0);
  return [said, boxed].filter((part) => part !== '').map((part) => place(part, source));
}

/** From the first to the last `\boxed{}` of the last line that has one: "\boxed{A} and \boxed{C}" is one answer. */
function lastBoxed(text: string, from: number): string {
  const all = [...text.slice(from).matchAll(BOXED)].map((match) => ({
    start: from + match.index,
    end: from + match.index + match[0].length,
  }));
  const last = all.at(-1);
  if (last === undefined) return '';
  const lineStart = text.lastIndexOf('\n', last.start) + 1;
  const first = all.find(({ start }) => start >= lineStart) ?? last;
  return text.slice(first.start, last.end);
}
