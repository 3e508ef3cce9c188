/** `twgrpo eval`: a model on a benchmark or on any question file; resumable, comparable, with intervals. */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import {
  createLogger,
  DataError,
  EXIT_CODES,
  type JsonObject,
  type Output,
  percent,
  writeFileAtomic,
} from '../base/index.ts';
import { itemTask, type Question, toQuestion } from '../data/index.ts';
import { onlyMain, type Processes, together } from '../dist/index.ts';
import {
  answerSettings,
  CONTROL_WORDS,
  controlReader,
  type Evaluation,
  evaluate,
  readQuestionSet,
  samplingOf,
} from '../eval/index.ts';
import { authorsLogLine, scoreLog } from '../logs/index.ts';
import { openModelFolder, type VideoLanguageModel } from '../models/index.ts';
import { type FrameReader, FrameStore, PromptBuilder, promptCounter, promptLoader } from '../prompt/index.ts';
import {
  type ControlRun,
  controlText,
  evaluationReport,
  type ReportContent,
  writeReport,
} from '../report/index.ts';
import { type NamedRows, readEvaluationRows } from '../stats/index.ts';
import { resolveDevice } from '../tensor/index.ts';
import { checkpointSteps } from '../train/index.ts';
import { printAccuracy, printComparisons } from './accuracy-lines.ts';
import { askingProgress } from './asking-progress.ts';
import type { CommandDefinition } from './command.ts';
import { type EvalChoice, evalOptions, resolveSettings, samplingWith } from './eval-options.ts';
import { chooseQuestions, controlsOf, sayWhatIsRead } from './eval-questions.ts';
import { runShared } from './launch-options.ts';
import { locateChoice, planChoice, printPlans } from './locate.ts';
import { withModel } from './model-options.ts';
import { stopSignals } from './stop-signals.ts';

const NOTHING_ANSWERED = 'no question could be answered: check --video-root and --video-prefix';

/** `checkpoint-500` alone tells nothing: the run's name stands before it. */
function nameOf(folder: string): string {
  const own = basename(folder);
  return /^checkpoint-/.test(own) ? `${basename(dirname(folder))}-${own}` : own;
}

function defaultOutput(given: EvalChoice, protocol: string): string {
  const first = basename(given.data[0]!, extname(given.data[0]!));
  const model = [given.model, given.adapter].flatMap((path) => (path === undefined ? [] : nameOf(path)));
  return join('runs', 'eval', model.join('+'), `${given.benchmark ?? first}.${protocol}`);
}

/** Rows of another evaluation, or of a log in the authors' format. */
function readOther(path: string): NamedRows {
  if (!existsSync(path)) throw new DataError(`--compare ${path}: no such folder or file`);
  if (statSync(path).isDirectory()) return { name: path, rows: readEvaluationRows(path) };
  const log = scoreLog(path, { mode: 'tolerant' });
  if (log.scores === undefined) throw new DataError(`--compare ${path}: holds no row of a results log`);
  return { name: path, rows: log.scored };
}

/** A model folder, or the newest checkpoint of a run folder. */
function modelOf(path: string, out: Output): string {
  const step = existsSync(join(path, 'config.json')) ? undefined : checkpointSteps(path).at(-1);
  if (step === undefined) return path;
  const checkpoint = join(path, `checkpoint-${step}`);
  out.warn(`--model ${path} is a run; its newest checkpoint is taken, ${checkpoint}`);
  return checkpoint;
}

/** Everything that is known before a model is loaded. */
async function prepare(asked: EvalChoice, out: Output) {
  const given = { ...asked, model: modelOf(asked.model, out) };
  const resolved = resolveSettings(given);
  const { benchmark, name } = resolved;
  const { at, commits } = await locateChoice(given, out);
  const set = readQuestionSet(at.data, {
    format: given.format,
    ...(benchmark === undefined ? {} : { benchmark }),
    ...(given.drop === undefined ? {} : { drop: given.drop }),
    ...(given.videoPrefix === undefined ? {} : { video_prefix: given.videoPrefix }),
  });
  const root = { video_root: given.videoRoot ?? '.', video_prefix: set.video_prefix };
  const judged = set.items.filter((item) => itemTask(item) !== 'open');
  if (judged.length < set.items.length)
    out.warn(
      `${set.items.length - judged.length} open questions are not asked: nothing here can score them without a problem_type`,
    );
  const questions = chooseQuestions(given, judged, resolved.question_type).map((item) =>
    toQuestion(item, { ...root, clip: resolved.clip }),
  );
  sayWhatIsRead(given, set, questions.length, out);
  const numParts = set.items.filter(({ media }) =>
    media.some(({ start, end }) => start !== undefined || end !== undefined),
  ).length;
  if (numParts > 0)
    out.status(
      `${numParts} questions name a part of their video: ${resolved.clip ? 'only it is shown' : 'ignored, the whole video is shown'} (clip: ${resolved.clip})`,
    );

  const folder = openModelFolder(at.model, { notice: (text) => out.warn(text) });
  const { processor, generation } = folder;
  const sampling = samplingWith(given, samplingOf(resolved.protocol, generation));
  const label = resolved.changed.length === 0 ? name : `${name} with own ${resolved.changed.join(', ')}`;
  const settings: JsonObject = {
    protocol: label,
    benchmark: given.benchmark ?? null,
    ...answerSettings({
      ...resolved,
      ...{
        model: at.model,
        adapter: at.adapter,
        data_fingerprint: set.fingerprint,
        sampling,
        seed: given.seed,
      },
      ...{ dtype: given.dtype, compute_dtype: given.computeDtype, text_after_vision: given.textAfterVision },
      pixel_unit: processor.config.pixel_unit,
      limits: processor.limits,
    }),
  };
  const facts: JsonObject = {
    model: given.model,
    adapter: given.adapter ?? null,
    data: given.data,
    ...commits,
    part: set.part ?? null,
    formats: set.formats,
    ...root,
    device: resolveDevice(given.device, '--device'),
  };
  const loaderOptions = {
    ...resolved.video,
    prompt_template: resolved.prompt_template,
    question_type: resolved.question_type,
    max_prompt_length: given.maxPromptLength ?? processor.config.text_config.max_position_embeddings,
  };
  const output_dir = given.outputDir ?? defaultOutput(given, name);
  const others = given.compare === undefined ? [] : [readOther(given.compare)];
  const asksAgain = controlsOf(given, questions);
  return {
    ...{ given, at, resolved, label, set, questions, folder, sampling, settings, facts, loaderOptions },
    ...{ output_dir, others, asksAgain },
  };
}

