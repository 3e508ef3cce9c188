/**
 * How a benchmark is asked and read, under one name: prompt, sampling, frames, answer parser, longest answer. Scores under different
 * protocols can't be compared, so every result carries the name.
 *
 * Each of the three has two forms. The plain one is what we would do: greedy, no penalty, true time, a careful reader of
 * answers. The `-authors` one repeats the authors' evaluators: temperature 0.1 with top_p 0.001 (nearly greedy), the
 * repetition penalty of the model's own generation_config.json, always 16 frames of the whole video with a constant time,
 * their splitting of answers, 4096 tokens.
 *
 * The authors choose prompt and reading by benchmark: CLEVRER, with several right options, has evaluators of its own
 * (eval_clevrer.py, also for Video-R1; eval_clevrer_zeroshot.py), which read the answer tag; of the general ones
 * eval_general_videor1.py reads the tag and eval_general_zeroshot.py the whole text.
 * Source: longmalongma/TW-GRPO src/eval/*.py and scripts/evaluate*.sh. Differs in one place: evaluate_qwen2_5vl.sh names
 * eval_clevrer.py for the zero-shot row of CLEVRER, but the published log of that row holds no thinking; it is what
 * eval_clevrer_zeroshot.py writes.
 */

import type { AnswerParser } from '../answers/index.ts';
import { ConfigError } from '../base/index.ts';
import type { PromptTemplate } from '../data/index.ts';
import type { GenerationConfig } from '../models/index.ts';
import type { SamplingOptions } from '../rollout/index.ts';
import type { VideoPreset } from '../video/index.ts';

/** Whether every question of a set has one right option by its design, or some have several. */
export type Answers = 'single' | 'mixed';

/** A choice by kind of set. */
export type ByAnswers<Choice> = Readonly<Record<Answers, Choice>>;

export interface Protocol {
  readonly summary: string;
  readonly template: ByAnswers<PromptTemplate>;
  readonly sampling: SamplingOptions;
  /** Take the repetition penalty from the model folder, as transformers' `generate` does. */
  readonly uses_model_penalty: boolean;
  readonly answer_parser: ByAnswers<AnswerParser>;
  readonly video: VideoPreset;
  /** Show only the part of the video between an item's `start` and `end`. */
  readonly clip: boolean;
  readonly max_completion_length: number;
}

const OURS = {
  sampling: { greedy: true },
  uses_model_penalty: false,
  answer_parser: { single: 'tolerant', mixed: 'tolerant' },
  video: 'correct',
  clip: true,
} as const;

const AUTHORS = {
  sampling: { temperature: 0.1, top_p: 0.001 },
  uses_model_penalty: true,
  template: { single: 'video-r1', mixed: 'tw-grpo-eval' },
  answer_parser: { single: 'authors_eval', mixed: 'authors_eval' },
  video: 'authors_eval',
  clip: false,
  max_completion_length: 4096,
} as const;

export const PROTOCOLS = {
  'tw-grpo': {
    summary: 'thinking, then letters; the prompt the models are trained with',
    template: { single: 'tw-grpo', mixed: 'tw-grpo' },
    max_completion_length: 1024,
    ...OURS,
  },
  'zero-shot': {
    summary: 'the answer at once, without thinking',
    template: { single: 'zero-shot-letter', mixed: 'zero-shot' },
    max_completion_length: 128,
    ...OURS,
  },
  'video-r1': {
    summary: "Video-R1's long prompt for one letter; where several may be right, that of the authors",
    template: { single: 'video-r1', mixed: 'tw-grpo-eval' },
    max_completion_length: 2048,
    ...OURS,
  },
  'tw-grpo-authors': { ...AUTHORS, summary: "the authors' evaluation of their models, slips included" },
  'zero-shot-authors': {
    ...AUTHORS,
    summary: "the authors' zero-shot rows; one letter is read from the whole text, several from the tag",
    template: { single: 'zero-shot-letter', mixed: 'zero-shot-eval' },
    answer_parser: { single: 'authors_raw', mixed: 'authors_eval' },
  },
  'video-r1-authors': {
    ...AUTHORS,
    summary: "the authors' rows of Video-R1, VideoChat-R1 and the SFT model: the scripts are the same",
  },
} as const satisfies Readonly<Record<string, Protocol>>;

export type ProtocolName = keyof typeof PROTOCOLS;
export const PROTOCOL_NAMES = Object.keys(PROTOCOLS) as readonly ProtocolName[];

/** @throws ConfigError for an unknown name */
export function protocolOf(name: string): Protocol {
  if (Object.hasOwn(PROTOCOLS, name)) return PROTOCOLS[name as ProtocolName];
  throw new ConfigError(`protocol must be one of ${PROTOCOL_NAMES.join(', ')}, got ${JSON.stringify(name)}`);
}

/** What is drawn with: the protocol's, with the model's own penalty where the protocol asks for it. */
export function samplingOf(protocol: Protocol, generation: GenerationConfig): SamplingOptions {
  const { repetition_penalty } = generation;
  return protocol.uses_model_penalty && repetition_penalty !== undefined
    ? { ...protocol.sampling, repetition_penalty }
    : protocol.sampling;
}
