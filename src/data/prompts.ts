/**
 * How a question is put to the model, by name. Scores under different prompts can't be compared, so results carry the name.
 * The wordings are those of the published code, kept to the letter (double and trailing blanks, "Options:" glued to the
 * question) because a model is sensitive to them.
 * Source: longmalongma/TW-GRPO src/open_r1/grpo.py (training), src/eval/eval_clevrer.py, eval_clevrer_zeroshot.py,
 * eval_general_videor1.py (the prompt of tulerfeng/Video-R1), eval_general_zeroshot.py.
 */

import type { Task } from '../answers/index.ts';
import { ConfigError } from '../base/index.ts';
import type { ChatContent, ChatMessage } from '../io/index.ts';
import {
  type DataItem,
  itemTask,
  labelled,
  MEDIUM_PLACE,
  type Medium,
  type PromptItem,
  problemText,
  type QuestionType,
} from './item.ts';

export const PROMPT_TEMPLATES = [
  'tw-grpo',
  'tw-grpo-eval',
  'zero-shot',
  'zero-shot-eval',
  'zero-shot-letter',
  'video-r1',
  'plain',
] as const;
export type PromptTemplate = (typeof PROMPT_TEMPLATES)[number];

const HOW_MANY: Readonly<Record<QuestionType, string>> = {
  mixed: 'letters separated by , if multiple',
  single: 'select one letter',
  multiple: 'select letters separated by ,',
};

const REASONING_SYSTEM_PROMPT =
  'A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant ' +
  'first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning ' +
  'process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., ' +
  '<think> reasoning process here </think><answer> answer here </answer>';

const SYSTEM_TURN: ReadonlySet<PromptTemplate> = new Set(['tw-grpo-eval', 'zero-shot-eval']);

const PONDER =
  "Please think about this question as if you were a human pondering deeply. Engage in an internal dialogue using expressions such as 'let me think', 'wait', 'Hmm', 'oh, I see', 'let's break it down', etc, or other natural language thought expressions. It's encouraged to include self-reflection or verification in the reasoning process. Provide your detailed reasoning between the <think> and </think> tags, and then give your final answer between the <answer> and </answer> tags.";

const ONE_LETTER =
  ' Please provide only the single option letter (e.g., A, B, C, D, etc.) within the <answer> </answer> tags.';

/** Video-R1's last sentence by kind of question; ours where it has none. */
const VIDEO_R1_FORM: Readonly<Record<Task, string>> = {
  'multiple choice': ONE_LETTER,
  numerical: ' Please provide the numerical value (e.g., 42 or 3.14) within the <answer> </answer> tags.',
  regression: ' Please provide the numerical value (e.g., 42 or 3.14) within the <answer> </answer> tags.',
  OCR: ' Please transcribe text from the image/video clearly and provide your text answer within the <answer> </answer> tags.',
  'free-form': ' Please provide your text answer within the <answer> </answer> tags.',
  'temporal grounding':
    ' Please provide the start and end times (in seconds, e.g., 12.54 to 17.83) within the <answer> </answer> tags.',
  open: ' Please provide your text answer within the <answer> </answer> tags.',
};

/** What a question without options asks for, where one with options asks for letters. */
const FORM: Readonly<Record<Exclude<Task, 'multiple choice'>, string>> = {
  numerical: 'a number',
  regression: 'a number',
  OCR: 'the text as it is written',
  'free-form': 'a short text',
  'temporal grounding': 'start and end in seconds, like 12.54 to 17.83',
  open: 'a short text',
};

export interface PromptOptions {
  /**
   * - `tw-grpo`: the authors' training prompt;
   * - `tw-grpo-eval`: their CLEVRER evaluation, with a system prompt the training does not have;
   * - `zero-shot`: answer at once, several letters allowed;
   * - `zero-shot-eval`: the same behind the system prompt of their CLEVRER evaluation, which asks for thinking: their
   *   zero-shot row;
   * - `zero-shot-letter`: answer at once with one letter, as in their runs on general benchmarks;
   * - `video-r1`: Video-R1's long prompt, one letter;
   * - `plain`: question and options, nothing else, for models trained to answer in a form of their own.
   */
  readonly template: string;
  /** Wording of `tw-grpo` to use. @default 'mixed' */
  readonly question_type?: QuestionType;
}

/** @throws ConfigError for an unknown template */
function promptTemplate(name: string): PromptTemplate {
  const found = PROMPT_TEMPLATES.find((template) => template === name);
  if (found === undefined) {
    throw new ConfigError(
      `prompt_template must be one of ${PROMPT_TEMPLATES.join(', ')}, got ${JSON.stringify(name)}`,
    );
  }
  return found;
}

/** Text of the user's turn. */
export function promptText(item: PromptItem, options: PromptOptions): string {
  const template = promptTemplate(options.template);
  const task = itemTask(item);
  const form = (type: QuestionType): string => (task === 'multiple choice' ? HOW_MANY[type] : FORM[task]);
  switch (template) {
    case 'tw-grpo': {
      const many = form(options.question_type ?? 'mixed');
      return `${problemText(item)}  Output the thinking process in <think> </think> and final answer (${many}) in <answer> </answer> tags.`;
    }
    case 'tw-grpo-eval':
      return `${problemText(item)} Output the thinking process in <think> </think> and final answer (${form('mixed')}) in <answer> </answer> tags. `;
    case 'zero-shot':
    case 'zero-shot-eval':
      return `${problemText(item)} Output the final answer (${form('mixed')}) in <answer> </answer> tags directly. `;
    case 'zero-shot-letter':
      return task === 'multiple choice'
        ? `${gluedOptions(item)} Answer with the option's letter from the given choices directly.${ONE_LETTER}`
        : `${item.question} Answer directly.${VIDEO_R1_FORM[task]}`;
    case 'video-r1':
      return `${gluedOptions(item)} ${PONDER}${VIDEO_R1_FORM[task]}`;
    case 'plain':
      return problemText(item);
    default:
      return template satisfies never;
  }
}

/** Question and options as the authors' general evaluators join them: no line break before "Options:", one after each option. */
function gluedOptions(item: Pick<DataItem, 'question' | 'options'>): string {
  if (item.options.length === 0) return item.question;
  return `${item.question}Options:\n${labelled(item.options)
    .map((option) => `${option}\n`)
    .join('')}`;
}

/**
 * The conversation before the model's turn. Videos and images stand before the text, or where the question has places for them.
 * An item's own system turn is shown unless the template has one.
 */
export function promptMessages(
  item: PromptItem & {
    readonly media: readonly Pick<Medium, 'type'>[];
    readonly system?: string | undefined;
  },
  options: PromptOptions,
): ChatMessage[] {
  const parts = item.media.map(({ type }): ChatContent => ({ type: type === 'image' ? 'image' : 'video' }));
  const texts = promptText(item, options).split(MEDIUM_PLACE);
  const content =
    texts.length === 1
      ? [...parts, textPart(texts[0]!)]
      : texts.flatMap((text, index) => [
          ...parts.slice(index - 1, index),
          ...(text === '' ? [] : [textPart(text)]),
        ]);
  const user: ChatMessage = { role: 'user', content };
  const system = SYSTEM_TURN.has(promptTemplate(options.template)) ? REASONING_SYSTEM_PROMPT : item.system;
  return system === undefined ? [user] : [{ role: 'system', content: system }, user];
}

const textPart = (text: string): ChatContent => ({ type: 'text', text });
