/** `twgrpo data`: checks question files and the videos they name, and converts CLEVRER's official files. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Argument, Option } from 'commander';
import {
  ConfigError,
  DataError,
  EXIT_CODES,
  formatError,
  type Output,
  percent,
  tableLines,
} from '../base/index.ts';
import {
  CLEVRER_QUESTION_TYPES,
  checkData,
  convertClevrer,
  DATA_FORMATS,
  type DataFormat,
  type DataIssue,
  type DataReport,
  formatIssue,
  nextStep,
  PROMPT_TEMPLATES,
  type QuestionType,
  readItemsWithIssues,
  VIDEO_CHECKS,
  type VideoCheck,
} from '../data/index.ts';
import { BENCHMARK_NAMES, type BenchmarkName, benchmarkOf } from '../eval/index.ts';
import { loadProcessor } from '../models/index.ts';
import { promptCounter } from '../prompt/index.ts';
import type { CommandDefinition } from './command.ts';
import { lateProgress } from './late-progress.ts';
import { locateDataFile, locateModel } from './locate.ts';
import { collect, wholeNumber } from './numbers.ts';
import { stopSignals } from './stop-signals.ts';
import { type FrameChoice, frameOptions, type RootChoice, rootOptions, videoKeys } from './video-options.ts';

interface CheckChoice extends FrameChoice, RootChoice {
  readonly format: DataFormat | 'auto';
  readonly benchmark?: BenchmarkName;
  readonly questionType?: readonly string[];
  readonly videos: VideoCheck;
  readonly model?: string;
  readonly maxPromptLength?: number;
  readonly promptTemplate: string;
  readonly jobs?: number;
  readonly show: number;
}

/** A file that could not be looked at, beside the reports of the others. */
interface RefusedFile {
  readonly file: string;
  readonly error: string;
  readonly hint?: string;
}

function printIssues(issues: readonly DataIssue[], numShown: number, out: Output): void {
  const byCode = groupByCode(issues);
  const groups = [...byCode.values()].sort(
    (a, b) => a[0]!.severity.localeCompare(b[0]!.severity) || b.length - a.length,
  );
  for (const group of groups) {
    const { severity, code } = group[0]!;
    const title = `${severity} ${code}: ${group.length}`;
    out.print(`  ${severity === 'error' ? out.red(title) : out.yellow(title)}`);
    for (const issue of group.slice(0, numShown)) out.print(`    ${formatIssue(issue)}`);
    if (severity === 'error' && group.some(({ hint }) => hint === undefined))
      out.print(out.dim(`    next step: ${nextStep(code)}`));
    if (group.length > numShown) out.print(`    … and ${group.length - numShown} more (--show, --json)`);
  }
}

function groupByCode(issues: readonly DataIssue[]): Map<string, DataIssue[]> {
  const groups = new Map<string, DataIssue[]>();
  for (const issue of issues) {
    const key = `${issue.severity} ${issue.code}`;
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [issue]);
    else members.push(issue);
  }
  return groups;
}

function printReport(report: DataReport, expected: string | undefined, numShown: number, out: Output): void {
  const { videos, best_constant, chance_percent } = report;
  const options = Object.entries(report.options).map(([count, questions]) => `${count}×${questions}`);
  const facts: [string, string][] = [
    ['format', report.format],
    [
      'questions',
      `${report.num_questions}${expected ?? ''}: ${report.num_usable} usable, ${report.num_single} with one right option, ${report.num_multiple} with several`,
    ],
    ...countsLine('kinds', report.types, 'multiple choice'),
    ...countsLine('shown', report.media, '1 video'),
    ...countsLine('data_source', report.data_sources),
    ['options', options.join(', ') || 'none'],
    ['guessing', chance_percent === null ? 'nothing to guess' : `${percent(chance_percent / 100)} strict`],
    [
      'best constant',
      best_constant === null
        ? 'none'
        : `always ${best_constant.answer}: ${percent(best_constant.percent / 100)} strict`,
    ],
    [
      'videos',
      videos.is_checked
        ? `${videos.num_files} files, ${videos.num_missing} missing, ${videos.num_unreadable} unreadable`
        : `${videos.num_files} files, not looked at (give --video-root)`,
    ],
  ];
  out.print(out.bold(report.file));
  for (const [name, text] of facts) out.print(`  ${name.padEnd(13)}  ${text}`);
  const sources = Object.entries(report.sources);
  if (sources.length > 1 || videos.is_checked) {
    const rows = sources.map(([name, { num_questions, num_covered }]) =>
      videos.is_checked
        ? [name, num_questions, num_covered, percent(num_covered / num_questions)]
        : [name, num_questions],
    );
    out.print();
    const header = ['part', 'questions', ...(videos.is_checked ? ['with video', 'coverage'] : [])];
    for (const line of tableLines(header, rows)) out.print(`  ${line}`);
  }
  if (report.issues.length > 0) out.print();
  printIssues(report.issues, numShown, out);
  const numErrors = Object.values(report.counts.errors).reduce((sum, count) => sum + count, 0);
  out.print();
  out.print(report.is_sound ? `  ${out.green('sound')}: no errors` : `  ${out.red(`${numErrors} errors`)}`);
  out.print();
}

