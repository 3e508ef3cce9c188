/** `twgrpo world generate`: videos of a small physical world with questions and known answers, in the formats of CLEVRER. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  ConfigError,
  createProgress,
  EXIT_CODES,
  formatSeconds,
  type Output,
  percentNumber,
  tableLines,
} from '../base/index.ts';
import { writeWorldReport } from '../report/index.ts';
import {
  type BaselineScores,
  generateWorld,
  KINDS,
  QUESTION_KINDS,
  type QuestionKind,
  RUNGS,
  type Rung,
  type WorldFiles,
  type WorldOptions,
} from '../world/index.ts';
import type { CommandDefinition } from './command.ts';
import { collect, finiteNumber, positiveNumber, wholeNumber } from './numbers.ts';
import { stopSignals } from './stop-signals.ts';

/** Sizes by name; `clevrer` is that of the original. */
const PRESETS = {
  small: { width: 112, height: 112, fps: 8, num_frames: 32 },
  clevrer: { width: 480, height: 320, fps: 25.6, num_frames: 128 },
} as const;

interface GenerateChoice {
  readonly outputDir: string;
  readonly numVideos: number;
  readonly split?: readonly string[];
  readonly seed: number;
  readonly preset: keyof typeof PRESETS;
  readonly size?: readonly [number, number];
  readonly fps?: number;
  readonly numFrames?: number;
  readonly rung?: readonly Rung[];
  readonly kind?: readonly QuestionKind[];
  readonly questionsPerVideo: number;
  readonly negatedShare: number;
  readonly numObjects?: readonly [number, number];
  readonly threads: number;
  readonly report?: boolean;
}

const generate: CommandDefinition = {
  examples: [
    'twgrpo world generate --output-dir runs/world --num-videos 1000 --report',
    'twgrpo world generate --output-dir runs/world --split train=4000 --split validation=400 --rung order --rung motion --questions-per-video 3',
    'twgrpo world generate --output-dir runs/big --num-videos 200 --preset clevrer --rung counterfactual',
  ],
  configure: (command) =>
    void addSceneOptions(
      command
        .requiredOption('-o, --output-dir <folder>', 'where videos, annotations and questions are written')
        .option(
          '--num-videos <n>',
          'videos of the split "train", where --split is not given',
          wholeNumber(1),
          1000,
        )
        .option(
          '--split <name=n>',
          'a set of n videos of its own (may be repeated); no two share a video',
          collect,
        )
        .option('--seed <n>', 'of all that is drawn', wholeNumber(0), 0)
        .option('--threads <n>', 'threads that draw and encode', wholeNumber(1), availableParallelism())
        .option('--report', 'write report.html: samples, and what answers without understanding would score'),
    ),
  run: async ({ options, out }) => {
    const given = options<GenerateChoice>();
    const splits = readSplits(given);
    const stop = stopSignals(out, 'batch');
    const began = performance.now();
    const sets: (WorldFiles & { readonly split: string })[] = [];
    try {
      for (const split of splits)
        sets.push({ split: split.split, ...(await draw(given, split, stop.signal, out)) });
      for (const set of sets) print(set, out);
      const report_path = given.report ? join(given.outputDir, 'report.html') : undefined;
      if (report_path !== undefined) await writeWorldReport(report_path, sets);
      const seconds = (performance.now() - began) / 1000;
      const total = sets.reduce((sum, { num_videos }) => sum + num_videos, 0);
      out.print(`${total} videos in ${formatSeconds(seconds)}, under ${given.outputDir}`);
      if (report_path !== undefined) out.print(`report  ${report_path}`);
      out.json({ sets, seconds, ...(report_path === undefined ? {} : { report_path }) });
      return EXIT_CODES.done;
    } catch (error) {
      if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
      out.status('stopped; the same command continues');
      return stop.exitCode();
    } finally {
      stop.off();
    }
  },
};

function addSceneOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--preset <name>',
        'small: 112x112, 32 frames, 8 fps; clevrer: 480x320, 128 frames, 25.6 fps',
      )
        .choices(Object.keys(PRESETS))
        .default('small'),
    )
    .option('--size <WxH>', 'pixels, both even', readSize)
    .option('--fps <n>', 'frames a second', positiveNumber)
    .option('--num-frames <n>', 'frames of a video', wholeNumber(2))
    .addOption(
      new Option('--rung <name>', 'step of the ladder (may be repeated)').choices(RUNGS).argParser(collect),
    )
    .addOption(
      new Option('--kind <name>', 'kind of question (may be repeated; default: all of the rungs)')
        .choices(QUESTION_KINDS)
        .argParser(collect),
    )
    .option('--questions-per-video <n>', 'most questions of a video', wholeNumber(1), 1)
    .option('--negated-share <p>', 'chance that a question asks for what is not so', finiteNumber, 0.25)
    .option('--num-objects <n-m>', 'objects of a scene (default: as suits the kind of question)', readRange);
}

