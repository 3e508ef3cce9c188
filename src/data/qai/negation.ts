/**
 * Negates an English question so that exactly its wrong answers become right, or refuses.
 *
 * Where the question word asks for a part of the event (what, which, who, where, when), the main clause is negated:
 *   "what did the lady do …"               "what didn't the lady do …"              (the auxiliary is contracted)
 *   "which of these will happen …"         "which of these will not happen …"       (the question word is the subject)
 *   "who opened the door"                  "who did not open the door"              (do-support)
 *   "which of these balls move …"          "which of these balls do not move …"     (the same in the plural)
 *   "which event will not happen …"        "which event will happen …"              (already negative)
 *   "which boxes are at some time open"    "which boxes are never open"             (and the other way round)
 * "why didn't she laugh" would ask for something else: it says that she did not laugh. There the event stays, and the
 * negation goes to the answer:
 *   "why did she laugh"                    "why did she laugh? which of these are not reasons"
 *   "how did she open it"                  "in which of these ways didn't she open it"
 *
 * Only words of the main clause are looked at; a clause that begins with when, that, who … is left alone. Every other form
 * is refused with a reason: a question that is not understood is never changed, so it is never inverted.
 */
import { lookUpVerb } from './verbs.ts';
import {
  AUXILIARIES,
  CLAUSE_STARTS,
  EVENT_VERBS,
  FRONTING,
  ING_NOUNS,
  MEASURES,
  MODALS_OF_SCOPE,
  NEGATIVE_ADJECTIVES,
  NEGATIVES,
  POLARITY,
  POSITIVE,
  PREDICATES,
  PREPOSITIONS,
  PRONOUNS,
  QUANTIFIERS,
  QUESTION_WORDS,
} from './words.ts';

export const CONTRACTIONS = ['natural', 'always', 'never'] as const;
/**
 * `natural`: contracted before a subject ("what didn't she do"), else in full ("who did not open it");
 * `always`: contracted wherever English has the form; `never`: in full, and refused where the end of the subject, behind which
 * "not" must stand, is not certain.
 */
export type Contractions = (typeof CONTRACTIONS)[number];

export const REFUSALS = [
  'yes_no_question',
  'no_question_word',
  'several_sentences',
  'no_auxiliary',
  'unknown_verb',
  'ambiguous_verb',
  'relative_clause',
  'double_negation',
  'polarity_word',
  'quantified_subject',
  'modal_scope',
  'subject_end_unknown',
  'how_measure',
  'how_state',
  'how_known',
] as const;
export type Refusal = (typeof REFUSALS)[number];

export type Negation = { readonly question: string; readonly rule: string } | { readonly refused: Refusal };

interface Word {
  /** The word in small letters, with a straight apostrophe. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** A comma stands between the word before and this one. */
  readonly afterComma: boolean;
}

/** A question taken apart: its words, and where its question word stands among them. */
interface Question {
  readonly text: string;
  readonly words: readonly Word[];
  readonly at: number;
}

