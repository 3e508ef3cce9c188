/**
 * A small byte-level BPE tokenizer in Qwen2's form, trained here on a few sentences: the pre-tokenizer, normalizer and
 * special tokens of the published folders with a vocabulary of hundreds instead of 151,643. For models made from nothing
 * (tests, benchmarks, the demo); never for published ones.
 *
 * Source of the form: transformers `models/qwen2/tokenization_qwen2.py`.
 */
import { byteAlphabet } from '../../io/index.ts';

/** Qwen2's pre-tokenizer pattern, as tokenizer.json carries it. */
const PATTERN = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
/** The same for JavaScript, which knows no inline flags: the contractions spelt out in both cases. */
const PATTERN_JS =
  /'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

/** Special tokens in the order of the published tokenizer; ids follow the ordinary vocabulary. */
export const SPECIAL_TOKENS = [
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  '<|object_ref_start|>',
  '<|object_ref_end|>',
  '<|box_start|>',
  '<|box_end|>',
  '<|quad_start|>',
  '<|quad_end|>',
  '<|vision_start|>',
  '<|vision_end|>',
  '<|vision_pad|>',
  '<|image_pad|>',
  '<|video_pad|>',
] as const;

const DEFAULT_SYSTEM = `{% if loop.first and message['role'] != 'system' %}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif %}`;

/** The chat template of the published Qwen2-VL and Qwen2.5-VL instruct folders. */
const CHAT_TEMPLATE = `{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}${DEFAULT_SYSTEM}<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}<|im_end|>
{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

/** The same without a system turn of its own: fewer tokens before the video, which a small model learns from sooner. */
const SHORT_CHAT_TEMPLATE = CHAT_TEMPLATE.replace(DEFAULT_SYSTEM, '');

/** By the name that `createTinyCheckpoint` has for them. */
export const CHAT_TEMPLATES = {
  default: CHAT_TEMPLATE,
  short: SHORT_CHAT_TEMPLATE,
  thinking: SHORT_CHAT_TEMPLATE.replace(
    '<|im_start|>assistant\n{% endif %}',
    '<|im_start|>assistant\n<think>\n{% endif %}',
  ),
} as const;

/** Sentences of the kind the built-in tasks ask: enough for words like " answer" or " collide" to be one token. */
const DEFAULT_CORPUS = [
  'system\nYou are a helpful assistant.\nuser\nassistant\n',
  '<think> The red cube moves to the right and hits the blue sphere. </think><answer>A,C</answer>',
  '<think> First the green cylinder enters from the left, then it stops. </think><answer>B</answer>',
  'Which of the following will happen if the red cube is removed?\nA. The blue sphere and the green cube collide.\nB. ',
  'What will happen without the yellow sphere?\nC. The purple object leaves the scene.\nD. Nothing happens.\n',
  'Select all that apply. Answer with the letters in <answer> </answer> tags, separated by commas.',
  'How many objects move? What color is the object that moves? What is the shape of the first object to enter?',
  'red green blue yellow purple cyan gray brown cube sphere cylinder circle square triangle left right up down',
] as const;

export interface TinyTokenizer {
  /** Contents of tokenizer.json and tokenizer_config.json. */
  readonly tokenizer: Record<string, unknown>;
  readonly tokenizer_config: Record<string, unknown>;
  /** Ids by content of the special tokens. */
  readonly special: Readonly<Record<(typeof SPECIAL_TOKENS)[number], number>>;
  /** Ids used: ordinary and special ones. */
  readonly size: number;
}

/**
 * Train a tokenizer of at most `vocab_size` ids (256 bytes and 14 special tokens at least) on `corpus`.
 * Deterministic: the most frequent pair first, ties by the pair's text. Fewer ids where the corpus gives no more merges.
 */
export function trainTinyTokenizer({
  vocab_size = 512,
  corpus = DEFAULT_CORPUS,
}: {
  vocab_size?: number;
  corpus?: readonly string[];
} = {}): TinyTokenizer {
  const alphabet = byteAlphabet();
  const merges = trainMerges(
    corpus,
    alphabet,
    Math.max(0, vocab_size - alphabet.length - SPECIAL_TOKENS.length),
  );
  const vocab: Record<string, number> = {};
  for (const token of [...[...alphabet].sort(), ...merges.map(([a, b]) => a + b)]) {
    vocab[token] ??= Object.keys(vocab).length;
  }
  const first = Object.keys(vocab).length;
  const special = Object.fromEntries(
    SPECIAL_TOKENS.map((token, i) => [token, first + i]),
  ) as TinyTokenizer['special'];
  const added_tokens = SPECIAL_TOKENS.map((content) => ({
    id: special[content],
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens,
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: PATTERN }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges,
    },
  };
  const tokenizer_config = {
    add_prefix_space: false,
    bos_token: null,
    clean_up_tokenization_spaces: false,
    eos_token: '<|im_end|>',
    errors: 'replace',
    model_max_length: 131072,
    pad_token: '<|endoftext|>',
    split_special_tokens: false,
    tokenizer_class: 'Qwen2Tokenizer',
    unk_token: null,
  };
  return { tokenizer, tokenizer_config, special, size: first + SPECIAL_TOKENS.length };
}

function trainMerges(
  corpus: readonly string[],
  alphabet: readonly string[],
  count: number,
): [string, string][] {
  const words = new Map<string, { pieces: string[]; count: number }>();
  for (const text of corpus) {
    for (const [word] of text.normalize('NFC').matchAll(PATTERN_JS)) {
      const known = words.get(word);
      if (known) known.count++;
      else
        words.set(word, {
          pieces: [...Buffer.from(word, 'utf8')].map((byte) => alphabet[byte] as string),
          count: 1,
        });
    }
  }
  const merges: [string, string][] = [];
  while (merges.length < count) {
    const pairs = new Map<string, number>();
    for (const { pieces, count: times } of words.values()) {
      for (let i = 0; i + 1 < pieces.length; i++) {
        const pair = `${pieces[i]} ${pieces[i + 1]}`;
        pairs.set(pair, (pairs.get(pair) ?? 0) + times);
      }
    }
    let best: [string, number] | undefined;
    for (const [pair, times] of pairs) {
      if (best === undefined || times > best[1] || (times === best[1] && pair < best[0]))
        best = [pair, times];
    }
    if (best === undefined) break;
    const [left, right] = best[0].split(' ') as [string, string];
    merges.push([left, right]);
    for (const word of words.values()) word.pieces = mergePair(word.pieces, left, right);
  }
  return merges;
}

function mergePair(pieces: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i] as string;
    if (piece === left && pieces[i + 1] === right) {
      merged.push(left + right);
      i++;
    } else merged.push(piece);
  }
  return merged;
}