/** `numerical: 3, OCR: 2`; no line where there is nothing but the usual. */
function countsLine(
  name: string,
  counts: Readonly<Record<string, number>>,
  usual?: string,
): [string, string][] {
  const entries = Object.entries(counts);
  if (entries.every(([key]) => key === usual)) return [];
  return [[name, entries.map(([key, count]) => `${key}: ${count}`).join(', ')]];
}

/** ` of 4000 (a part of MVBench)`, or which part of the benchmark it is. */
function expectedOf(report: DataReport, name: BenchmarkName | undefined): string | undefined {
  if (name === undefined) return undefined;
  const { counts, title } = benchmarkOf(name);
  const known = Object.entries(counts);
  const found = known.find(([, count]) => count === report.num_usable);
  if (found !== undefined) return ` (${title}: ${found[0]}, complete)`;
  return known.length === 0
    ? ''
    : ` (${title} has ${known.map(([part, count]) => `${count} in ${part}`).join(', ')})`;
}

/** Token counts need the model folder's tokenizer and template; the frames are those of the preset. */
function counting(given: CheckChoice, questionType: QuestionType, out: Output) {
  const { model, maxPromptLength } = given;
  if (model === undefined) {
    if (maxPromptLength !== undefined)
      throw new ConfigError('--max-prompt-length needs --model: tokens are counted by a tokenizer');
    return {};
  }
  const processor = loadProcessor(model, { notice: (text) => out.warn(text) });
  return {
    max_prompt_length: maxPromptLength ?? processor.config.text_config.max_position_embeddings,
    countTokens: promptCounter(processor, {
      ...videoKeys(given, 'correct'),
      prompt_template: given.promptTemplate,
      question_type: questionType,
    }),
  };
}

const check: CommandDefinition = {
  examples: [
    'twgrpo data check items.jsonl --video-root videos',
    'twgrpo data check eval_mvbench.json --benchmark mvbench --video-root /data/MVBench --video-prefix /MVBench',
    'twgrpo data check items.jsonl --video-root videos --videos decode --model models/Qwen2.5-VL-7B-Instruct --max-prompt-length 4096 --json',
  ],
  configure: (command) => {
    const count = wholeNumber(1);
    command
      .argument(
        '<files...>',
        'question files: JSON, JSON Lines, Parquet or CSV of any form in docs/data.md, or hf://datasets/owner/name/path',
      )
      .addOption(
        new Option('--format <name>', 'form of the files; auto: told by the first record')
          .choices(['auto', ...DATA_FORMATS])
          .default('auto'),
      )
      .addOption(
        new Option(
          '--benchmark <name>',
          'hold the number of questions against this benchmark, and leave out the questions it leaves out',
        ).choices(BENCHMARK_NAMES),
      )
      .addOption(
        new Option(
          '--question-type <type>',
          'CLEVRER: only this kind of question (may be repeated)',
        ).argParser(collect),
      );
    rootOptions(command)
      .addOption(
        new Option(
          '--videos <how>',
          'exists: the file is there; probe: header and packets; decode: every frame',
        )
          .choices(VIDEO_CHECKS)
          .default('probe'),
      )
      .option('--jobs <n>', 'videos looked at together (default: the number of processors, at most 8)', count)
      .option(
        '--model <name>',
        'count prompt tokens with the tokenizer and chat template of this folder or hub model',
      )
      .option(
        '--max-prompt-length <n>',
        'a longer prompt is an error (default: what the model allows)',
        count,
      )
      .addOption(
        new Option('--prompt-template <name>', 'wording of the prompt for the count')
          .choices(PROMPT_TEMPLATES)
          .default('tw-grpo'),
      );
    frameOptions(command).option('--show <n>', 'how many issues of a kind to print', wholeNumber(0), 3);
  },
  run: async ({ args, options, out }) => {
    const given = options<CheckChoice>();
    const benchmark = given.benchmark === undefined ? undefined : benchmarkOf(given.benchmark);
    if (given.videoPrefix !== undefined && given.videoRoot === undefined)
      throw new ConfigError('--video-prefix needs --video-root: it says what the root stands for');
    const question_types = given.questionType ?? benchmark?.question_types;
    const model = given.model === undefined ? undefined : (await locateModel(given.model, out)).path;
    const count = counting(
      { ...given, ...(model === undefined ? {} : { model }) },
      benchmark?.answers === 'single' ? 'single' : 'mixed',
      out,
    );
    const stop = stopSignals(out, 'file');
    const reports: (DataReport | RefusedFile)[] = [];
    try {
      for (const file of args) {
        const progress = lateProgress(`videos of ${file}`, out);
        try {
          const { path } = await locateDataFile(file, out);
          const report = await checkData(path, {
            format: given.format,
            ...(question_types === undefined ? {} : { question_types }),
            ...(benchmark === undefined ? {} : { drop: benchmark.drop }),
            ...(given.videoRoot === undefined ? {} : { root: rootOf(given, file, question_types) }),
            videos: given.videos,
            ...(given.jobs === undefined ? {} : { jobs: given.jobs }),
            ...count,
            onProgress: (done, total) => progress.update(done, total),
            signal: stop.signal,
          });
          progress.stop();
          reports.push(report);
          printReport(report, expectedOf(report, given.benchmark), given.show, out);
        } catch (error) {
          progress.stop();
          if (stop.signal.aborted) return stop.exitCode();
          if (!(error instanceof DataError)) throw error;
          const { message, hint } = error;
          reports.push({ file, error: message, ...(hint === undefined ? {} : { hint }) });
          out.warn(formatError(error));
        }
      }
    } finally {
      stop.off();
    }
    const isSound = reports.every((report) => 'is_sound' in report && report.is_sound);
    out.json({ ok: isSound, files: reports });
    return isSound ? EXIT_CODES.done : EXIT_CODES.data;
  },
};

