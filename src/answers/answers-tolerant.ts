/**
 * The tolerant reading of an answer: what a careful person would accept as a choice of options, and nothing more.
 *
 * Where: the last non-empty `<answer>` block; else the text behind an unclosed last `<answer>`; else behind `</think>`;
 * else behind the last "answer is" / "answer:"; else the whole text.
 * What: "A", "(A)", "A.", "a", "A, C", "A and C", "AC", "C D", "A,", "Options A and C", "A. The purple sphere …",
 * and the full text of an option. Prose is never searched for letters ("A cube …" is not an answer A), "A or B" is no
 * answer, and a letter whose text is that of another option is a contradiction: all of these are parse failures.
 */

import type { AnswerForm, AnswerSource, ParsedAnswer } from './answers.ts';

interface Option {
  readonly letter: string;
  readonly text: string;
}

/** Without known options a letter may be any of these: no benchmark we read has more than ten options. */
const DEFAULT_LETTERS = 'ABCDEFGHIJ';

export function parseTolerant(completion: string, rawOptions: readonly string[] = []): ParsedAnswer {
  const options = rawOptions.map(readOption);
  const allowed = options.length > 0 ? options.map((option) => option.letter).join('') : DEFAULT_LETTERS;
  // Long runs of blanks would make the patterns below slow, and mean nothing.
  const { text, source } = findAnswer(completion.replace(/\s+/g, (run) => (run.includes('\n') ? '\n' : ' ')));
  const read = readLetters(text, allowed) ?? readLabelled(text, allowed, options) ?? readTexts(text, options);
  if (read === undefined) return { letters: [], failed: true, source, form: 'none', text };
  return { letters: [...new Set(read.letters)].sort(), failed: false, source, form: read.form, text };
}

function findAnswer(completion: string): { text: string; source: AnswerSource } {
  const blocks = [...completion.matchAll(/<answer>((?:(?!<answer>).)*?)<\/answer>/gis)]
    .map((match) => match[1]!.trim())
    .filter((block) => block !== '');
  const lastBlock = blocks.at(-1);
  if (lastBlock !== undefined) return { text: lastBlock, source: 'tag' };
  const open = /^.*<answer>(.*)$/is.exec(completion);
  if (open) return { text: stripTags(open[1]!), source: 'unclosed_tag' };
  const afterThink = /^.*<\/think>(.*)$/is.exec(completion);
  const rest = afterThink ? afterThink[1]! : completion;
  const phrase = [...rest.matchAll(/\banswers?\b\s*(?:(?:is|are)\b\s*:?|:)\s*/gi)].at(-1);
  if (phrase) {
    const text = stripTags(rest.slice(phrase.index + phrase[0].length));
    if (text !== '') return { text, source: 'phrase' };
  }
  const text = stripTags(rest);
  if (text === '') return { text, source: 'nowhere' };
  return { text, source: afterThink ? 'after_think' : 'whole_text' };
}

function stripTags(text: string): string {
  return text.replace(/<\/?(?:answer|think)>/gi, ' ').trim();
}

type Reading = { readonly letters: readonly string[]; readonly form: AnswerForm } | undefined;

/** "A", "(a)", "A and C", "Options A, C.", "AC": the text is nothing but letters and joints between them. */
function readLetters(text: string, allowed: string): Reading {
  const bare = unwrap(text)
    .replace(
      /^(?:the\s+)?(?:correct\s+)?(?:final\s+)?(?:answers?|options?|choices?)\b\s*(?:is|are)?\s*:?/i,
      '',
    )
    .replace(/^\s*both\b/i, '')
    .replace(/\b(?:options?|choices?)\b/gi, ' ')
    .replace(/\band\b/gi, ' ')
    .replace(/[()[\]{}'"`*]/g, ' ');
  const tokens = bare.split(/[\s,;/&+.:|]+/).filter((token) => token !== '');
  if (tokens.length === 0) return undefined;
  const letters: string[] = [];
  for (const token of tokens) {
    const upper = token.toUpperCase();
    const chars = [...upper];
    if (!chars.every((char) => allowed.includes(char))) return undefined;
    if (chars.length > 1) {
      const isDistinct = new Set(chars).size === chars.length;
      const isAscending = chars.every((char, i) => i === 0 || char > chars[i - 1]!);
      // A run of letters may be a word ("bed"): capitals must differ, small letters must also be in order.
      if (!isDistinct || (token !== upper && !isAscending)) return undefined;
    }
    letters.push(...chars);
  }
  return { letters, form: 'letters' };
}

/** "A. The purple sphere …", "(A) red, (C) blue", one a line: every piece begins with its letter. */
function readLabelled(text: string, allowed: string, options: readonly Option[]): Reading {
  const pieces = unwrap(text)
    .split(/\s*\n\s*|\s*(?:,|;|\band\b)\s*(?=\(?[A-Z][.):]\s)/)
    .map((piece) => piece.trim())
    .filter((piece) => piece !== '');
  const letters: string[] = [];
  for (const piece of pieces) {
    const label = /^(?:option\s+)?(?:\(([A-Za-z])\)|([A-Za-z])[.):])\s*(\S.*)$/is.exec(piece);
    if (!label) return undefined;
    const letter = (label[1] ?? label[2]!).toUpperCase();
    if (!allowed.includes(letter)) return undefined;
    const said = normalise(label[3]!);
    const own = options.find((option) => option.letter === letter);
    const saysOther = options.some((option) => option.letter !== letter && option.text === said);
    if (saysOther && own?.text !== said) return undefined;
    letters.push(letter);
  }
  return letters.length > 0 ? { letters, form: 'labelled' } : undefined;
}

/** The option's own words, one or several options. */
function readTexts(text: string, options: readonly Option[]): Reading {
  if (options.length === 0) return undefined;
  for (const joint of [undefined, /\s*[\n;]\s*/, /\s*,\s*(?:and\s+)?/, /\s*(?:,|\band\b)\s*/]) {
    const pieces = joint === undefined ? [text] : unwrap(text).split(joint);
    const letters = pieces
      .filter((piece) => piece.trim() !== '')
      .map((piece) => letterOfText(piece, options));
    if (letters.length > 0 && letters.every((letter) => letter !== undefined)) {
      return { letters, form: 'option_text' };
    }
  }
  return undefined;
}

/** The one option with this text; undefined when none or several have it. */
function letterOfText(text: string, options: readonly Option[]): string | undefined {
  const said = normalise(text);
  const found = options.filter((option) => option.text === said && said !== '');
  return found.length === 1 ? found[0]!.letter : undefined;
}

function readOption(option: string, index: number): Option {
  const letter = String.fromCharCode(65 + index);
  const label = new RegExp(`^\\s*(?:\\(${letter}\\)|${letter}[.):])\\s*`, 'i').exec(option);
  return { letter, text: normalise(label ? option.slice(label[0].length) : option) };
}

/** Take off what models wrap around an answer: blanks, quotes, Markdown bold, `\boxed{}`, `\text{}`, dollar signs. */
function unwrap(text: string): string {
  return text
    .replace(/\\(?:boxed|text|mathrm|textbf)\s*\{([^{}]*)\}/g, '$1')
    .replace(/\\(?:boxed|text|mathrm|textbf)\s*\{([^{}]*)\}/g, '$1')
    .replace(/[$*`"]/g, '')
    .trim();
}

function normalise(text: string): string {
  return unwrap(text)
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .replace(/[.!,;:]+$/, '')
    .trim();
}
