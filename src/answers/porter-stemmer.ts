/**
 * The Porter stemmer with NLTK's extensions, which ROUGE runs over its words.
 * Source: nltk `nltk/stem/porter.py`, mode NLTK_EXTENSIONS (M. F. Porter, "An algorithm for suffix stripping", 1980).
 */

/** Words whose stem the rules would miss. */
const IRREGULAR = new Map(
  Object.entries({
    sky: ['sky', 'skies'],
    die: ['dying'],
    lie: ['lying'],
    tie: ['tying'],
    news: ['news'],
    inning: ['innings', 'inning'],
    outing: ['outings', 'outing'],
    canning: ['cannings', 'canning'],
    howe: ['howe'],
    proceed: ['proceed'],
    exceed: ['exceed'],
    succeed: ['succeed'],
  }).flatMap(([stem, words]) => words.map((word) => [word, stem] as const)),
);

/** Suffix, what stands in its place, and a condition on the stem before it. */
type Rule = readonly [suffix: string, replacement: string, condition?: (stem: string) => boolean];

/** The stem of a word in small letters. */
export function porterStem(given: string): string {
  const irregular = IRREGULAR.get(given);
  if (irregular !== undefined) return irregular;
  // NLTK: short words stay as they are.
  if (given.length <= 2) return given;
  return [step1a, step1b, step1c, step2, step3, step4, step5a, step5b].reduce(
    (word, step) => step(word),
    given,
  );
}

function isConsonant(word: string, at: number): boolean {
  const char = word[at]!;
  if ('aeiou'.includes(char)) return false;
  return char !== 'y' || at === 0 || !isConsonant(word, at - 1);
}

/** Number of times a consonant follows a vowel. */
function measure(stem: string): number {
  let count = 0;
  for (let at = 1; at < stem.length; at++) if (isConsonant(stem, at) && !isConsonant(stem, at - 1)) count++;
  return count;
}

const hasPositiveMeasure = (stem: string): boolean => measure(stem) > 0;
const isLong = (stem: string): boolean => measure(stem) > 1;

const hasVowel = (stem: string): boolean => [...stem].some((_, at) => !isConsonant(stem, at));

const endsDouble = (word: string): boolean =>
  word.length >= 2 && word.at(-1) === word.at(-2) && isConsonant(word, word.length - 1);

/** Consonant, vowel, consonant other than w, x, y at the end; or a word of vowel and consonant. */
function endsCvc(word: string): boolean {
  const last = word.length - 1;
  if (last >= 2)
    return (
      isConsonant(word, last - 2) &&
      !isConsonant(word, last - 1) &&
      isConsonant(word, last) &&
      !'wxy'.includes(word[last]!)
    );
  return last === 1 && !isConsonant(word, 0) && isConsonant(word, 1);
}

/** Applies the first rule whose suffix fits; where its condition does not hold, the word stays as it is. */
function apply(word: string, rules: readonly Rule[]): string {
  for (const [suffix, replacement, condition] of rules) {
    if (suffix === '*d') {
      if (!endsDouble(word)) continue;
      const stem = word.slice(0, -2);
      return condition?.(stem) === false ? word : stem + replacement;
    }
    if (!word.endsWith(suffix)) continue;
    const stem = suffix === '' ? word : word.slice(0, -suffix.length);
    return condition?.(stem) === false ? word : stem + replacement;
  }
  return word;
}

function step1a(word: string): string {
  if (word.endsWith('ies') && word.length === 4) return `${word.slice(0, -3)}ie`;
  return apply(word, [
    ['sses', 'ss'],
    ['ies', 'i'],
    ['ss', 'ss'],
    ['s', ''],
  ]);
}

function step1b(word: string): string {
  if (word.endsWith('ied')) return word.slice(0, -3) + (word.length === 4 ? 'ie' : 'i');
  if (word.endsWith('eed')) return hasPositiveMeasure(word.slice(0, -3)) ? word.slice(0, -1) : word;
  const suffix = ['ed', 'ing'].find(
    (ending) => word.endsWith(ending) && hasVowel(word.slice(0, -ending.length)),
  );
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  const last = stem.at(-1)!;
  return apply(stem, [
    ['at', 'ate'],
    ['bl', 'ble'],
    ['iz', 'ize'],
    ['*d', last, () => !'lsz'.includes(last)],
    ['', 'e', (whole) => measure(whole) === 1 && endsCvc(whole)],
  ]);
}

const step1c = (word: string): string =>
  apply(word, [['y', 'i', (stem) => stem.length > 1 && isConsonant(stem, stem.length - 1)]]);

function step2(word: string): string {
  if (word.endsWith('alli') && hasPositiveMeasure(word.slice(0, -4))) return step2(`${word.slice(0, -4)}al`);
  const positive = (suffix: string, replacement: string): Rule => [suffix, replacement, hasPositiveMeasure];
  return apply(word, [
    positive('ational', 'ate'),
    positive('tional', 'tion'),
    positive('enci', 'ence'),
    positive('anci', 'ance'),
    positive('izer', 'ize'),
    positive('bli', 'ble'),
    positive('alli', 'al'),
    positive('entli', 'ent'),
    positive('eli', 'e'),
    positive('ousli', 'ous'),
    positive('ization', 'ize'),
    positive('ation', 'ate'),
    positive('ator', 'ate'),
    positive('alism', 'al'),
    positive('iveness', 'ive'),
    positive('fulness', 'ful'),
    positive('ousness', 'ous'),
    positive('aliti', 'al'),
    positive('iviti', 'ive'),
    positive('biliti', 'ble'),
    positive('fulli', 'ful'),
    // NLTK: the l of "logi" counts as part of the stem.
    ['logi', 'log', () => hasPositiveMeasure(word.slice(0, -3))],
  ]);
}

const step3 = (word: string): string =>
  apply(word, [
    ['icate', 'ic', hasPositiveMeasure],
    ['ative', '', hasPositiveMeasure],
    ['alize', 'al', hasPositiveMeasure],
    ['iciti', 'ic', hasPositiveMeasure],
    ['ical', 'ic', hasPositiveMeasure],
    ['ful', '', hasPositiveMeasure],
    ['ness', '', hasPositiveMeasure],
  ]);

const STEP_4 = 'al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize'.split(' ');

const step4 = (word: string): string =>
  apply(
    word,
    STEP_4.map((suffix) => [
      suffix,
      '',
      (stem) => isLong(stem) && (suffix !== 'ion' || stem.endsWith('s') || stem.endsWith('t')),
    ]),
  );

function step5a(word: string): string {
  if (!word.endsWith('e')) return word;
  const stem = word.slice(0, -1);
  return isLong(stem) || (measure(stem) === 1 && !endsCvc(stem)) ? stem : word;
}

const step5b = (word: string): string => apply(word, [['ll', 'l', () => isLong(word.slice(0, -1))]]);