/** The prefix given, or the benchmark's where all paths of the file begin with it. */
function rootOf(given: CheckChoice, file: string, question_types: readonly string[] | undefined) {
  const video_root = given.videoRoot!;
  if (given.videoPrefix !== undefined) return { video_root, video_prefix: given.videoPrefix };
  const known = given.benchmark === undefined ? [] : benchmarkOf(given.benchmark).video_prefixes;
  if (known.length === 0) return { video_root };
  const { items } = readItemsWithIssues(file, {
    format: given.format,
    ...(question_types === undefined ? {} : { question_types }),
  });
  const video_prefix = known.find((prefix) =>
    items.every(({ media }) => media.every(({ path }) => path.startsWith(`${prefix}/`))),
  );
  return { video_root, video_prefix };
}

interface ConvertChoice {
  readonly output: string;
  readonly questionType?: readonly string[];
  readonly split?: string;
  readonly drop?: readonly string[];
}

const convert: CommandDefinition = {
  examples: [
    'twgrpo data convert clevrer validation.json --output clevrer_counterfactual_val.jsonl --split validation',
    'twgrpo data convert clevrer train.json --output clevrer_train.jsonl --split train --question-type explanatory --question-type predictive',
  ],
  configure: (command) =>
    void command
      .addArgument(new Argument('<set>', 'whose files these are').choices(['clevrer']))
      .argument(
        '<file>',
        'official question file: train.json or validation.json, or hf://datasets/owner/name/path',
      )
      .requiredOption(
        '-o, --output <file>',
        'JSON Lines file to write; questions without a right option go beside it as NAME.answerless.jsonl',
      )
      .addOption(
        new Option(
          '--question-type <type>',
          `kind of question (may be repeated; default: counterfactual): ${CLEVRER_QUESTION_TYPES.join(', ')}`,
        ).argParser(collect),
      )
      .option('--split <name>', 'name of the split, kept with each question')
      .option(
        '--drop <code>',
        'leave out broken questions of this kind, for example bad_field (may be repeated)',
        collect,
      ),
  run: async ({ args, options, out }) => {
    const given = options<ConvertChoice>();
    const { path: file } = await locateDataFile(args[1]!, out);
    if (resolve(file) === resolve(given.output))
      throw new ConfigError(`--output ${given.output} is the file to convert; choose another`);
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size !== undefined) out.status(`reading ${file} (${(size / 2 ** 20).toFixed(1)} MiB)`);
    const result = convertClevrer({
      questions_path: file,
      output_path: given.output,
      ...(given.questionType === undefined ? {} : { question_types: given.questionType }),
      ...(given.split === undefined ? {} : { split: given.split }),
      ...(given.drop === undefined ? {} : { drop: given.drop }),
    });
    const { num_single, num_multiple, num_answerless, dropped } = result;
    out.print(
      `${num_single + num_multiple} questions (${num_single} with one right option, ${num_multiple} with several)  ${result.output_path}`,
    );
    out.print(`${num_answerless} without a right option  ${result.answerless_path}`);
    if (dropped.length > 0) out.warn(`${dropped.length} broken questions left out`);
    out.json(result);
    return EXIT_CODES.done;
  },
};

export const data: CommandDefinition = {
  examples: [...check.examples.slice(0, 1), ...convert.examples.slice(0, 1)],
  subcommands: [
    {
      name: 'check',
      summary: 'find what is wrong with question files and their videos before hours of training',
      load: async () => check,
    },
    {
      name: 'filter',
      summary: 'keep the records that are worth training on: by their fields, by what a model answers',
      load: async () => (await import('./data-filter.ts')).filter,
    },
    {
      name: 'convert',
      summary: 'turn official question files into questions for training and evaluation',
      load: async () => convert,
    },
  ],
};
