/** `twgrpo data filter`: the records of a question file that are worth training on, each as it stands. */
import { resolve } from 'node:path';
import { Option } from 'commander';
import { ANSWER_PARSERS, type AnswerParser } from '../answers/index.ts';
import {
  ConfigError,
  createLogger,
  EXIT_CODES,
  type JsonObject,
  type Output,
  writeFileAtomic,
} from '../base/index.ts';
import {
  csvText,
  DATA_FORMATS,
  type DataFormat,
  type FieldValue,
  type FileRecord,
  filterRows,
  isCsvPath,
  PROMPT_TEMPLATES,
  readQuestionRecords,
  toQuestion,
} from '../data/index.ts';
import { onlyMain, type Processes, together } from '../dist/index.ts';
import {
  answerSettings,
  FILTERS,
  type Filtered,
  type FilterName,
  filterQuestions,
  type KeptShares,
  SAMPLING,
} from '../eval/index.ts';
import { openModelFolder } from '../models/index.ts';
import { FrameStore, promptLoader } from '../prompt/index.ts';
import { type AskingProgress, askingProgress } from './asking-progress.ts';
import type { CommandDefinition } from './command.ts';
import { printFiltered } from './filter-lines.ts';
import { runShared, type SharingChoice, sharingOptions } from './launch-options.ts';
import { locateChoice, locateDataFile } from './locate.ts';
import { loadingOptions, type ModelChoice, withModel } from './model-options.ts';
import { collect, finiteNumber, wholeNumber } from './numbers.ts';
import { stopSignals } from './stop-signals.ts';
import { type FrameChoice, frameOptions, type RootChoice, rootOptions, videoKeys } from './video-options.ts';

interface FilterChoice
  extends Partial<Pick<ModelChoice, 'model'>>,
    Omit<ModelChoice, 'model'>,
    FrameChoice,
    RootChoice,
    SharingChoice {
  readonly output: string;
  readonly where?: readonly string[];
  readonly difficulty?: boolean;
  readonly blind?: boolean;
  readonly keepBetween?: readonly number[];
  readonly samples?: number;
  readonly format: DataFormat | 'auto';
  readonly drop?: readonly string[];
  readonly promptTemplate: string;
  readonly answerParser: AnswerParser;
  readonly maxCompletionLength: number;
  readonly maxPromptLength?: number;
  readonly seed: number;
  readonly batchSize: number;
}

/** A choice that asks a model. */
type AskingChoice = FilterChoice & ModelChoice;

const DEFAULT_SAMPLES = 8;

/** `key=value` texts. @throws ConfigError for a text without `=` */
function fieldValues(texts: readonly string[] = []): FieldValue[] {
  return texts.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw new ConfigError(`--where ${text}: expected field=value, for example data_source=STAR`);
    return { field: text.slice(0, at), value: text.slice(at + 1) };
  });
}

/** Two numbers in place of the one that commander hands over at a time. */
function share(text: string, previous: readonly number[] = []): readonly number[] {
  return [...previous, finiteNumber(text)];
}

/** @throws ConfigError for anything but two shares, the lesser first */
function keptShares(given: readonly number[] | undefined): KeptShares | undefined {
  if (given === undefined) return undefined;
  const [low = Number.NaN, high = Number.NaN] = given;
  if (given.length !== 2 || !(low >= 0 && low <= high && high <= 1))
    throw new ConfigError(
      `--keep-between: expected the least and the largest share, both from 0 to 1, got ${given.join(' ')}`,
      { hint: 'for example --keep-between 0.2 0.8' },
    );
  return { low, high };
}

/** What the options ask for. @throws ConfigError for options that do not go together */
function filtersOf(given: FilterChoice): FilterName[] {
  const filters = FILTERS.filter((name) => given[name] === true);
  if (given.keepBetween !== undefined && given.difficulty !== true)
    throw new ConfigError(
      '--keep-between needs --difficulty: it says which shares of right answers are kept',
    );
  if (filters.length === 0) {
    const unused = (['model', 'samples', 'nproc'] as const).find((key) => given[key] !== undefined);
    if (unused !== undefined)
      throw new ConfigError(`--${unused} has nothing to do without --difficulty or --blind`);
    if (given.where === undefined)
      throw new ConfigError('nothing says which records to keep', {
        hint: 'give --where field=value, --difficulty or --blind',
      });
  } else if (given.model === undefined)
    throw new ConfigError(
      `--${filters[0]} needs --model: the model that is to be trained answers the questions`,
    );
  return filters;
}

