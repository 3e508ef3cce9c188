/**
 * The chat template of a model folder: messages to the text the model was trained on. Rendered by `@huggingface/jinja`,
 * which follows transformers' environment (trim_blocks, lstrip_blocks, tojson, raise_exception, strftime_now).
 * Known difference: a printed boolean reads `true`, in Python `True` (no published chat template prints one).
 *
 * Source: transformers `utils/chat_template_utils.py`, `processing_utils.py` (where templates are looked for).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import { CheckpointError, checkJson, DataError, readJsonFile } from '../base/index.ts';

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
  /** More variables for the template (`add_vision_id`, `tools`, …). */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** What to do where a template knows text alone. */
export const TEXT_TEMPLATE_HINT =
  'a template of a language model can not show videos: copy the chat template of the video-language model (chat_template.json or chat_template.jinja) into the folder';

export class ChatTemplate {
  /** The Jinja source. */
  readonly source: string;
  /** The file it came from, for messages. */
  readonly file: string;
  readonly #template: Template;
  readonly #defaults: Readonly<Record<string, unknown>>;

  /**
   * @param defaults variables every rendering sees (transformers passes the named special tokens, `eos_token` and such)
   * @throws CheckpointError where the template cannot be parsed
   */
  constructor(
    source: string,
    file = 'chat_template.jinja',
    defaults: Readonly<Record<string, unknown>> = {},
  ) {
    this.source = source;
    this.file = file;
    this.#defaults = Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== undefined));
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new CheckpointError(`${file}: not a template we can parse (${(cause as Error).message})`, {
        cause,
      });
    }
  }

  /**
   * Read a folder's template: `chat_template.jinja`, else `chat_template.json`, else the key `chat_template` of
   * `tokenizer_config.json` (of several named ones `default`): the order of transformers.
   * @throws CheckpointError where there is none, or it is broken
   */
  static fromPretrained(dir: string, defaults: Readonly<Record<string, unknown>> = {}): ChatTemplate {
    const jinja = join(dir, 'chat_template.jinja');
    if (existsSync(jinja)) return new ChatTemplate(readFileSync(jinja, 'utf8'), jinja, defaults);
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
   * @throws DataError where the template refuses it (`raise_exception`) or cannot handle the messages
   */
  render(
    messages: readonly ChatMessage[],
    { add_generation_prompt = true, variables = {} }: RenderOptions = {},
  ): string {
    try {
      return this.#template.render({ ...this.#defaults, ...variables, messages, add_generation_prompt });
    } catch (cause) {
      const isText = messages.every(
        ({ content }) => typeof content === 'string' || content.every(({ type }) => type === 'text'),
      );
      throw new DataError(`${this.file}: the messages cannot be rendered (${(cause as Error).message})`, {
        cause,
        ...(isText ? {} : { hint: TEXT_TEMPLATE_HINT }),
      });
    }
  }
}

const schema = z.looseObject({
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});
