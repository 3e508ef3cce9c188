/**
 * The byte-level BPE tokenizer of a model folder: text to ids and back, exactly as the Rust `tokenizers` library does.
 * Encoding is `@huggingface/tokenizers`; decoding is ours, because streaming needs the bytes of every token: one
 * character may be spread over several tokens, and only whole characters may be shown.
 */
import { join } from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { CheckpointError, checkJson, readJsonFile } from '../base/index.ts';

/**
 * Patterns that text may be split by before it is merged, as the published tokenizers have them. Another one is refused, since it runs
 * on every text that is read: a pattern of a stranger may need years for a line.
 */
const PATTERNS: readonly unknown[] = [
  // Qwen2 to Qwen3
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  // Qwen3.5
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
];

/** Most ids of any vocabulary: an array of tokens is as long as the largest id. */
const MAX_ID = 2 ** 22;

const tokenizerSchema = z.looseObject({
  added_tokens: z
    .array(
      z.looseObject({
        id: z.number().int().nonnegative().max(MAX_ID),
        content: z.string().min(1).max(1000),
        special: z.boolean(),
      }),
    )
    .max(100_000),
  model: z.looseObject({
    type: z.literal('BPE', 'only byte-level BPE tokenizers are supported'),
    // not `z.record`: checking 150,000 entries one by one takes half the loading time
    vocab: z.custom<Record<string, number>>(isVocabulary, 'expected {token: id}'),
  }),
  decoder: z.looseObject({ type: z.literal('ByteLevel', 'only byte-level BPE tokenizers are supported') }),
});

const namedToken = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const tokenizerConfigSchema = z.looseObject({
  bos_token: namedToken,
  eos_token: namedToken,
  pad_token: namedToken,
  unk_token: namedToken,
});

export interface DecodeOptions {
  /** Leave out the special tokens. Default false, as in Python. */
  readonly skip_special_tokens?: boolean;
}

/** Text of a growing sequence of ids, in whole characters. */
export interface DecodeStream {
  /** Take one id; returns the text that is now complete (often empty in the middle of a character). */
  push(id: number): string;
  /** Returns what is left: a cut character becomes U+FFFD. The stream may be used again. */
  end(): string;
}

/** Stands inside a special token that is to be read as words. A noncharacter of Unicode: no text that is exchanged holds it. */
const MARK = '\ufdd0';

const marked = (token: string): string => `${token.slice(0, 1)}${MARK}${token.slice(1)}`;

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

export class Tokenizer {
  /** The file it came from, for messages. */
  readonly file: string;
  /** Ids of the special tokens. */
  readonly specialIds: ReadonlySet<number>;
  /** Added tokens by content, special or not. */
  readonly addedTokens: ReadonlyMap<string, number>;
  /** One above the largest id (a model's `vocab_size` may be larger still). */
  readonly size: number;
  /** Tokens that tokenizer_config.json names: `bos_token`, `eos_token`, `pad_token`, `unk_token`; absent ones undefined. */
  readonly namedTokens: Readonly<
    Record<'bos_token' | 'eos_token' | 'pad_token' | 'unk_token', string | undefined>
  >;
  readonly #encoder: HuggingFaceTokenizer;
  /** Makes an encoder that knows no special token, on the first need of it. */
  readonly #makeWordEncoder: () => HuggingFaceTokenizer;
  #wordEncoder: HuggingFaceTokenizer | undefined;
  /** Special tokens, and the same as `quoted` marks them. */
  readonly #special: RegExp;
  readonly #quotedSpecial: RegExp;
  /** Token by id; holes where a vocabulary skips an id. */
  readonly #tokens: readonly (string | undefined)[];