async function run(file: string, given: FilterChoice, out: Output): Promise<number> {
  const filters = filtersOf(given);
  const keep = keptShares(given.keepBetween);
  const { model } = given;
  if (model !== undefined && filters.length > 0)
    return await runShared(given, out, async ({ processes, device }) => {
      const own = { ...given, model, device };
      const prepared = await together(processes, 'the checks before the questions', async () =>
        prepare(await locateFile(file, given, out), own, out),
      );
      return await byAnswers(prepared, { ...own, filters, keep }, processes, out);
    });
  const path = await locateFile(file, given, out);
  const { records, num_records } = filterRows(path, fieldValues(given.where));
  write(given.output, records);
  out.print(`${records.length} of ${num_records} records  ${given.output}`);
  out.json({ output_path: given.output, num_kept: records.length, num_records });
  return EXIT_CODES.done;
}

/** The file to filter. @throws ConfigError where the output can not be made of it */
async function locateFile(file: string, given: Pick<FilterChoice, 'output'>, out: Output): Promise<string> {
  const { path } = await locateDataFile(file, out);
  if (resolve(path) === resolve(given.output))
    throw new ConfigError(`--output ${given.output} is the file to filter; choose another`);
  if (isCsvPath(path) !== isCsvPath(given.output))
    throw new ConfigError(
      `--output ${given.output}: records are passed on as they stand, and ${path} is ${isCsvPath(path) ? '' : 'no '}CSV`,
      { hint: isCsvPath(path) ? 'end its name in .csv' : 'end its name in .jsonl' },
    );
  return path;
}

function write(path: string, records: readonly FileRecord[]): void {
  writeFileAtomic(
    path,
    isCsvPath(path) ? csvText(records) : records.map((record) => `${JSON.stringify(record)}\n`).join(''),
  );
}

/** Everything that is known before a model is loaded. */
async function prepare(path: string, given: AskingChoice, out: Output) {
  const { format, drop = [] } = given;
  const read = readQuestionRecords(path, { format, drop, where: fieldValues(given.where) });
  const root = { video_root: given.videoRoot ?? '.', video_prefix: given.videoPrefix };
  const questions = read.records.map(({ item }) => toQuestion(item, root));
  out.status(`${questions.length} of ${read.num_records} records are asked about, read as ${read.format}`);
  for (const [code, count] of Object.entries(read.dropped)) out.warn(`${count} records left out: ${code}`);
  const { at, commits } = await locateChoice(given, out);
  const folder = openModelFolder(at.model, { notice: (text) => out.warn(text) });
  return { path, read, root, questions, at, commits, folder };
}

/** Asks the model and writes what is kept; several processes share the questions. */
async function byAnswers(
  { path, read, root, questions, at, commits, folder }: Awaited<ReturnType<typeof prepare>>,
  given: AskingChoice & { readonly filters: readonly FilterName[]; readonly keep: KeptShares | undefined },
  processes: Processes,
  out: Output,
): Promise<number> {
  const { output, samples = DEFAULT_SAMPLES, seed, filters, keep } = given;
  const { processor, stop_token_ids, banned_token_ids } = folder;
  const video = videoKeys(given, 'correct');
  const asking = {
    prompt_template: given.promptTemplate,
    question_type: 'mixed' as const,
    max_completion_length: given.maxCompletionLength,
    answer_parser: given.answerParser,
    seed,
  };
  const max_prompt_length = given.maxPromptLength ?? processor.config.text_config.max_position_embeddings;
  const answers_dir = `${output}.answers`;
  let code: number = EXIT_CODES.done;
  await withModel(folder, { ...at, videoPreset: video.video }, out, async (model) => {
    const stop = stopSignals(out, 'batch');
    const logger = createLogger({ quiet: out.isQuiet, fd: 2, color: out.hasColor });
    let progress: AskingProgress | undefined;
    try {
      const filtered = await filterQuestions({
        ...{
          ...asking,
          model,
          processor,
          stop_token_ids,
          banned_token_ids,
          questions,
          filters,
          keep,
          samples,
          answers_dir,
        },
        load: promptLoader(
          processor,
          { ...video, ...asking, max_prompt_length },
          new FrameStore({ budget_mib: 0, logger }),
        ),
        settings: answerSettings({
          ...{ ...asking, model: at.model, adapter: at.adapter, data_fingerprint: read.fingerprint },
          ...{
            sampling: SAMPLING,
            video,
            pixel_unit: processor.config.pixel_unit,
            limits: processor.limits,
            clip: true,
          },
          ...{
            dtype: given.dtype,
            compute_dtype: model.compute_dtype,
            text_after_vision: given.textAfterVision,
          },
        }),
        facts: {
          model: given.model,
          adapter: given.adapter ?? null,
          data: path,
          ...commits,
          ...root,
          device: model.device,
        },
        batch_size: given.batchSize,
        logger,
        onFilter: (filter, numQuestions, rows) => {
          progress?.stop();
          progress = askingProgress(filter, numQuestions, rows, out);
          return progress.update;
        },
        signal: stop.signal,
        processes,
      });
      progress?.stop();
      const facts = {
        output_path: output,
        answers_dir,
        samples,
        num_records: read.num_records,
        dropped: read.dropped,
      };
      code = filtered.isComplete ? await finish(filtered) : stop.exitCode(filtered.stopped_by);
      if (!filtered.isComplete) {
        out.status(
          'stopped; nothing is written yet, the same command continues with the questions that are left',
        );
        out.json({ ...facts, is_complete: false });
      }

      async function finish(done: Filtered): Promise<number> {
        const records = read.records
          .filter(({ item }) => !done.left_out.has(item.id))
          .map(({ record }) => record);
        const { left_out, isComplete: is_complete, stopped_by: _, ...figures } = done;
        printFiltered(done, { ...facts, num_picked: read.num_picked, num_kept: records.length }, out);
        out.json({
          ...facts,
          is_complete,
          num_picked: read.num_picked,
          num_kept: records.length,
          left_out: Object.fromEntries(left_out),
          ...figures,
        } satisfies JsonObject);
        if (records.length === 0) {
          out.warn(`no record is left; ${output} is not written`);
          return EXIT_CODES.data;
        }
        await onlyMain(processes, 'the records that are kept', () => write(output, records));
        out.print(`${records.length} of ${read.num_records} records  ${output}`);
        return EXIT_CODES.done;
      }
    } finally {
      progress?.stop();
      stop.off();
    }
  });
  return code;
}