type Prepared = Awaited<ReturnType<typeof prepare>>;

/** Asks the model and writes what came of it; several processes share the questions. */
async function run(prepared: Prepared, processes: Processes, out: Output): Promise<number> {
  const { given, at, resolved, label, set, questions, folder, sampling, settings, facts } = prepared;
  const { output_dir, others, asksAgain } = prepared;
  const { processor } = folder;
  const videoPreset = resolved.video.video;
  let code: number = EXIT_CODES.done;
  await withModel(folder, { ...at, videoPreset }, out, async (model) => {
    const stop = stopSignals(out, 'batch');
    // What "default" means depends on the device, and may change a score.
    const made = { ...settings, compute_dtype: model.compute_dtype };
    try {
      const evaluation = await answerAll(model, stop.signal, { questions, output_dir, settings: made });
      const answered = new Set(evaluation.rows.map(({ id }) => id));
      let { stopped_by } = evaluation;
      const controls: ControlRun[] = [];
      for (const [control, all] of asksAgain) {
        if (stopped_by !== undefined) break;
        // What has no answer with its video has nothing to be compared with.
        const again = all.filter(({ id }) => answered.has(id));
        const { rows, ...rest } = await answerAll(model, stop.signal, {
          questions: again,
          output_dir: join(output_dir, control),
          settings: { ...made, control },
          label: control,
          read: controlReader(control),
        });
        stopped_by = rest.stopped_by;
        controls.push({ control, shows: CONTROL_WORDS[control], rows, questions: again.length });
      }
      const title = `${nameOf(given.model)} on ${given.benchmark ?? given.data.join(', ')}, protocol ${label}`;
      const report = evaluationReport(title, evaluation, {
        questions: questions.length,
        left_out: set.dropped,
        settings: { ...made, ...facts },
        others,
        controls,
      });
      await onlyMain(processes, 'the report', () => {
        writeReport(output_dir, report, [...others, ...controls.map(named)]);
        if (given.authorsLog === undefined) return;
        const itemOf = new Map(questions.map(({ id, item }) => [id, item]));
        const lines = evaluation.rows.map((row) =>
          authorsLogLine(row, itemOf.get(row.id)!, resolved.answer_parser),
        );
        writeFileAtomic(given.authorsLog, lines.map((line) => `${line}\n`).join(''));
      });
      const isComplete = stopped_by === undefined;
      printReport(report, out);
      out.print(`results  ${output_dir}`);
      out.json({ output_dir, ...figuresOf({ ...evaluation, isComplete }), ...report });
      if (!isComplete) {
        out.status('stopped; the same command continues with the questions that are left');
        code = stop.exitCode(stopped_by);
      } else if (evaluation.rows.length === 0) {
        out.warn(NOTHING_ANSWERED);
        code = EXIT_CODES.data;
      }
    } finally {
      stop.off();
    }
  });
  return code;

  async function answerAll(
    model: VideoLanguageModel,
    signal: AbortSignal,
    task: {
      readonly questions: readonly Question[];
      readonly output_dir: string;
      readonly settings: JsonObject;
      readonly label?: string;
      readonly read?: FrameReader;
    },
  ): Promise<Evaluation> {
    const { questions, output_dir, settings, label = 'eval', read } = task;
    const progress = askingProgress(label, questions.length, output_dir, out);
    const logger = createLogger({ quiet: out.isQuiet, fd: 2, color: out.hasColor });
    try {
      return await evaluate({
        model,
        processor,
        questions,
        load: promptLoader(
          processor,
          prepared.loaderOptions,
          new FrameStore({ budget_mib: 0, logger, ...(read === undefined ? {} : { read }) }),
        ),
        output_dir,
        settings,
        facts,
        batch_size: given.batchSize,
        max_completion_length: resolved.max_completion_length,
        sampling,
        seed: given.seed,
        answer_parser: resolved.answer_parser,
        stop_token_ids: folder.stop_token_ids,
        banned_token_ids: folder.banned_token_ids,
        logger,
        onProgress: progress.update,
        signal,
        processes,
      });
    } finally {
      progress.stop();
    }
  }
}

