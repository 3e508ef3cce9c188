/**
 * Rows in which the question is a conversation: LLaMA-Factory (`messages` or ShareGPT's `conversations`), ms-swift (`messages`), verl and TRL
 * (`prompt`), with media beside it in `videos` and `images` or inside as parts of a message (qwen-vl-utils). One question a row: a user's turn,
 * behind it perhaps the answer, before it perhaps a system turn.
 * Source: hiyouga/LLaMA-Factory `data/README.md`, modelscope/ms-swift `docs/source_en/Customization/Custom-dataset.md`, volcengine/verl
 * `docs/preparation/prepare_data.rst`, huggingface/trl `docs/source/dataset_formats.md`.
 */
import { z } from 'zod';
import { parseAnswer } from '../../answers/index.ts';
import { MEDIUM_PLACE, text } from '../item.ts';
import { type MediumInput, mediaOf, mediumOf, type RecordPlace } from './media-fields.ts';
import { placeMedia } from './placeholders.ts';
import { type QuestionFields, questionOf, truthOf } from './question-fields.ts';
import type { RowReader } from './reader.ts';

const part = z.looseObject({ type: z.string().optional(), text: z.string().nullish() });
const turn = z
  .looseObject({
    role: z.string().optional(),
    content: z.union([z.string(), z.array(z.union([z.string(), part]))]).optional(),
    from: z.string().optional(),
    value: z.string().optional(),
  })
  .refine(({ role, from }) => (role ?? from) !== undefined, 'expected a role')
  .refine(({ content, value }) => (content ?? value) !== undefined, 'expected content');
const turns = z.array(turn).min(1);

const rowSchema = z.looseObject({
  messages: turns.optional(),
  conversations: turns.optional(),
  prompt: z.union([text(), turns]).optional(),
  options: z.array(text(20_000)).nullish(),
  problem_type: z.string().nullish(),
  system: z.string().nullish(),
});

const ROLES: Readonly<Record<string, 'system' | 'user' | 'assistant'>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  human: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
};

export const readChatRow: RowReader = (row, sink, index) => {
  const { line } = row;
  const value = withTurns(row.value);
  const given = Object(value) as Readonly<Record<string, unknown>>;
  const extra = Object(given['extra_info']) as Readonly<Record<string, unknown>>;
  const named = [given['id'], given['problem_id'], given['uid'], extra['index'], extra['id']].find(
    (value) => typeof value === 'number' || (typeof value === 'string' && value !== ''),
  );
  const item = named === undefined ? `#${index + 1}` : String(named);
  const place: RecordPlace = { line, item, sink };
  const record = sink.parse(rowSchema, value, line, item);
  if (record === undefined) return undefined;
  const refuse = (code: string, message: string, field: string): undefined => {
    sink.reject(line, code, message, { item, field });
    return undefined;
  };
  const field = (['messages', 'conversations', 'prompt'] as const).find((key) => record[key] !== undefined);
  if (field === undefined)
    return refuse(
      'missing_field',
      'expected a conversation in "messages", "conversations" or "prompt"',
      'messages',
    );
  const talk = record[field]!;
  const said = typeof talk === 'string' ? [{ role: 'user' as const, content: talk }] : talk.map(readTurn);
  const strange = said.find(({ role }) => role === undefined);
  if (strange !== undefined)
    return refuse('bad_field', `expected the roles system, user and assistant, got ${rolesOf(talk)}`, field);
  const system = said.filter(({ role }) => role === 'system');
  const asked = said.filter(({ role }) => role === 'user');
  const answers = said.filter(({ role }) => role === 'assistant');
  const order = said.map(({ role }) => role).join(' ');
  if (!/^(?:system )?user(?: assistant)?$/.test(order))
    return refuse('several_turns', `one question and its answer a row is read, got ${order}`, field);
  const beside = mediaOf(given, place);
  const shown = beside && contentOf(asked[0]!.content, beside, field, place);
  if (shown === undefined) return undefined;
  const written = answers[0] === undefined ? undefined : plainText(answers[0].content);
  const stated = truthOf(given);
  const { truth, field: truthField } =
    stated.truth === undefined && written !== undefined ? { truth: written, field } : stated;
  const question = questionOf(
    {
      problem: shown.text,
      options: record.options ?? undefined,
      truth,
      field: truthField,
      type: record.problem_type ?? textOr(extra['problem_type']),
    },
    place,
  );
  if (question === undefined) return undefined;
  const other =
    answers[0] === undefined || stated.truth === undefined ? undefined : otherAnswer(written!, question);
  if (other !== undefined)
    return refuse(
      'answer_conflict',
      `the conversation ends with the answer ${other}, but ${truthField} says ${question.answer.join(',')}`,
      field,
    );
  for (const key of UNREAD) {
    const unread = given[key];
    if (
      unread === undefined ||
      unread === null ||
      unread === '' ||
      (Array.isArray(unread) && unread.length === 0)
    )
      continue;
    sink.warnOnce(line, 'unread_field', 'it is not read; the question and its true answer are', {
      item,
      field: key,
    });
  }
  const instruction = system[0] === undefined ? (record.system ?? '') : plainText(system[0].content);
  const process = written === undefined ? '' : reasoningOf(written);
  const source = textOr(given['data_source']);
  return sink.add(line, {
    id: item,
    media: [...shown.media],
    ...question,
    ...(instruction === '' ? {} : { system: instruction }),
    ...(process === '' ? {} : { process }),
    ...(source === undefined ? {} : { provenance: { data_source: source } }),
  });
};