const HELP = `
--blind asks without videos and images, and leaves out what is right in at least half of the samples; --difficulty asks with
them, and leaves out what is never or always right, or outside of --keep-between. Both: the blind ones are not asked again.
Samples are drawn at temperature 1 and read as the rewards of training read them: letters must be all the right ones, other
kinds of question need half of the score of their kind. Answers are kept in OUTPUT.answers: after a kill the same command goes
on, and another --keep-between asks nothing anew. Questions whose video can not be read, or that nothing can score, are named,
counted and left out; questions that show nothing are not asked blind, counted and kept.`;

export const filter: CommandDefinition = {
  examples: [
    'twgrpo data filter Video-R1-260k.json --where data_source=STAR --output star.jsonl',
    'twgrpo data filter star.jsonl --difficulty --model models/Qwen2.5-VL-7B-Instruct --video-root /data --output hard-enough.jsonl',
    'twgrpo data filter star.jsonl --blind --difficulty --keep-between 0.2 0.8 --samples 16 --model runs/sft/checkpoint-500 --video-root /data -o rl.jsonl',
  ],
  configure: (command) => {
    const count = wholeNumber(1);
    command
      .argument('<file>', 'question file: JSON, JSON Lines or Parquet, or hf://datasets/owner/name/path')
      .requiredOption('-o, --output <file>', 'JSON Lines file to write, each record as it stands')
      .option(
        '--where <field=value>',
        'keep records whose field has this value (may be repeated; all must hold)',
        collect,
      )
      .option('--difficulty', 'keep questions that --model answers right at times, but not always')
      .option('--blind', 'leave out questions that --model answers without their video')
      .addOption(
        new Option(
          '--keep-between <shares...>',
          'least and largest share of right samples that --difficulty keeps (default: all but 0 and 1)',
        ).argParser(share),
      )
      .option('--samples <n>', `answers to each question (default: ${DEFAULT_SAMPLES})`, count);
    rootOptions(loadingOptions(command, 'optional'))
      .addOption(
        new Option('--format <name>', 'form of the file; auto: told by the first record')
          .choices(['auto', ...DATA_FORMATS])
          .default('auto'),
      )
      .option('--drop <code>', 'leave out and count questions with this error (may be repeated)', collect)
      .addOption(
        new Option('--prompt-template <name>', 'wording of the prompt')
          .choices(PROMPT_TEMPLATES)
          .default('tw-grpo'),
      )
      .addOption(
        new Option('--answer-parser <name>', 'how answers are read')
          .choices(ANSWER_PARSERS)
          .default('tolerant'),
      )
      .option('--max-completion-length <n>', 'tokens of an answer at most', count, 512)
      .option(
        '--max-prompt-length <n>',
        'a longer prompt is an error (default: what the model allows)',
        count,
      )
      .option('--seed <n>', 'of the draws', wholeNumber(0), 0)
      .option('--batch-size <n>', 'questions answered together; halved when memory runs out', count, 8);
    sharingOptions(frameOptions(command)).addHelpText('after', HELP);
  },
  run: ({ args, options, out }) => run(args[0]!, options<FilterChoice>(), out),
};
