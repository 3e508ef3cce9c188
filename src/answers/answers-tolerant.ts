/**
 * The tolerant reading of an answer: what a careful person would accept as a choice of options, and nothing more.
 *
 * Where it looks stands in `answer-places.ts`. What it reads there: letters ("A", "(a)", "A, C", "A and C", "B、C", "AC"),
 * letters with their option's words ("A. The purple sphere …", "B - blue"), the full words of an option, each also inside
 * JSON, bold or `\boxed{}`, in full-width letters, and with a reason behind ("B because …", "B\nExplanation: …").
 * Prose is never searched for letters ("A cube …" is not an answer A), "A or B" and "A/B" are no answer, and a letter whose
 * text is that of another option is a contradiction: all of these are parse failures.
 * `docs/evaluation.md` has a table of both kinds.
 */

import { answerPlaces, singleBlanks } from './answer-places.ts';
import type { AnswerForm, ParsedAnswer } from './answers.ts';

interface Option {
  readonly letter: string;
  readonly text: string;
}

/** Without known options a letter may be any of these: no benchmark we read has more than ten options. */
const DEFAULT_LETTERS = 'ABCDEFGHIJ';

export function parseTolerant(completion: string, rawOptions: readonly string[] = []): ParsedAnswer {
  const options = rawOptions.map(readOption);
  const allowed = options.length > 0 ? options.map((option) => option.letter).join('') : DEFAULT_LETTERS;
  const places = answerPlaces(fold(completion));
  for (const { text, source } of places) {
    const read = readPlace(text, allowed, options);
    if (read === undefined) continue;
    return { letters: [...new Set(read.letters)].sort(), failed: false, source, form: read.form, text };
  }
  const { text, source } = places[0]!;
  return { letters: [], failed: true, source, form: 'none', text };
}

const FOLDED: readonly (readonly [RegExp, string])[] = [
  [/[\u200b-\u200d\u2060\ufeff]/g, ''],
  [/[。｡]/g, '.'],
  [/[、､]/g, ','],
  [/[【「『〔〖]/g, '['],
  [/[】」』〕〗]/g, ']'],
  [/[“”„«»《》]/g, '"'],
  [/[‘’]/g, "'"],
  // Marks of chat templates and of Markdown say nothing about the answer.
  [/<\|\w+\|>|\*\*|__/g, ''],
];

/** One form for characters that differ only in width or in the shape of quotes and brackets, and single blanks. */
function fold(text: string): string {
  const narrow = text
    .replace(/[\uff01-\uff5e]/g, (char) => String.fromCharCode(char.charCodeAt(0) - 0xfee0))
    .replace(/[Ⓐ-Ⓩ]/g, (char) => String.fromCharCode(char.charCodeAt(0) - 0x24b6 + 65));
  return singleBlanks(FOLDED.reduce((folded, [pattern, by]) => folded.replace(pattern, by), narrow));
}

type Reading = { readonly letters: readonly string[]; readonly form: AnswerForm } | undefined;

function readPlace(place: string, allowed: string, options: readonly Option[]): Reading {
  const text = fromJson(place);
  return (
    readLetters(text, allowed) ??
    readLabelled(text, allowed, options) ??
    readTexts(text, options) ??
    readExplained(text, allowed, options)
  );
}

/** The answer inside a JSON object, or a Python dictionary of one entry; other text as it is. */
function fromJson(place: string): string {
  const object = /^(?:```(?:json)?)?\s?(\{.*\})\s?(?:```)?$/is.exec(place)?.[1];
  if (object === undefined) return place;
  let found: unknown;
  try {
    const parsed = JSON.parse(object) as Record<string, unknown>;
    found = Object.entries(parsed).find(([key]) => ANSWER_KEY.test(key))?.[1];
  } catch {
    // Not JSON: Python prints a dictionary with single quotes.
    found = /^\{\s?'(?:final_?|correct_?)?(?:answer|choice|option)'\s?:\s?'([^']*)'\s?\}$/i.exec(object)?.[1];
  }
  if (Array.isArray(found)) return found.map(String).join(', ');
  return typeof found === 'string' ? found : place;
}

const ANSWER_KEY = /^(?:final_?|correct_?)?(?:answer|choice|option|答案)$/i;

