/**
 * The chat template of a model folder: messages to the text the model was trained on. Rendered by `@huggingface/jinja` in a thread
 * of its own (`template-thread.ts`), which follows transformers' environment (trim_blocks, lstrip_blocks, tojson, raise_exception, strftime_now).
 * Known difference: a printed boolean reads `true`, in Python `True` (no published chat template prints one).
 *
 * Source: transformers `utils/chat_template_utils.py`, `processing_utils.py` (where templates are looked for).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import {
  CheckpointError,
  checkJson,
  DataError,
  readJsonFile,
  readTextFile,
  UnreadableFile,
} from '../base/index.ts';
import { TemplateThread } from './template-thread.ts';

/** A part of a message. Videos and images only mark their place here; the processor fills it. */
export type ChatContent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'video'; readonly video?: unknown }
  | { readonly type: 'image'; readonly image?: unknown };

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | (string & {});
  readonly content: string | readonly ChatContent[];
}

export interface RenderOptions {
  /** End with the opening of the assistant's turn. Default true: what generation needs. */
  readonly add_generation_prompt?: boolean;
  /** More variables for the template (`add_vision_id`, `tools`, …): plain values. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** What to do where a template knows text alone. */
export const TEXT_TEMPLATE_HINT =
  'a template of a language model can not show videos: copy the chat template of the video-language model (chat_template.json or chat_template.jinja) into the folder';

/** One for all templates of the process. */
const thread = new TemplateThread();

const MAX_BYTES = 2 ** 20;

export class ChatTemplate {
  /** The Jinja source. */
  readonly source: string;
  /** The file it came from, for messages. */
  readonly file: string;
  readonly #defaults: Readonly<Record<string, unknown>>;

  /**
   * @param defaults variables every rendering sees (transformers passes the named special tokens, `eos_token` and such)
   * @throws CheckpointError where the template cannot be parsed within the limits of `TemplateThread`
   */
  constructor(
    source: string,
    file = 'chat_template.jinja',
    defaults: Readonly<Record<string, unknown>> = {},
  ) {
    this.source = source;
    this.file = file;
    this.#defaults = Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== undefined));
    const parsed = thread.run({ source });
    if ('problem' in parsed)
      throw new CheckpointError(`${file}: not a template we can parse (${parsed.problem})`, {
        hint: 'Copy the chat template of the instruct model into the folder.',
      });
  }

  /**
   * Read a folder's template: `chat_template.jinja`, else `chat_template.json`, else the key `chat_template` of
   * `tokenizer_config.json` (of several named ones `default`): the order of transformers.
   * @throws CheckpointError where there is none, or it is broken
   */
  static fromPretrained(dir: string, defaults: Readonly<Record<string, unknown>> = {}): ChatTemplate {
    const jinja = join(dir, 'chat_template.jinja');
    if (existsSync(jinja)) return new ChatTemplate(readTemplate(jinja), jinja, defaults);
    for (const name of ['chat_template.json', 'tokenizer_config.json']) {
      const file = join(dir, name);
      const json = readJsonFile(file, { optional: true });
      if (json === undefined) continue;
      const { chat_template: found } = checkJson(schema, json, file, []);
      const source = Array.isArray(found) ? found.find(({ name: n }) => n === 'default')?.template : found;
      if (source != null) return new ChatTemplate(source, file, defaults);
    }
    throw new CheckpointError(
      `${dir}: no chat template (chat_template.jinja, chat_template.json or tokenizer_config.json)`,
      {
        hint: 'Copy the chat template of the instruct model into the folder.',
      },
    );
  }

  /**
   * The text of a conversation.
   * @throws DataError where the template refuses it (`raise_exception`), cannot handle the messages, or does not end within the limits
   */
  render(
    messages: readonly ChatMessage[],
    { add_generation_prompt = true, variables = {} }: RenderOptions = {},
  ): string {
    const given = { ...this.#defaults, ...variables, messages, add_generation_prompt };
    const answer = thread.run({ source: this.source, variables: given });
    if ('text' in answer) return answer.text;
    const isText = messages.every(
      ({ content }) => typeof content === 'string' || content.every(({ type }) => type === 'text'),
    );
    throw new DataError(
      `${this.file}: the messages cannot be rendered (${answer.problem})`,
      isText ? {} : { hint: TEXT_TEMPLATE_HINT },
    );
  }
}

function readTemplate(file: string): string {
  try {
    return readTextFile(file, MAX_BYTES);
  } catch (cause) {
    if (!(cause instanceof UnreadableFile)) throw cause;
    throw new CheckpointError(`${file}: ${cause.message}`, { cause: cause.cause });
  }
}

const schema = z.looseObject({
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});
