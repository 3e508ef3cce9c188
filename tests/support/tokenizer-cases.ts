/** Texts with the ids that Python's `tokenizers` gives them (goldens/tokenizer). */
import type { Tokenizer } from '../../src/io/index.ts';

export interface TokenizerCase {
  readonly text: string;
  readonly ids: readonly number[];
}

/** Texts that get other ids. */
export const encodedWrongly = (tokenizer: Tokenizer, cases: readonly TokenizerCase[]): string[] =>
  cases.filter(({ text, ids }) => tokenizer.encode(text).join() !== ids.join()).map(({ text }) => text);

/** Texts that do not come back, normalized, from their ids. */
export const decodedWrongly = (tokenizer: Tokenizer, cases: readonly TokenizerCase[]): string[] =>
  cases
    .filter(({ text, ids }) => tokenizer.decode([...ids]) !== text.normalize('NFC'))
    .map(({ text }) => text);
