/** The options of `twgrpo eval`, and what they mean together: a protocol, and what was changed in it. */
import { type Command, Option } from 'commander';
import { ANSWER_PARSERS, type AnswerParser } from '../answers/index.ts';
import { ConfigError } from '../base/index.ts';
import { DATA_FORMATS, type DataFormat, PROMPT_TEMPLATES, type QuestionType } from '../data/index.ts';
import {
  BENCHMARK_NAMES,
  type BenchmarkName,
  benchmarkOf,
  PROTOCOL_NAMES,
  PROTOCOLS,
  type ProtocolName,
  protocolOf,
} from '../eval/index.ts';
import { checkSampling, type SamplingOptions } from '../rollout/index.ts';
import { type SharingChoice, sharingOptions } from './launch-options.ts';
import { loadingOptions, type ModelChoice } from './model-options.ts';
import { collect, finiteNumber, wholeNumber } from './numbers.ts';
import { type FrameChoice, frameOptions, type RootChoice, rootOptions, videoKeys } from './video-options.ts';

export interface EvalChoice extends ModelChoice, FrameChoice, RootChoice, SharingChoice {
  readonly benchmark?: BenchmarkName;
  readonly data: readonly string[];
  readonly format: DataFormat | 'auto';
  readonly questionType?: QuestionType;
  readonly drop?: readonly string[];
  readonly limit?: number;
  readonly ids?: string;
  readonly protocol?: ProtocolName;
  readonly promptTemplate?: string;
  readonly answerParser?: AnswerParser;
  readonly clip?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly maxCompletionLength?: number;
  readonly maxPromptLength?: number;
  readonly seed: number;
  readonly batchSize: number;
  readonly outputDir?: string;
  readonly compare?: string;
  readonly blind?: boolean;
  readonly singleFrame?: boolean;
  readonly authorsLog?: string;
  readonly dryRun?: boolean;
}

const HELP = `
Protocols (each part can be changed by its own option; the result says so):
${PROTOCOL_NAMES.map((name) => `  ${name.padEnd(20)} ${PROTOCOLS[name].summary}`).join('\n')}
  The first three are greedy, read answers tolerantly and tell the model the true time of its frames; the -authors ones
  repeat the authors' evaluators: temperature 0.1 and top_p 0.001, the model's own repetition penalty, always 16 frames
  of the whole video, 4096 tokens, their reading of answers. Prompt and reading go by benchmark, as in the authors' scripts.

Benchmarks:
${BENCHMARK_NAMES.map((name) => `  ${name.padEnd(24)} ${benchmarkOf(name).title}`).join('\n')}

Results go to --output-dir: rows.jsonl (one row an item, appended), settings.json, report.md, report.json,
accuracy.svg. The same command again
continues with what is missing. A question whose video can not be read is reported as missing, never counted as wrong.`;

/** Adds the options of `EvalChoice`. */
export function evalOptions(command: Command): void {
  const count = wholeNumber(1);
  command
    .requiredOption(
      '--data <file>',
      'questions: JSON, JSON Lines or CSV of any form in docs/data.md (may be repeated)',
      collect,
    )
    .addOption(new Option('--benchmark <name>', 'what the questions are, see below').choices(BENCHMARK_NAMES))
    .addOption(
      new Option('--format <name>', 'form of the files; auto: told by the first record')
        .choices(['auto', ...DATA_FORMATS])
        .default('auto'),
    );
  rootOptions(command)
    .addOption(
      new Option(
        '--question-type <type>',
        'which questions, and the wording that goes with them: all, one right option, several',
      ).choices(['mixed', 'single', 'multiple']),
    )
    .option('--limit <n>', 'only the first n questions', count)
    .option('--ids <file>', 'only the questions whose ids stand in this file, one a line')
    .option('--drop <code>', 'leave out and count questions with this error (may be repeated)', collect)
    .addOption(
      new Option(
        '--protocol <name>',
        'prompt, sampling, frames and reading of answers (default: tw-grpo)',
      ).choices(PROTOCOL_NAMES),
    )
    .addOption(new Option('--prompt-template <name>', 'wording of the prompt').choices(PROMPT_TEMPLATES))
    .addOption(new Option('--answer-parser <name>', 'how answers are read').choices(ANSWER_PARSERS))
    .option('--clip', 'show only the part of a video between start and end of its question')
    .option('--no-clip', 'show the whole video (default: by the protocol)')
    .option('--temperature <t>', 'above 0: draw tokens; 0: always the likeliest', finiteNumber)
    .option('--top-k <k>', 'draw from the k likeliest tokens; 0: from all', finiteNumber)
    .option('--top-p <p>', 'draw from the likeliest tokens that together reach p', finiteNumber)
    .option('--repetition-penalty <x>', 'above 1 makes tokens seen before less likely', finiteNumber)
    .option(
      '--seed <n>',
      'of the draws; without effect where the likeliest token is taken',
      wholeNumber(0),
      0,
    )
    .option('--max-completion-length <n>', 'tokens of an answer at most', count)
    .option('--max-prompt-length <n>', 'a longer prompt is an error (default: what the model allows)', count)
    .option('--batch-size <n>', 'questions answered together; halved when memory runs out', count, 8)
    .option('--output-dir <folder>', 'default: runs/eval/MODEL/BENCHMARK.PROTOCOL')
    .option(
      '--compare <run>',
      'output folder of another evaluation, or a log of the authors, on the same questions',
    )
    .option(
      '--blind',
      'then ask again without videos and images: what the model answers from the words alone; rows in OUTPUT/blind',
    )
    .option(
      '--single-frame',
      'then ask again with one frame from the middle of each video; rows in OUTPUT/single-frame',
    )
    .option(
      '--authors-log <file>',
      "write the answers also in the form of the authors' logs, to compare row by row",
    )
    .option('--dry-run', 'check files and settings, show the first prompt, and stop');
  sharingOptions(frameOptions(loadingOptions(command))).addHelpText('after', HELP);
}

