/**
 * How a question is put to the model, by name. Scores under different prompts can't be compared, so results carry the name.
 * The wordings are those of the published code, kept to the letter (double and trailing blanks, "Options:" glued to the
 * question) because a model is sensitive to them.
 * Source: longmalongma/TW-GRPO src/open_r1/grpo.py (training), src/eval/eval_clevrer.py, eval_clevrer_zeroshot.py,
 * eval_general_videor1.py (the prompt of tulerfeng/Video-R1), eval_general_zeroshot.py.
 */

import { ConfigError } from '../base/index.ts';
import type { ChatMessage } from '../io/index.ts';
import { type DataItem, labelled, type PromptItem, problemText, type QuestionType } from './item.ts';

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
  switch (template) {
    case 'tw-grpo': {
      const many = HOW_MANY[options.question_type ?? 'mixed'];
      return `${problemText(item)}  Output the thinking process in <think> </think> and final answer (${many}) in <answer> </answer> tags.`;
    }
    case 'tw-grpo-eval':
      return `${problemText(item)} Output the thinking process in <think> </think> and final answer (${HOW_MANY.mixed}) in <answer> </answer> tags. `;
    case 'zero-shot':
    case 'zero-shot-eval':
      return `${problemText(item)} Output the final answer (${HOW_MANY.mixed}) in <answer> </answer> tags directly. `;
    case 'zero-shot-letter':
      return `${gluedOptions(item)} Answer with the option's letter from the given choices directly.${ONE_LETTER}`;
    case 'video-r1':
      return `${gluedOptions(item)} ${PONDER}${ONE_LETTER}`;
    case 'plain':
      return problemText(item);
    default:
      return template satisfies never;
  }
}

/** Question and options as the authors' general evaluators join them: no line break before "Options:", one after each option. */
function gluedOptions(item: Pick<DataItem, 'question' | 'options'>): string {
  return `${item.question}Options:\n${labelled(item.options)
    .map((option) => `${option}\n`)
    .join('')}`;
}

/** The conversation before the model's turn; the video or image stands before the text. */
export function promptMessages(
  item: PromptItem & Pick<DataItem, 'media'>,
  options: PromptOptions,
): ChatMessage[] {
  const user: ChatMessage = {
    role: 'user',
    content: [
      { type: item.media === 'image' ? 'image' : 'video' },
      { type: 'text', text: promptText(item, options) },
    ],
  };
  return SYSTEM_TURN.has(promptTemplate(options.template))
    ? [{ role: 'system', content: REASONING_SYSTEM_PROMPT }, user]
    : [user];
}
