/**
 * Whether an item's options survive inversion. The inverted answer says that every option but the right ones is wrong: true of
 * the annotation, but not where an option speaks of the others ("none of the above") or nearly repeats a right one.
 */
import { stem } from './verbs.ts';

export const OPTION_REFUSALS = [
  'no_wrong_option',
  'meta_option',
  'overlapping_options',
  'negative_option',
] as const;
export type OptionRefusal = (typeof OPTION_REFUSALS)[number];

const META =
  /^(?:(?:none|all|both|neither|either|any|some)(?: of)? (?:the )?(?:above|these|them|those|options?|others?)|(?:both|neither|either) \(?[a-j]\)?(?:,| and| or| nor) .*|\(?[a-j]\)?(?:,| and| or) (?:both )?\(?[a-j]\)?|yes|no|none|nothing|not sure|unsure|unknown|can ?not (?:be )?(?:tell|told|determined|say|said)|cannot be determined|not enough information|others?)$/;

const NEGATIVE =
  /^(?:(?:he|she|it|they) )?(?:(?:did|does|do|is|are|was|were|has|have|can|could|will) ?(?:not|n['’]?t)|not|no|never|without|nothing|nobody)\b/;

/**
 * Whether an option denies something itself ("no reaction", "did not respond"): under a question of the form "what didn't he do"
 * it is a double negation that nobody reads alike.
 */
export function hasNegativeOption(options: readonly string[]): boolean {
  return options.some((option) => NEGATIVE.test(plain(option)));
}

/** Words that add nothing to what an option says. */
const EMPTY = new Set(
  'a an the to of and is are was were be been being am do does did has have had it its he him his she her hers they them their s then there with by in on at up'.split(
    ' ',
  ),
);

/**
 * @param options texts without letters
 * @param right indices of the right ones
 */
export function checkOptions(
  options: readonly string[],
  right: ReadonlySet<number>,
): OptionRefusal | undefined {
  if (right.size === 0 || right.size >= options.length) return 'no_wrong_option';
  if (options.some((option) => META.test(plain(option)))) return 'meta_option';
  const said = options.map(contentOf);
  for (const [index, words] of said.entries()) {
    if (right.has(index)) continue;
    for (const rightIndex of right) if (overlaps(words, said[rightIndex]!)) return 'overlapping_options';
  }
  return undefined;
}

/** True when the one says all that the other says: "fell" and "fall", "climb" and "climb the wall". */
function overlaps(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size === 0 || b.size === 0) return a.size === b.size;
  const [small, large] = a.size <= b.size ? [a, b] : [b, a];
  return [...small].every((word) => large.has(word));
}

function plain(text: string): string {
  return text
    .toLowerCase()
    .replace(/[.!?;"]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function contentOf(option: string): ReadonlySet<string> {
  const words = plain(option).match(/[\p{L}\p{N}]+/gu) ?? [];
  const content = words.filter((word) => !EMPTY.has(word)).map(stem);
  return new Set(content.length > 0 ? content : words);
}
