/**
 * Names that mean something else than they say: other projects' names of configuration keys, and former names of our own
 * keys and values. All are understood, each with a notice; a former name of ours for one version.
 *
 * To rename a key, add it to `KEY_ALIASES`; to rename a value, add it to `FORMER_VALUES` under its key.
 */
import { ConfigError } from './errors.ts';

/** Another name of a configuration key -> the keys it sets, of which a kind of run may have some only. */
export const KEY_ALIASES: Readonly<Record<string, readonly string[]>> = {
  // The authors' names.
  alpha: ['token_weight_max'],
  freeze_vision_modules: ['freeze_vision', 'freeze_merger'],
  generate_temperature: ['temperature'],
  train_samples: ['max_samples'],
  torch_dtype: ['dtype'],
  // TRL's names, and ours before the present ones.
  per_device_train_batch_size: ['prompts_per_micro_batch', 'packs_per_micro_batch'],
  report_to: ['tensorboard'],
};

/** What a key counts, where its other name leads to expect something else. */
export const KEY_NOTES: Readonly<Record<string, string>> = {
  prompts_per_micro_batch:
    'it counts prompts, each with num_generations completions; TRL counts completions, so divide by num_generations',
  packs_per_micro_batch: 'it counts packs, each of up to pack_size questions about one video',
};

/** The keys that a name sets among those a run has; undefined when it is no other name of any. */
export function keysOfAlias(alias: string, isKey: (name: string) => boolean): readonly string[] | undefined {
  const names = Object.hasOwn(KEY_ALIASES, alias) ? KEY_ALIASES[alias]!.filter(isKey) : [];
  return names.length === 0 ? undefined : names;
}

/**
 * The value of a key given under another name, in terms of the present key.
 * @throws ConfigError for a value without a meaning here
 */
export function valueOfAlias(alias: string, value: unknown, source: string): unknown {
  const isList = alias === 'report_to' && value !== null && typeof value !== 'boolean';
  return isList ? isTensorboard(value, source) : value;
}

/** TRL's list of integrations, of which there is one here. */
function isTensorboard(value: unknown, source: string): boolean {
  const names = [value].flat();
  const other = names.find((name) => !['jsonl', 'none', 'tensorboard'].includes(String(name)));
  if (other !== undefined)
    throw new ConfigError(`${source}: report_to: ${JSON.stringify(other)} is not offered`, {
      hint: 'metrics.jsonl is always written; set tensorboard: true for TensorBoard events beside it',
    });
  return names.includes('tensorboard');
}

const AUTHORS_PARSERS = {
  reference: 'authors',
  reference_eval: 'authors_eval',
  reference_raw: 'authors_raw',
};

/** Key (or `protocol`, `mode` of a command) -> former value -> its name now. */
const FORMER_VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  token_weight: { reference: 'authors' },
  answer_parser: AUTHORS_PARSERS,
  video: { reference: 'authors', reference_eval: 'authors_eval' },
  protocol: {
    'tw-grpo-reference': 'tw-grpo-authors',
    'zero-shot-reference': 'zero-shot-authors',
    'video-r1-reference': 'video-r1-authors',
  },
  mode: { reference: 'authors' },
};

/** Command-line option -> the key whose values it takes. */
const OPTION_KEYS: Readonly<Record<string, string>> = {
  '--answer-parser': 'answer_parser',
  '--video-preset': 'video',
  '--protocol': 'protocol',
  '--mode': 'mode',
};

/** The present name of a value of `key`; undefined when the value is no former name. */
export function presentValue(key: string, value: unknown): string | undefined {
  const former = Object.hasOwn(FORMER_VALUES, key) ? FORMER_VALUES[key]! : {};
  return typeof value === 'string' && Object.hasOwn(former, value) ? former[value] : undefined;
}

/** The words of a command line with former values in their present names, and a notice for each. */
export function presentWords(argv: readonly string[]): {
  readonly argv: readonly string[];
  readonly notices: readonly string[];
} {
  const notices: string[] = [];
  const present = (option: string, value: string): string => {
    const key = Object.hasOwn(OPTION_KEYS, option) ? OPTION_KEYS[option]! : '';
    const now = presentValue(key, value);
    if (now === undefined) return value;
    notices.push(`${option} ${value} is called ${now} now; the former name goes with the next version`);
    return now;
  };
  const words = argv.map((word, index) => {
    const at = word.indexOf('=');
    if (at > 0) return `${word.slice(0, at)}=${present(word.slice(0, at), word.slice(at + 1))}`;
    return present(argv[index - 1] ?? '', word);
  });
  return { argv: words, notices };
}