const WORD = /[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu;
/** No question about a video needs a longer phrase between question word and auxiliary. */
const MAX_PHRASE = 16;

/**
 * Negates one question.
 * @param text the question without its options; letter case, spacing and closing marks are kept
 */
export function negateQuestion(text: string, contractions: Contractions = 'natural'): Negation {
  const question = findQuestion(text);
  if ('refused' in question) return question;
  const { words, at } = question;
  if (words[at + 1]?.text === "'s") return negateShort(question, contractions);
  const word = words[at]!.text;
  const next = words[at + 1]?.text ?? '';
  if (word === 'why' || (word === 'how' && next === 'come')) return frameReason(question);
  if (at > 0 && words[at - 1]!.text === 'for' && /^reasons?$/.test(next)) return frameReason(question);
  return word === 'how' ? negateHow(question, contractions) : negateWhat(question, contractions);
}

/** Finds the last sentence and its question word, at its beginning or behind "If …," or "In the video,". */
function findQuestion(text: string): Question | { readonly refused: Refusal } {
  const marks = [...text.matchAll(/\?+/g)];
  const rest = marks.length === 0 ? '' : text.slice(marks[0]!.index);
  if (marks.length > 1 || /[\p{L}\p{N}]/u.test(rest)) return { refused: 'several_sentences' };
  const sentenceStart = [...text.matchAll(/[.!:;\n]+\s+(?=\S)/g)].at(-1);
  const start = sentenceStart === undefined ? 0 : sentenceStart.index + sentenceStart[0].length;
  const words: Word[] = [];
  for (const match of text.matchAll(WORD)) {
    if (match.index < start) continue;
    const between = text.slice(words.at(-1)?.end ?? start, match.index);
    const word = match[0].toLowerCase().replaceAll('’', "'");
    const end = match.index + match[0].length;
    const afterComma = between.includes(',');
    // "what's" is two words.
    const isShort = word.endsWith("'s") && QUESTION_WORDS.has(word.slice(0, -2));
    const cut = isShort ? end - 2 : end;
    words.push({ text: isShort ? word.slice(0, -2) : word, start: match.index, end: cut, afterComma });
    if (isShort) words.push({ text: "'s", start: cut, end, afterComma: false });
  }
  const at = findQuestionWord(words);
  if (typeof at !== 'number') return at;
  // "which drug …, and what does it do": two questions in one sentence.
  const isJoined = words.some(
    (word, index) =>
      index > at && /^(?:and|or|but)$/.test(words[index - 1]!.text) && QUESTION_WORDS.has(word.text),
  );
  return isJoined ? { refused: 'several_sentences' } : { text, words, at };
}

function findQuestionWord(words: readonly Word[]): number | { readonly refused: Refusal } {
  const [first, second] = words.map(({ text }) => text);
  if (first === undefined) return { refused: 'no_question_word' };
  const begins = (at: number): number | undefined => {
    const text = words[at]?.text ?? '';
    if (QUESTION_WORDS.has(text)) return at;
    return PREPOSITIONS.has(text) && /^(?:which|what|whom|whose|where)$/.test(words[at + 1]?.text ?? '')
      ? at + 1
      : undefined;
  };
  const isAuxiliary = (text = ''): boolean => AUXILIARIES.has(text) || POSITIVE.has(text);
  // "when the dog barks, what …" begins with a clause, "when did the dog bark" with the question.
  if (!/^(?:when|where)$/.test(first) || isAuxiliary(second)) {
    const at = begins(0);
    if (at !== undefined) return at;
  }
  if (isAuxiliary(first)) return { refused: 'yes_no_question' };
  if (!FRONTING.has(first)) return { refused: 'no_question_word' };
  for (const [index, { afterComma }] of words.entries()) {
    const at = afterComma ? begins(index) : undefined;
    if (at !== undefined) return at;
  }
  return { refused: 'no_question_word' };
}

/** "what's": written out and negated as "what is", where it can't be "what has". */
function negateShort({ text, words, at }: Question, contractions: Contractions): Negation {
  const short = words[at + 1]!;
  if (words[at]!.text === 'why')
    return negateQuestion(splice(text, short.start, short.end, ' is'), contractions);
  if (isParticiple(words[at + 2]?.text ?? '')) return { refused: 'ambiguous_verb' };
  return negateQuestion(splice(text, short.start, short.end, ' is'), contractions);
}

/** Keeps the question and asks which options are not its answer: the event itself stays true. */
function frameReason({ text, words, at }: Question): Negation {
  const body = text.trimEnd();
  const marks = /\s*[?.!]*$/.exec(body)![0];
  const stem = body.slice(0, body.length - marks.length);
  const isCapital = /^\p{Lu}/u.test(text.slice(words[0]!.start));
  const frame = `${isCapital ? 'Which' : 'which'} of these are not reasons`;
  return {
    question: `${stem}? ${frame}${marks}${text.slice(body.length)}`,
    rule: words[at]!.text === 'why' ? 'why-frame' : 'reason-frame',
  };
}

function negateHow(question: Question, contractions: Contractions): Negation {
  const { text, words, at } = question;
  const auxiliary = words[at + 1];
  if (auxiliary === undefined) return { refused: 'no_auxiliary' };
  if (MEASURES.has(auxiliary.text)) return { refused: 'how_measure' };
  const known = AUXILIARIES.get(auxiliary.text);
  if (POSITIVE.has(auxiliary.text)) return { refused: 'double_negation' };
  if (known === undefined) return { refused: 'no_auxiliary' };
  const clause = mainClause(words, at + 2);
  const has = (...texts: string[]): boolean => clause.some((word) => texts.includes(word.text));
  if (has('know', 'knew')) return { refused: 'how_known' };
  if (has('tell', 'see') && has('you', 'we', 'one')) return { refused: 'how_known' };
  const isFeeling = has('feel', 'feeling');
  if (!isFeeling) {
    const isAction = ({ text: word }: Word): boolean => isIng(word) || isParticiple(word) || word === 'able';
    if (known.kind === 'be' && !clause.some(isAction)) return { refused: 'how_state' };
    if (
      has('look', 'seem', 'appear', 'sound') &&
      !has('at', 'around', 'for', 'back', 'away', 'up', 'down', 'through')
    )
      return { refused: 'how_state' };
    // "make sure that it does not fall": a second negation inside of what was done.
    const hasNegation = words
      .slice(at + 2)
      .some((word, index) => isNegative(word.text) && !isInTimeClause(words, at + 2 + index));
    if (hasNegation) return { refused: 'double_negation' };
  }
  const negated = negateAuxiliary(question, at + 1, contractions);
  if ('refused' in negated || isFeeling) {
    return 'refused' in negated ? negated : { ...negated, rule: 'how-feel' };
  }
  const how = words[at]!;
  const isCapital = /^\p{Lu}/u.test(text.slice(how.start));
  return {
    question: `${text.slice(0, how.start)}${isCapital ? 'In' : 'in'} which of these ways${negated.question.slice(how.end)}`,
    rule: 'how-ways',
  };
}

function negateWhat(question: Question, contractions: Contractions): Negation {
  const { words, at } = question;
  const word = words[at]!.text;
  const next = words[at + 1]?.text ?? '';
  if (word === 'what' && EVENT_VERBS.has(next)) return supportWithDo(question, at + 1, contractions);
  // "did not stop until she came" says when, not whether.
  if (words.slice(at).some(isUntil)) return { refused: 'polarity_word' };
  const ofTimes = negateTimes(question);
  if (ofTimes !== undefined) return ofTimes;
  const plural = pluralVerb(question);
  if (plural !== undefined) return negatePlural(question, plural, contractions);
  const auxiliary = findAuxiliary(question);
  if (typeof auxiliary === 'object') return auxiliary;
  if (auxiliary !== undefined) return negateAuxiliary(question, auxiliary, contractions);
  if (/^(?:where|when|whom)$/.test(word)) return { refused: 'no_auxiliary' };
  return supportWithDo(question, undefined, contractions);
}

/** "at some time" and "never", each the other's opposite; undefined for questions without them. */
function negateTimes({ text, words, at }: Question): Negation | undefined {
  const clause = mainClause(words, at + 1);
  const isSome = (index: number): boolean =>
    ['at', 'some', 'time'].every((word, i) => words[index + i]?.text === word);
  const found = clause
    .map((word) => words.indexOf(word))
    .filter((index) => isSome(index) || words[index]!.text === 'never');
  const [index] = found;
  if (index === undefined) return undefined;
  const isNever = words[index]!.text === 'never';
  const end = isNever ? index : index + 2;
  const others = clause.filter((word) => word !== words[index]);
  if (found.length > 1 || others.some((word) => isNegative(word.text))) return { refused: 'double_negation' };
  if (others.some((word) => POLARITY.has(word.text))) return { refused: 'polarity_word' };
  const rule = isNever ? 'never' : 'at-some-time';
  const opposite = isNever ? 'at some time' : 'never';
  const before = words[index - 1]!;
  if (AUXILIARIES.get(before.text)?.kind === 'be')
    return { question: splice(text, words[index]!.start, words[end]!.end, opposite), rule };
  // Without an auxiliary the verb stands beside them: "never move", "move at some time".
  const verb = isNever ? words[index + 1] : before;
  const forms = lookUpVerb(verb?.text ?? '')?.forms;
  const isInflected = forms?.has('base') || forms?.has('third') || forms?.has('past');
  if (!isInflected || clause.some((word) => AUXILIARIES.has(word.text)))
    return { refused: isNever ? 'double_negation' : 'polarity_word' };
  const from = isNever ? words[index]!.start : verb!.start;
  const to = isNever ? verb!.end : words[end]!.end;
  const own = text.slice(verb!.start, verb!.end);
  return { question: splice(text, from, to, isNever ? `${own} ${opposite}` : `${opposite} ${own}`), rule };
}

/** Index of what follows the noun in "which of the following objects move", "which of these objects do not move". */
function pluralVerb({ words, at }: Question): number | undefined {
  const [first, second, third] = words.slice(at + 1).map(({ text }) => text);
  if (first !== 'of') return undefined;
  const noun =
    second === 'the' && third === 'following' ? at + 4 : /^(?:these|those)$/.test(second ?? '') ? at + 3 : 0;
  if (!/[^s]s$/.test(words[noun]?.text ?? '')) return undefined;
  const next = words[noun + 1]?.text ?? '';
  // "which of these balls hit by the boy are red": the verb comes later.
  const isLast = !mainClause(words, noun + 2).some(({ text }) => AUXILIARIES.has(text));
  const isVerb = lookUpVerb(next)?.forms.has('base') === true && !AUXILIARIES.has(next) && isLast;
  return isVerb || next === "don't" || (next === 'do' && words[noun + 2]?.text === 'not')
    ? noun + 1
    : undefined;
}

function negatePlural({ text, words }: Question, index: number, contractions: Contractions): Negation {
  const first = words[index]!;
  // "do not" and "don't" go; the verb is what stands behind them.
  const denials = first.text === 'do' ? 2 : first.text === "don't" ? 1 : 0;
  const verb = words[index + denials];
  if (verb === undefined) return { refused: 'unknown_verb' };
  const clause = mainClause(words, index + denials);
  if (clause.some((word) => isNegative(word.text) || NEGATIVE_ADJECTIVES.has(word.text)))
    return { refused: 'double_negation' };
  if (clause.some((word) => POLARITY.has(word.text))) return { refused: 'polarity_word' };
  if (denials > 0) return { question: splice(text, first.start, verb.start, ''), rule: 'remove-do-not' };
  const not = contractions === 'always' ? "don't " : 'do not ';
  return { question: splice(text, verb.start, verb.start, not), rule: 'do-support-plural' };
}

/** Index of the main clause's auxiliary; undefined when the clause has none. */
function findAuxiliary({ words, at }: Question): number | undefined | { readonly refused: Refusal } {
  const isBare = /^(?:who|whom|where|when)$/.test(words[at]!.text);
  for (let index = at + 1; index < words.length && index <= at + MAX_PHRASE; index++) {
    const { text, afterComma } = words[index]!;
    if (AUXILIARIES.has(text) || POSITIVE.has(text)) return index;
    if (afterComma || CLAUSE_STARTS.has(text)) return undefined;
    if (isBare && !/^(?:else|exactly)$/.test(text)) return undefined;
    // "which direction the man is going": a determiner that no preposition leads to begins another noun phrase.
    const before = words[index - 1]!.text;
    if (
      /^(?:the|a|an|his|her|their|its)$/.test(text) &&
      !PREPOSITIONS.has(before) &&
      !/^(?:and|or)$/.test(before)
    ) {
      return supportsVerb(before) ? undefined : { refused: 'relative_clause' };
    }
  }
  return undefined;
}

function supportsVerb(text: string): boolean {
  const forms = lookUpVerb(text)?.forms;
  return forms !== undefined && (forms.has('past') || forms.has('third'));
}

/** Puts "not" to the auxiliary at `index`. */
function negateAuxiliary({ text, words, at }: Question, index: number, contractions: Contractions): Negation {
  const auxiliary = words[index]!;
  const next = words[index + 1];
  if (next === undefined) return { refused: 'no_auxiliary' };
  const positive = POSITIVE.get(auxiliary.text);
  const clause = mainClause(words, index + 1);
  const isNotNext = next.text === 'not';
  const others = clause.filter((word) => !(isNotNext && word === next));
  const isDenial = ({ text: word }: Word): boolean => isNegative(word) || NEGATIVE_ADJECTIVES.has(word);
  if (others.some(isDenial)) return { refused: 'double_negation' };
  if (
    others.some((word) => POLARITY.has(word.text)) ||
    words.slice(at, index).some((word) => POLARITY.has(word.text))
  )
    return { refused: 'polarity_word' };
  if (words.slice(index).some(isUntil)) return { refused: 'polarity_word' };
  if (positive !== undefined)
    return { question: splice(text, auxiliary.start, auxiliary.end, positive), rule: 'remove-not' };
  if (isNotNext) return { question: splice(text, auxiliary.end, next.end, ''), rule: 'remove-not' };

  if (MODALS_OF_SCOPE.has(auxiliary.text)) return { refused: 'modal_scope' };
  const { kind, negative } = AUXILIARIES.get(auxiliary.text)!;
  const isWho = words[at]!.text === 'who';
  // "who did it", "which box has a lid": the auxiliary may be the verb itself.
  if (kind === 'do' && isWho) return { refused: 'ambiguous_verb' };
  if (kind === 'have' && !clause.some((word) => isParticiple(word.text)))
    return { refused: 'ambiguous_verb' };
  if (isSubjectQuestion(kind, next.text, words[index + 2]?.text ?? '')) {
    if (contractions === 'always' && negative !== undefined)
      return { question: splice(text, auxiliary.start, auxiliary.end, negative), rule: `${kind}-contracted` };
    const full = auxiliary.text === 'can' ? 'not' : ' not';
    return { question: splice(text, auxiliary.end, auxiliary.end, full), rule: `${kind}-not` };
  }
  if (QUANTIFIERS.has(next.text)) return { refused: 'quantified_subject' };
  if (contractions !== 'never' && negative !== undefined)
    return { question: splice(text, auxiliary.start, auxiliary.end, negative), rule: `${kind}-contracted` };
  const place = subjectEnd(kind, clause);
  if (place === undefined) return { refused: 'subject_end_unknown' };
  return { question: splice(text, place, place, ' not'), rule: `${kind}-not-after-subject` };
}

/** True when the question word is the subject, so that the verb follows the auxiliary at once. */
function isSubjectQuestion(kind: string, next: string, after: string): boolean {
  switch (kind) {
    case 'be':
      if (/^(?:first|last)$/.test(next)) return isParticiple(after);
      return isIng(next) || isParticiple(next) || PREDICATES.has(next) || PREPOSITIONS.has(next);
    case 'have':
      return isParticiple(next);
    case 'modal':
      return lookUpVerb(next)?.forms.has('base') === true;
    default:
      return false;
  }
}

/** Offset behind the subject, where it can be told without parsing it: a pronoun, or before the one verb that can follow. */
function subjectEnd(kind: string, clause: readonly Word[]): number | undefined {
  const [first] = clause;
  if (first !== undefined && PRONOUNS.has(first.text)) return first.end;
  const candidates = clause.filter(({ text }) => (kind === 'be' ? isIng(text) : text === 'do'));
  const verb = candidates[0];
  if (verb === undefined || candidates.length > 1 || kind === 'have') return undefined;
  return clause[clause.indexOf(verb) - 1]?.end;
}

/** "who opened it" -> "who did not open it". `known` is the verb's index where it is certain. */
function supportWithDo(
  { text, words, at }: Question,
  known: number | undefined,
  contractions: Contractions,
): Negation {
  const clause = mainClause(words, at + 1);
  const isWho = words[at]!.text === 'who';
  const candidates = clause
    .map((word) => words.indexOf(word))
    .filter((index) => supportsVerb(words[index]!.text) && (!isWho || index <= at + 2));
  if (known === undefined && candidates.length === 0) return { refused: 'unknown_verb' };
  if (known === undefined && candidates.length > 1 && !isWho) return { refused: 'ambiguous_verb' };
  const index = known ?? candidates[0]!;
  const before = words[index - 1]!;
  const isAdverb = (word: string): boolean => /ly$/.test(word) || /^(?:best|first|most|then)$/.test(word);
  if (isWho && index === at + 2 && !isAdverb(before.text)) return { refused: 'unknown_verb' };
  if (clause.some((word) => isNegative(word.text) || NEGATIVE_ADJECTIVES.has(word.text)))
    return { refused: 'double_negation' };
  if (clause.some((word) => POLARITY.has(word.text))) return { refused: 'polarity_word' };
  const verb = words[index]!;
  const { base, forms } = lookUpVerb(verb.text)!;
  const auxiliary = forms.has('third') ? 'does' : 'did';
  const full = contractions === 'always' ? `${auxiliary}n't` : `${auxiliary} not`;
  // "most directly shows" -> "does not most directly show".
  let first = index;
  while (first - 1 > at && isAdverb(words[first - 1]!.text)) first--;
  const insertAt = words[first]!.start;
  const question = `${text.slice(0, insertAt)}${full} ${text.slice(insertAt, verb.start)}${base}${text.slice(verb.end)}`;
  return { question, rule: 'do-support' };
}

/** Words from `from` up to where a subordinate clause, a comma or the end comes. */
function mainClause(words: readonly Word[], from: number): Word[] {
  const end = words.findIndex(
    (word, index) => index >= from && (word.afterComma || CLAUSE_STARTS.has(word.text)),
  );
  return words.slice(from, end < 0 ? words.length : end);
}

/** True for a word in a clause of time ("when the dog did not come"), which leaves the main clause alone. */
function isInTimeClause(words: readonly Word[], index: number): boolean {
  for (let at = index; at >= 0; at--) {
    if (CLAUSE_STARTS.has(words[at]!.text))
      return /^(?:when|whenever|while|after|before|as|because|since)$/.test(words[at]!.text);
  }
  return false;
}

function isUntil({ text }: Word): boolean {
  return text === 'until' || text === 'till';
}

function isNegative(text: string): boolean {
  return NEGATIVES.has(text) || POSITIVE.has(text) || text.endsWith("n't");
}

function isIng(text: string): boolean {
  return /.ing$/.test(text) && !ING_NOUNS.has(text);
}

function isParticiple(text: string): boolean {
  return (
    lookUpVerb(text)?.forms.has('participle') === true ||
    (/..ed$/.test(text) && !/^(?:bed|shed|sled|need|seed|weed|speed|feed)$/.test(text))
  );
}

function splice(text: string, start: number, end: number, insert: string): string {
  return text.slice(0, start) + insert + text.slice(end);
}
