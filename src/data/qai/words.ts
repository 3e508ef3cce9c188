/** The closed classes of English words that decide how a question is negated. All in small letters. */

const set = (words: string): ReadonlySet<string> => new Set(words.trim().split(/\s+/));

export type AuxiliaryClass = 'do' | 'be' | 'have' | 'modal';

/** Finite auxiliaries: their class, and their contraction with "not" where there is one. */
export const AUXILIARIES: ReadonlyMap<string, { readonly kind: AuxiliaryClass; readonly negative?: string }> =
  new Map(
    Object.entries({
      do: { kind: 'do', negative: "don't" },
      does: { kind: 'do', negative: "doesn't" },
      did: { kind: 'do', negative: "didn't" },
      am: { kind: 'be' },
      is: { kind: 'be', negative: "isn't" },
      are: { kind: 'be', negative: "aren't" },
      was: { kind: 'be', negative: "wasn't" },
      were: { kind: 'be', negative: "weren't" },
      has: { kind: 'have', negative: "hasn't" },
      have: { kind: 'have', negative: "haven't" },
      had: { kind: 'have', negative: "hadn't" },
      can: { kind: 'modal', negative: "can't" },
      could: { kind: 'modal', negative: "couldn't" },
      will: { kind: 'modal', negative: "won't" },
      would: { kind: 'modal', negative: "wouldn't" },
      shall: { kind: 'modal', negative: "shan't" },
      should: { kind: 'modal', negative: "shouldn't" },
      must: { kind: 'modal', negative: "mustn't" },
      may: { kind: 'modal' },
      might: { kind: 'modal' },
    } as const),
  );

/** "doesn't" -> "does"; also "cannot" -> "can". */
export const POSITIVE: ReadonlyMap<string, string> = new Map([
  ...[...AUXILIARIES].flatMap(([word, { negative }]) =>
    negative === undefined ? [] : [[negative, word] as const],
  ),
  ['cannot', 'can'],
]);

export const QUESTION_WORDS = set('what which who whom whose where when why how');

/** Words that may stand before a question word: "in which direction". */
export const PREPOSITIONS = set(
  'about above across after against along among around at before behind below beneath beside between by down during for from in inside into near of off on onto opposite out outside over past since through throughout to toward towards under up upon with within without',
);

/** First words of a clause or phrase that stands before the question, up to a comma. */
export const FRONTING = set(
  'if when while whenever after before as once since during in at on from for by with without given based according considering assuming suppose supposing throughout towards near until to because although though',
);

/** Words that begin a subordinate or relative clause and so end the main clause. */
export const CLAUSE_STARTS = set(
  'when whenever while after before as if because since although though until till unless once that who whom which whose where whether so than why how what',
);

/** Negative words that are no part of an auxiliary. */
export const NEGATIVES = set('not never no nobody nothing none neither nor nowhere hardly');

/** Adjectives that are negative themselves: "is not incorrect" would be a riddle. */
export const NEGATIVE_ADJECTIVES = set(
  'absent false impossible inaccurate inappropriate incorrect invalid least unlikely unrelated untrue wrong except',
);

/** Modals that "not" turns into something else than the opposite: "must not" forbids, "might not" leaves it open. */
export const MODALS_OF_SCOPE = set('may might must shall');

/** Words whose meaning turns under negation, so that "not" would not only invert the answer. */
export const POLARITY = set('still already yet anymore also too else either rather');

/** Subjects that make the scope of "not" unclear: "what didn't both of them do". */
export const QUANTIFIERS = set(
  'a an all another any anybody anyone both each either every everybody everyone few half many most much neither nobody none one several some somebody someone something two three four five six',
);

export const PRONOUNS = set('he she it they we you i there');

/** Adjectives and the like that follow "is" when the question word is the subject: "which of these is true". */
export const PREDICATES = set(
  'true correct right possible likely visible present able closest nearest farthest best worst most more less being next responsible',
);

/** "how many", "how long": a measure is asked for, not a manner. */
export const MEASURES = set(
  'many much long far old often tall big large small fast quickly slowly high deep heavy wide close soon hot cold strong hard well early late frequently loud',
);

/** After "what" these are always the verb of the question. */
export const EVENT_VERBS = set(
  'happened happens occurred occurs caused causes made makes led leads prompted prompts triggered triggers motivated motivates enabled allowed allows helped helps',
);

/** Words in -ing that are no verb forms. */
export const ING_NOUNS = set(
  'anything building ceiling clothing during earring evening everything king morning nothing painting ring sibling sling something spring sting string thing viking wing',
);