/** Fields that say more about the conversation than is read; filled ones are warned of once. */
const UNREAD = [
  'chosen',
  'rejected',
  'rejected_response',
  'rejected_messages',
  'tools',
  'objects',
  'label',
  'kto_tag',
];

/**
 * Rows that have the parts of one turn in columns, as a conversation: `instruction`, `input`, `output`, `history` (Alpaca in LLaMA-Factory),
 * `query`, `response`, `history` (ms-swift), and TRL's `completion` behind its `prompt`.
 */
function withTurns(value: unknown): unknown {
  const given = Object(value) as Readonly<Record<string, unknown>>;
  if (['messages', 'conversations'].some((key) => Object.hasOwn(given, key))) return value;
  const turn = (role: string, content: unknown): readonly object[] =>
    content === undefined || content === null || content === '' ? [] : [{ role, content }];
  if (Object.hasOwn(given, 'prompt')) {
    const { prompt, completion } = given;
    if (completion === undefined || completion === null) return value;
    const asked = typeof prompt === 'string' ? turn('user', prompt) : prompt;
    const said = Array.isArray(completion) ? completion : turn('assistant', completion);
    return Array.isArray(asked) ? { ...given, prompt: [...asked, ...said] } : value;
  }
  const { instruction, input, query, output, response, history } = given;
  const asked = [instruction, input, query].filter((text) => isText(text) && text !== '');
  if (asked.length === 0) return value;
  const before = (Array.isArray(history) ? history : []).flatMap((pair) => {
    const [user, assistant] = Array.isArray(pair) ? pair : [pair];
    return [...turn('user', user), ...turn('assistant', assistant)];
  });
  const messages = [...before, ...turn('user', asked.join('\n')), ...turn('assistant', output ?? response)];
  return { ...given, messages };
}

const isText = (value: unknown): value is string => typeof value === 'string';

const rolesOf = (talk: z.output<typeof turns> | string): string =>
  typeof talk === 'string' ? 'user' : talk.map(({ role, from }) => role ?? from).join(' ');

const textOr = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

type Content = string | readonly (string | z.output<typeof part>)[];

function readTurn({ role, from, content, value }: z.output<typeof turn>): {
  readonly role: 'system' | 'user' | 'assistant' | undefined;
  readonly content: Content;
} {
  return { role: ROLES[(role ?? from)!], content: (content ?? value)! };
}

const plainText = (content: Content): string =>
  typeof content === 'string'
    ? content
    : content.map((one) => (typeof one === 'string' ? one : (one.text ?? ''))).join('');

/** Letters that a model's turn answers with, where they are not the true ones. */
function otherAnswer(
  written: string,
  { answer, options }: Pick<QuestionFields, 'answer' | 'options'>,
): string | undefined {
  if (options.length === 0) return undefined;
  const text = written.includes('<answer>') ? written : `<answer>${written}</answer>`;
  const { letters, failed } = parseAnswer(text, { parser: 'tolerant', options });
  return failed || letters.join() === answer.join() ? undefined : letters.join(',');
}

/** What a model wrote before its `<answer>`. */
function reasoningOf(written: string): string {
  const at = written.indexOf('<answer>');
  const before = at < 0 ? '' : written.slice(0, at).trim();
  return before.includes('<think>') ? before : '';
}

/** Text and media of a user's turn; undefined when the record was refused. */
function contentOf(
  content: Content,
  beside: { readonly videos: readonly MediumInput[]; readonly images: readonly MediumInput[] },
  field: string,
  place: RecordPlace,
): { readonly text: string; readonly media: readonly MediumInput[] } | undefined {
  const refuse = (message: string): undefined => {
    place.sink.reject(place.line, 'bad_field', message, { item: place.item, field });
    return undefined;
  };
  const isParts =
    typeof content !== 'string' && content.some((one) => typeof one !== 'string' && kindOf(one) !== 'text');
  if (!isParts) {
    const placed = placeMedia(plainText(content), beside, true);
    return placed.problem === undefined ? placed : refuse(placed.problem);
  }
  const queues = { video: [...beside.videos], image: [...beside.images] };
  const media: MediumInput[] = [];
  let written = '';
  for (const one of content as readonly (string | z.output<typeof part>)[]) {
    const kind = typeof one === 'string' ? 'text' : kindOf(one);
    if (kind === undefined) return refuse(`a part of type ${JSON.stringify(Object(one).type)} is not known`);
    if (kind === 'text') {
      written += typeof one === 'string' ? one : (one.text ?? '');
      continue;
    }
    const isOwn = MEDIA_KEYS.some((key) => Object.hasOwn(Object(one), key));
    const medium = isOwn ? mediumOf(one, kind, field, place) : queues[kind].shift();
    if (medium === undefined)
      return isOwn ? undefined : refuse(`there are more ${kind} parts than ${kind}s beside the conversation`);
    media.push(medium);
    written += MEDIUM_PLACE;
  }
  const rest = queues.video.length + queues.image.length;
  if (rest > 0) return refuse(`${rest} media beside the conversation have no part in it`);
  const text = written.replace(new RegExp(`^(?:\\s*${MEDIUM_PLACE})+\\s*`), '');
  return { text: text.includes(MEDIUM_PLACE) ? written : text, media };
}

const MEDIA_KEYS = ['video', 'image', 'path', 'url', 'image_url', 'video_url'];

function kindOf(one: z.output<typeof part>): 'text' | 'video' | 'image' | undefined {
  const type = one.type ?? MEDIA_KEYS.find((key) => Object.hasOwn(one, key)) ?? 'text';
  return ({ text: 'text', video: 'video', video_url: 'video', image: 'image', image_url: 'image' } as const)[
    type
  ];
}