/** Everything that can change a score, resolved; and which parts of the protocol were changed. */
export function resolveSettings(given: EvalChoice) {
  const benchmark = given.benchmark === undefined ? undefined : benchmarkOf(given.benchmark);
  const name = given.protocol ?? 'tw-grpo';
  const protocol = protocolOf(name);
  const question_type = given.questionType ?? (benchmark?.answers === 'single' ? 'single' : 'mixed');
  // The set decides, as in the authors' scripts; the wish for a part of it only where the set is unknown.
  const answers = benchmark?.answers ?? (question_type === 'single' ? 'single' : 'mixed');
  const prompt_template = given.promptTemplate ?? protocol.template[answers];
  const video = videoKeys(given, protocol.video);
  const changes: Readonly<Record<string, unknown>> = {
    prompt_template: given.promptTemplate,
    answer_parser: given.answerParser,
    temperature: given.temperature,
    top_k: given.topK,
    top_p: given.topP,
    repetition_penalty: given.repetitionPenalty,
    max_completion_length: given.maxCompletionLength,
    video: given.videoPreset,
    fps: given.fps,
    max_frames: given.maxFrames,
    min_pixels: given.minPixels,
    max_pixels: given.maxPixels,
    total_pixels: given.totalPixels,
    text_after_vision: given.textAfterVision,
    clip: given.clip,
  };
  return {
    benchmark,
    protocol,
    name,
    question_type,
    prompt_template,
    video,
    changed: Object.keys(changes).filter((key) => changes[key] !== undefined),
    max_completion_length: given.maxCompletionLength ?? protocol.max_completion_length,
    answer_parser: given.answerParser ?? protocol.answer_parser[answers],
    clip: given.clip ?? protocol.clip,
  };
}

/** The protocol's chain with the options given on top. @throws ConfigError for a value out of range */
export function samplingWith(given: EvalChoice, base: SamplingOptions): SamplingOptions {
  const { temperature, topK: top_k, topP: top_p, repetitionPenalty: repetition_penalty } = given;
  const own = Object.fromEntries(
    Object.entries({ top_k, top_p, repetition_penalty }).filter(([, value]) => value !== undefined),
  );
  const chain =
    temperature === undefined
      ? { ...base, ...own }
      : temperature === 0
        ? { ...own, greedy: true, repetition_penalty: repetition_penalty ?? base.repetition_penalty }
        : { ...base, ...own, greedy: false, temperature };
  const sampling = Object.fromEntries(
    Object.entries(chain).filter(([, value]) => value !== undefined),
  ) as SamplingOptions;
  checkSampling(sampling);
  if (sampling.greedy === true && (top_k !== undefined || top_p !== undefined))
    throw new ConfigError('--top-k and --top-p have no effect where the likeliest token is taken', {
      hint: 'give a --temperature above 0',
    });
  return sampling;
}