  /**
   * @param tokenizer content of tokenizer.json
   * @param config content of tokenizer_config.json; may be `{}`
   * @throws CheckpointError naming file and key where it is not a byte-level BPE tokenizer
   */
  constructor(tokenizer: unknown, config: unknown, file = 'tokenizer.json') {
    const { added_tokens, model } = checkJson(tokenizerSchema, tokenizer, file, []);
    const named = checkJson(tokenizerConfigSchema, config, file.replace(/\.json$/, '_config.json'), []);
    const content = (token: z.output<typeof namedToken>) =>
      typeof token === 'object' ? token?.content : token;
    this.file = file;
    this.namedTokens = {
      bos_token: content(named.bos_token) ?? undefined,
      eos_token: content(named.eos_token) ?? undefined,
      pad_token: content(named.pad_token) ?? undefined,
      unk_token: content(named.unk_token) ?? undefined,
    };
    checkPatterns(tokenizer as Readonly<Record<string, unknown>>, file);
    try {
      this.#encoder = new HuggingFaceTokenizer(tokenizer as object, config as object);
    } catch (cause) {
      throw new CheckpointError(`${file}: not a tokenizer we can use (${shortened(cause)})`, {
        cause,
      });
    }
    const tokens: (string | undefined)[] = [];
    for (const token in model.vocab) tokens[model.vocab[token] as number] = token;
    for (const { id, content: token } of added_tokens) tokens[id] = token;
    this.#tokens = tokens;
    this.specialIds = new Set(added_tokens.filter(({ special }) => special).map(({ id }) => id));
    this.addedTokens = new Map(added_tokens.map(({ id, content: token }) => [token, id]));
    this.size = tokens.length;
    this.#makeWordEncoder = () => {
      const plain = added_tokens.filter(({ special }) => !special);
      return new HuggingFaceTokenizer({ ...(tokenizer as object), added_tokens: plain }, config as object);
    };
    const contents = added_tokens.filter(({ special }) => special).map((token) => token.content);
    // The longest first, as the library matches them; a pattern that never fits where there are none.
    const sorted = contents.sort((a, b) => b.length - a.length);
    const oneOf = (texts: readonly string[]): string => `(${texts.map(escaped).join('|') || '(?!)'})`;
    this.#special = new RegExp(oneOf(sorted));
    this.#quotedSpecial = new RegExp(oneOf(sorted.map(marked)), 'g');
  }

  /** Read tokenizer.json and, where there is one, tokenizer_config.json. @throws CheckpointError naming the file */
  static fromPretrained(dir: string): Tokenizer {
    const file = join(dir, 'tokenizer.json');
    const tokenizer = readJsonFile(file);
    const config = readJsonFile(join(dir, 'tokenizer_config.json'), { optional: true }) ?? {};
    return new Tokenizer(tokenizer, config, file);
  }

  /**
   * Ids of a text. Special and added tokens written in the text become their ids, except special ones that `quoted` marked; nothing is
   * put before or after.
   * @throws CheckpointError where parts of tokenizer.json do not fit each other
   */
  encode(text: string): number[] {
    if (text === '') return [];
    if (!text.includes(MARK)) return this.#ids(this.#encoder, text);
    this.#wordEncoder ??= this.#makeWordEncoder();
    const words = this.#wordEncoder;
    return text.split(this.#special).flatMap((piece, index) => {
      if (index % 2 === 1) return [this.tokenId(piece)];
      return piece === '' ? [] : this.#ids(words, this.unquoted(piece));
    });
  }

  #ids(encoder: HuggingFaceTokenizer, text: string): number[] {
    try {
      return encoder.encode(text, { add_special_tokens: false }).ids;
    } catch (cause) {
      throw new CheckpointError(`${this.file}: no text can be encoded with it (${shortened(cause)})`, {
        cause,
        hint: 'Use the tokenizer.json of the published model.',
      });
    }
  }

  /** The text with every special token in it marked as plain words, as with transformers' `split_special_tokens`. */
  quoted(text: string): string {
    return text.replace(new RegExp(this.#special, 'g'), marked);
  }

  /** The text without the marks of `quoted`. */
  unquoted(text: string): string {
    return text.replace(this.#quotedSpecial, (token) => token.replace(MARK, ''));
  }

  /** Text of ids. Bytes that are no valid UTF-8 become U+FFFD. @throws CheckpointError for an id without a token */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const stream = this.decodeStream(options);
    let text = '';
    for (const id of ids) text += stream.push(id);
    return text + stream.end();
  }

  /** Decode id by id, in whole characters: the pieces joined equal `decode` of all ids. */
  decodeStream({ skip_special_tokens = false }: DecodeOptions = {}): DecodeStream {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      push: (id) => {
        const bytes = this.tokenBytes(id);
        if (skip_special_tokens && this.specialIds.has(id)) return '';
        return decoder.decode(bytes, { stream: true });
      },
      end: () => decoder.decode(),
    };
  }

  /** The bytes one token stands for. @throws CheckpointError for an id without a token (padding rows of the embedding) */
  tokenBytes(id: number): Uint8Array {
    const token = this.#tokens[id];
    if (token === undefined) {
      throw new CheckpointError(`${this.file}: no token has the id ${id}; the largest is ${this.size - 1}`, {
        hint: "The model's vocabulary is padded: ids beyond the tokenizer's must not be sampled.",
      });
    }
    return tokenToBytes(token);
  }

  /** Id of a special or added token by its content, such as `<|im_end|>`. @throws CheckpointError where there is none */
  tokenId(content: string): number {
    const id = this.addedTokens.get(content);
    if (id === undefined) {
      throw new CheckpointError(`${this.file}: added_tokens has no ${JSON.stringify(content)}`, {
        hint: 'Use the tokenizer.json of the same model folder.',
      });
    }
    return id;
  }
}

/** @throws CheckpointError for a regular expression that no published tokenizer has */
function checkPatterns(tokenizer: Readonly<Record<string, unknown>>, file: string): void {
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'Regex' && !PATTERNS.includes(inner)) {
        throw new CheckpointError(
          `${file}: ${path}.Regex: ${JSON.stringify(inner)?.slice(0, 200)} is none of the patterns that are known here`,
          { hint: 'Use the tokenizer.json of the published model.' },
        );
      }
      visit(inner, `${path}.${key}`);
    }
  };
  for (const key of ['normalizer', 'pre_tokenizer']) visit(tokenizer[key], key);
}

const shortened = (cause: unknown): string => (cause as Error).message.slice(0, 200);

const BYTE_OF = new Map(byteAlphabet().map((char, byte) => [char, byte]));

/** `{token: id}` with whole ids that leave no great holes (an array of tokens is as long as the largest id). */
function isVocabulary(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const ids = Object.values(value);
  const limit = 2 * ids.length + 10_000;
  return ids.every((id) => Number.isInteger(id) && id >= 0 && id < limit);
}

/** Byte-level tokens spell bytes as printable characters; a token with any other character stands for itself. */
function tokenToBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTE_OF.get(token[i] as string);
    if (byte === undefined) return new TextEncoder().encode(token);
    bytes[i] = byte;
  }
  return bytes;
}

/** GPT-2's printable character for every byte, index = byte: what byte-level BPE vocabularies are spelt in. */
export function byteAlphabet(): string[] {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}