const LEAD =
  /^(?:(?:so|thus|therefore|hence|#+)\b,?\s?)?(?:(?:the|my)\s)?(?:correct\s|right\s|best\s)?(?:final\s)?(?:answers?|options?|choices?)\b\s?(?:is|are|=)?\s?:?/i;
const CHINESE_LEAD =
  /^(?:所以|因此|故)?,?(?:我|应|应该)?(?:最终|正确)?(?:的)?(?:答案|选项|选择|选)(?:应该|应当|应|就)?[是为:=]*/;

/** "A", "(a)", "A and C", "Options A, C.", "AC": the text is nothing but letters and joints between them. */
function readLetters(text: string, allowed: string): Reading {
  const bare = unwrap(text)
    .replace(LEAD, '')
    .replace(CHINESE_LEAD, '')
    .replace(/^\s*both\b/i, '')
    .replace(/\b(?:options?|choices?)\b|选?项/gi, ' ')
    .replace(/\band\b|以及|[和与及跟]/gi, ' ')
    .replace(/[()[\]{}'"`*]/g, ' ');
  const tokens = bare.split(/[\s,;&+.:]+/).filter((token) => token !== '');
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

/** "A. red", "(A) red", "A) red", "A: red", "A - red": any words may follow, as far as they are not another option's. */
const LABEL =
  /^(?:option\s)?(?:[([]([A-Z])[)\]]\s?[.:-]?|([A-Z])(?:\s?[):]|\s?\.(?![A-Z]\.)|\s[-–—]+\s|[—–]))\s?(\S.*)$/is;
/** "A red", "A-red", "A, red": only the option's own words may follow, for "A red …" may begin a sentence. */
const LOOSE_LABEL = /^(?:option\s)?([A-Z])(?:\s?[-,]\s?|\s)(\S.*)$/is;

/** "A. The purple sphere …", "(A) red, (C) blue", one a line: every piece begins with its letter. */
function readLabelled(text: string, allowed: string, options: readonly Option[]): Reading {
  const pieces = unwrap(text)
    .replace(LEAD, '')
    .split(/\s?\n\s?|\s?(?:,|;|\band\b|[和与及])\s?(?=\(?[A-Z][.):]\s)|\s(?=\([A-Z]\)\s)/)
    .map((piece) => piece.trim())
    .filter((piece) => piece !== '');
  const letters = pieces.map((piece) => labelOf(piece, allowed, options));
  if (letters.length === 0 || !letters.every((letter) => letter !== undefined)) return undefined;
  return { letters, form: 'labelled' };
}

function labelOf(piece: string, allowed: string, options: readonly Option[]): string | undefined {
  const label = LABEL.exec(piece);
  const letter = (label?.[1] ?? label?.[2] ?? LOOSE_LABEL.exec(piece)?.[1])?.toUpperCase();
  if (letter === undefined || !allowed.includes(letter)) return undefined;
  const said = normalise(label?.[3] ?? LOOSE_LABEL.exec(piece)![2]!);
  const own = options.find((option) => option.letter === letter);
  if (own?.text === said) return letter;
  if (label === null || options.some((option) => option.text === said)) return undefined;
  // "A - C" names two letters, and does not say how they belong together.
  return readLetters(said, allowed) === undefined ? letter : undefined;
}

/** The option's own words, one or several options. */
function readTexts(text: string, options: readonly Option[]): Reading {
  if (options.length === 0) return undefined;
  for (const joint of [undefined, /\s*[\n;]\s*/, /\s*,\s*(?:and\s+)?/, /\s*(?:,|\band\b|[和与])\s*/]) {
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

const REASON = [
  'because|since|due to|based on|given that|for the (?:following )?reason',
  'as (?:it|the|they|this|there|we|shown|seen|described|indicated)',
  '(?:is|are) (?:the )?(?:most )?(?:correct|right|true|best|accurate|appropriate)',
].join('|');
/** Where the answer ends and its reason begins; a line break also ends it. */
const REASON_START = new RegExp(
  `\\s?[,(–—-]?\\s?(?:\\b(?:${REASON})\\b|因为|由于|理由|原因|解析|(?:都?是)?(?:正确|对的))|\\n`,
  'i',
);
const HEADING =
  /^\s?#*\s?(?:explanations?|reason(?:ing|s)?|rationale|justification|because|since|解释|理由|原因|解析|分析)(?![a-z])/i;
/** A second choice behind the first, in the reason or on a line of its own. */
const ALTERNATIVE =
  /\bor\b[^.\n]{0,20}?\b[A-Z]\b|\band\s(?:also\s)?(?:option\s)?\(?[A-Z]\)?\s(?:because|since|too|as\swell)|(?:或者?|还是)\s?[A-Z]|\n(?:option\s)?\(?[A-Z](?:[.):]|\s?(?:\n|$))/;

/** "B because it moves", "A and C, since …", "B is correct", "B\nExplanation: …": an answer, then the reason for it. */
function readExplained(text: string, allowed: string, options: readonly Option[]): Reading {
  const bare = unwrap(text).replace(LEAD, '').trim();
  const cut = REASON_START.exec(bare);
  if (cut === null || cut.index === 0) return undefined;
  const head = bare.slice(0, cut.index);
  const reason = bare.slice(cut.index);
  const isHeaded = reason.startsWith('\n') && HEADING.test(reason.slice(1));
  if (!isHeaded && ALTERNATIVE.test(reason)) return undefined;
  // A small letter behind the break means that a sentence goes on: "A\ncube moves".
  if (!isHeaded && /^\n\s?[a-z]/.test(reason)) return undefined;
  const letters = readLetters(head, allowed);
  if (letters !== undefined || !reason.startsWith('\n')) return letters;
  return readLabelled(head, allowed, options) ?? readTexts(head, options);
}

/** The one option with this text; undefined when none or several have it. */
function letterOfText(text: string, options: readonly Option[]): string | undefined {
  const said = normalise(text);
  const found = options.filter((option) => option.text === said && said !== '');
  return found.length === 1 ? found[0]!.letter : undefined;
}

function readOption(raw: string, index: number): Option {
  const option = fold(raw);
  const letter = String.fromCharCode(65 + index);
  const label = new RegExp(`^\\s*(?:\\(${letter}\\)|\\[${letter}\\]|${letter}[.):,])\\s*`, 'i').exec(option);
  return { letter, text: normalise(label ? option.slice(label[0].length) : option) };
}

/** Take off what models wrap around an answer: blanks, quotes, Markdown marks, `\boxed{}`, `\text{}`, dollar signs. */
function unwrap(text: string): string {
  return text
    .replace(/\\(?:boxed|text|mathrm|textbf)\s*\{([^{}]*)\}/g, '$1')
    .replace(/\\(?:boxed|text|mathrm|textbf)\s*\{([^{}]*)\}/g, '$1')
    .replace(/^#+\s|[$*`"]/g, '')
    .trim();
}

function normalise(text: string): string {
  return unwrap(text)
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .replace(/[.!,;:]+$/, '')
    .trim();
}