/** What only this attempt knows. */
function figuresOf({ isComplete, num_resumed, batch_size }: Evaluation): JsonObject {
  return { is_complete: isComplete, num_resumed, batch_size };
}

const named = ({ control, rows }: ControlRun): NamedRows => ({ name: control, rows });

function printReport(report: ReportContent, out: Output): void {
  const { name, accuracy, answers, coverage, comparisons, controls } = report;
  out.print(out.bold(name));
  const again = controls.flatMap(({ control, accuracy: part }) =>
    part === null ? [] : [[control, part] as const],
  );
  if (accuracy !== null) printAccuracy(accuracy, out, { again });
  if (answers !== null) {
    const { mean_length = Number.NaN, truncated = Number.NaN, format = Number.NaN } = answers;
    out.print();
    out.print(
      `  answers: ${mean_length.toFixed(1)} tokens on average, ${percent(truncated, 2)} cut off, ${percent(format, 2)} in the <think> <answer> form`,
    );
  }
  const notes = [
    `${coverage.answered} of ${coverage.questions} questions, ${coverage.missing} without a readable video`,
    ...(coverage.waiting > 0 ? [`${coverage.waiting} still to be answered`] : []),
    ...Object.entries(coverage.left_out).map(([code, count]) => `${count} left out of the files: ${code}`),
  ];
  out.print(`  covered: ${notes.join('; ')}`);
  if (comparisons.length > 0) out.print();
  printComparisons(comparisons, out);
  if (controls.length > 0) out.print();
  for (const figures of controls) out.print(`  ${controlText(figures)}`);
}

async function dryRun(asked: EvalChoice, out: Output): Promise<number> {
  const downloads = await planChoice({ ...asked, model: modelOf(asked.model, out) }, out);
  if (downloads.length > 0) {
    printPlans(downloads, out);
    out.json({ downloads });
    return EXIT_CODES.done;
  }
  const { settings, facts, output_dir, questions, folder, loaderOptions } = await prepare(asked, out);
  folder.checkWeights();
  const { processor } = folder;
  const videos = [...new Set(questions.flatMap(({ media }) => media.map(({ file }) => file)))];
  const missing = videos.filter((video) => !existsSync(video));
  const first = questions[0]!;
  const tokens = promptCounter(processor, loaderOptions)(first.item);
  const prompt = new PromptBuilder(processor, loaderOptions).rendered(first.item);
  const line = (key: string, value: string): void => out.print(`${key.padEnd(22)}  ${value}`);
  for (const [key, value] of Object.entries({ ...settings, ...facts, output_dir }))
    if (value !== undefined && value !== null)
      line(key, typeof value === 'string' ? value : JSON.stringify(value));
  line('questions', String(questions.length));
  line('videos', `${videos.length}, ${missing.length} missing`);
  for (const video of missing.slice(0, 3)) line('', `missing: ${video}`);
  line('first prompt', `at most ${tokens} tokens, frames included:`);
  for (const text of prompt.split('\n')) out.print(`  ${text}`);
  out.json({
    settings,
    facts,
    output_dir,
    questions: questions.length,
    videos: videos.length,
    missing_videos: missing,
    first_prompt: prompt,
    first_prompt_tokens: tokens,
  });
  if (missing.length < videos.length) return EXIT_CODES.done;
  out.warn(NOTHING_ANSWERED);
  return EXIT_CODES.data;
}

export const evaluateCommand: CommandDefinition = {
  examples: [
    'twgrpo eval --model models/Qwen2.5-VL-7B-Instruct --benchmark mmvu --data eval_mmvu.json --video-root /data/MMVU',
    'twgrpo eval --model runs/a/checkpoint-500 --data held-out.jsonl --video-root videos --compare runs/eval/base/held-out.tw-grpo',
    'twgrpo eval --model runs/a/checkpoint-500 --data held-out.jsonl --video-root videos --blind --single-frame',
    'twgrpo eval --model models/Qwen2.5-VL-7B-Instruct --benchmark mvbench --data eval_mvbench.json --video-root /data/MVBench --protocol zero-shot-authors --limit 100 --dry-run',
  ],
  configure: evalOptions,
  run: async ({ options, out }) => {
    const given = options<EvalChoice>();
    if (given.dryRun === true) return await dryRun(given, out);
    return await runShared(given, out, async ({ processes, device }) => {
      const prepared = await together(processes, 'the checks before the questions', () =>
        prepare({ ...given, device }, out),
      );
      return await run(prepared, processes, out);
    });
  },
};