interface Split {
  readonly split: string;
  readonly num_videos: number;
  readonly first_index: number;
}

/** Splits begin at multiples of 10,000, as CLEVRER's validation does, so that one grows without touching the next. */
function readSplits({ split, numVideos }: GenerateChoice): Split[] {
  const splits: Split[] = [];
  let first_index = 0;
  for (const text of split ?? [`train=${numVideos}`]) {
    const match = /^([\w-]+)=(\d+)$/.exec(text);
    if (match === null || Number(match[2]) < 1)
      throw new ConfigError(`--split ${text}: expected NAME=NUMBER, for example validation=200`);
    if (splits.some((other) => other.split === match[1]))
      throw new ConfigError(`--split ${text}: ${match[1]} is given twice`);
    const num_videos = Number(match[2]);
    splits.push({ split: match[1]!, num_videos, first_index });
    first_index += Math.ceil(num_videos / 10_000) * 10_000;
  }
  return splits;
}

function readSize(text: string): readonly [number, number] {
  const match = /^(\d+)x(\d+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Expected WIDTHxHEIGHT, for example 224x224.');
  return [Number(match[1]), Number(match[2])];
}

function readRange(text: string): readonly [number, number] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const [least, most] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (!(least >= 1 && most >= least && most <= 10))
    throw new InvalidArgumentError('Expected a number or a range from 1 to 10, for example 3-5.');
  return [least, most];
}

/** Kinds that are asked about, in the order of the ladder. */
function chosenKinds({ rung, kind }: GenerateChoice): readonly QuestionKind[] {
  const kinds = QUESTION_KINDS.filter(
    (name) => (rung?.includes(KINDS[name].rung) ?? true) && (kind?.includes(name) ?? true),
  );
  if (kinds.length === 0)
    throw new ConfigError(`no kind of question is both in --rung ${rung} and --kind ${kind}`);
  return kinds;
}

async function draw(
  given: GenerateChoice,
  split: Split,
  signal: AbortSignal,
  out: Output,
): Promise<WorldFiles> {
  const preset = PRESETS[given.preset];
  const [width, height] = given.size ?? [preset.width, preset.height];
  const options: WorldOptions = {
    ...split,
    output_dir: given.outputDir,
    seed: given.seed,
    width,
    height,
    fps: given.fps ?? preset.fps,
    num_frames: given.numFrames ?? preset.num_frames,
    kinds: chosenKinds(given),
    questions_per_video: given.questionsPerVideo,
    negated_share: given.negatedShare,
    ...(given.numObjects === undefined ? {} : { scene: { numObjects: given.numObjects } }),
    threads: given.threads,
    signal,
  };
  const progress = createProgress({ total: split.num_videos, label: split.split, quiet: out.isQuiet });
  try {
    return await generateWorld({
      ...options,
      onProgress: (done) => progress.update(done),
      notice: (text) => out.status(text),
    });
  } finally {
    progress.stop();
  }
}

function print(
  { split, baselines, num_videos, num_questions }: WorldFiles & { split: string },
  out: Output,
): void {
  const row = (name: string, scores: BaselineScores) => [
    name,
    scores.n,
    percentNumber(scores.chance),
    percentNumber(scores.best_constant),
    percentNumber(scores.no_video),
    percentNumber(scores.presence),
    percentNumber(scores.facts),
    percentNumber(Math.max(...scores.single_frame)),
  ];
  out.print(out.bold(`${split}: ${num_videos} videos, ${num_questions} questions`));
  out.print('  strict accuracy (%) of answers that take no understanding:');
  const header = ['', 'questions', 'chance', 'constant', 'no video', 'presence', 'facts', 'one frame'];
  const rows = Object.entries(baselines.by_kind).map(([kind, scores]) => row(kind, scores));
  for (const line of tableLines(header, [...rows, row('all', baselines.all)])) out.print(`  ${line}`);
  out.print();
}

export const world: CommandDefinition = {
  examples: generate.examples.slice(0, 1),
  subcommands: [
    {
      name: 'generate',
      summary: 'draw videos with questions whose answers are known',
      load: async () => generate,
    },
  ],
};
