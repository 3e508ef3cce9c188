/**
 * `twgrpo demo`: TW-GRPO at work on a laptop, offline. Draws clips, asks the small model that comes with the project about
 * some it has never seen, trains it for some minutes while you watch, asks again, and writes it all down in report.html.
 */
import { mkdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { Option } from 'commander';
import {
  createLogger,
  createProgress,
  formatSeconds,
  type Output,
  packageVersion,
  writeFileAtomic,
} from '../base/index.ts';
import { readItems, toQuestion } from '../data/index.ts';
import {
  chooseFolder,
  chooseModel,
  DEFAULT_FOLDER,
  DEMO_FILE,
  DEMO_MODES,
  type DemoMode,
  type DemoModeName,
  demoConfig,
  demoWorlds,
  heaviestWords,
  MAX_COMPLETION_LENGTH,
  PROMPT_TEMPLATE,
  printResult,
  printSamples,
  trainMinutes,
  VIDEO_CACHE_MIB,
  VIDEO_KEYS,
  verdict,
} from '../demo/index.ts';
import { answerBothWays, type BothWays, WAYS, type Way } from '../eval/index.ts';
import { FrameStore } from '../prompt/index.ts';
import { readTrainingRun, sampleAnswers, type TrainingPage, trainingPage } from '../report/index.ts';
import { type BeforeAfter, beforeAfter } from '../stats/index.ts';
import { type GrpoRunResult, type ResolvedConfig, runGrpo } from '../train/index.ts';
import { samplingSettings } from '../video/index.ts';
import { generateWorld, type WorldFiles, type WorldOptions } from '../world/index.ts';
import type { CommandDefinition } from './command.ts';
import { positiveNumber, wholeNumber } from './numbers.ts';
import { stopSignals } from './stop-signals.ts';
import { createTrainProgress, grpoFacts, type TrainProgress } from './train-progress.ts';

const WAY_WORDS: Readonly<Record<Way, string>> = {
  sampled: 'as the policy samples (temperature 1)',
  greedy: 'greedy (the likeliest token each time)',
};

interface DemoOptions {
  readonly outputDir?: string;
  readonly model?: string;
  readonly seed: number;
  readonly quick?: boolean;
  readonly full?: boolean;
  readonly replace?: boolean;
  readonly minutes?: number;
  readonly questions?: number;
}

export const demo: CommandDefinition = {
  examples: [
    'twgrpo demo',
    'twgrpo demo --quick',
    'twgrpo demo --seed 2 --minutes 4 --output-dir runs/second-demo',
    'twgrpo demo --full --model runs/demo/run/checkpoint-400',
  ],
  configure: (command) =>
    void command
      .option(
        '--output-dir <folder>',
        `where everything is written (default: ${DEFAULT_FOLDER}, or the next free ${DEFAULT_FOLDER}-2, …)`,
      )
      .option('--model <folder>', 'the model to start from (default: assets/cold-start)')
      .option('--seed <number>', 'of the clips and the sampling', wholeNumber(0), 1)
      .addOption(new Option('--quick', 'two minutes in all, 150 held-out questions').conflicts('full'))
      .option('--full', 'twenty minutes of training, 1000 held-out questions')
      .option('--minutes <number>', 'wall time of training at most', positiveNumber)
      .option('--questions <number>', 'held-out questions, one a clip', wholeNumber(1))
      .option('--replace', 'remove an earlier demo in that folder first'),
  run: ({ options, out }) => runDemo(options<DemoOptions>(), out),
};

async function runDemo(given: DemoOptions, out: Output): Promise<number> {
  const modeName: DemoModeName = given.quick ? 'quick' : given.full ? 'full' : 'normal';
  const { seed, minutes: maxMinutes, questions: numQuestions } = given;
  const mode: DemoMode = {
    ...DEMO_MODES[modeName],
    ...(maxMinutes === undefined ? {} : { minutes: maxMinutes }),
    ...(numQuestions === undefined ? {} : { questions: numQuestions }),
  };
  const model = chooseModel(given.model);
  const folder = chooseFolder(given.outputDir, given.replace === true);
  mkdirSync(folder, { recursive: true });
  const about = { made_by: 'twgrpo demo', version: packageVersion(), mode: modeName, seed, model };
  writeFileAtomic(join(folder, DEMO_FILE), `${JSON.stringify(about, null, 2)}\n`);

  const began = performance.now();
  const secondsSince = (start: number) => (performance.now() - start) / 1000;
  const stop = stopSignals(out);
  const frames = new FrameStore({ budget_mib: VIDEO_CACHE_MIB });
  const stopped = (): number => {
    out.print(`stopped; what there is so far lies in ${here(folder)}`);
    out.json({ stopped: true, output_dir: folder });
    return stop.exitCode();
  };
  try {
    out.status(out.bold('1/5  drawing clips that nobody has seen'));
    const worlds = demoWorlds(mode, folder, seed);
    const heldOut = await draw(worlds.heldOut, stop.signal, out);
    const trained = heldOut && (await draw(worlds.train, stop.signal, out));
    if (heldOut === undefined || trained === undefined) return stopped();

    out.status(out.bold('2/5  what the model says about them'));
    const questions = readItems(heldOut.jsonl_path).items.map((item) => toQuestion(item, heldOut));
    const ask = (when: 'before' | 'after', asked: string) =>
      answerBothWays({
        ...{ model: asked, questions, frames, seed, signal: stop.signal },
        keys: { ...VIDEO_KEYS, prompt_template: PROMPT_TEMPLATE },
        max_completion_length: MAX_COMPLETION_LENGTH,
        folderOf: (way) => join(folder, 'eval', `${when}-${way}`),
        showProgress: (way) =>
          createProgress({ total: questions.length, label: `${when}, ${way}`, quiet: out.isQuiet }),
      });
    const beforeBegan = performance.now();
    const before = await ask('before', model);
    if (before === undefined) return stopped();
    printSamples(before.greedy, out);

    const minutes = trainMinutes(mode, secondsSince(began), secondsSince(beforeBegan));
    out.status(out.bold(`3/5  TW-GRPO, ${formatSeconds(60 * minutes)}`));
    const resolved = demoConfig({ folder, model, files: trained, seed, minutes });
    const trainBegan = performance.now();
    const run = await train(resolved, stop.signal, out);
    const trainS = secondsSince(trainBegan);
    if (run.stopped || run.checkpoint === undefined) return stopped();

    out.status(out.bold('4/5  the same questions again'));
    const after = await ask('after', run.checkpoint);
    if (after === undefined) return stopped();

    out.status(out.bold('5/5  the report'));
    const results = Object.fromEntries(
      WAYS.map((way) => [way, beforeAfter(WAY_WORDS[way], before[way], after[way], 'kind')]),
    ) as Record<Way, BeforeAfter>;
    const summary = [
      `${here(model)} was trained for ${formatSeconds(trainS)} (${run.step} steps of ${resolved.config.prompts_per_micro_batch} questions with ${resolved.config.num_generations} answers each) with TW-GRPO on ${trained.num_questions} questions about ${trained.num_videos} clips, and asked ${questions.length} questions about ${heldOut.num_videos} other clips before and after.`,
      ...WAYS.map((way) => verdict(results[way])),
    ];
    const next = nextCommands(folder, run.checkpoint, modeName);
    const report = join(folder, 'report.html');
    const page = await demoPage({ resolved, summary, results, before, after, next, seed });
    writeFileAtomic(report, trainingPage(page));

    out.print();
    for (const way of WAYS) printResult(results[way], out);
    for (const note of page.notes) out.print(`  ${note}`);
    out.print();
    out.print(
      `  took ${formatSeconds(secondsSince(began))}, of which training ${formatSeconds(trainS)} (${run.step} steps)`,
    );
    out.print(`  report   ${here(report)}`);
    out.print(`  model    ${here(run.checkpoint)}`);
    out.print(`  all else ${here(folder)}`);
    out.print();
    for (const { command, what } of next) out.print(`  ${what}:\n    ${command}`);
    const record = {
      ...about,
      steps: run.step,
      seconds: { all: secondsSince(began), training: trainS },
      results,
      output_dir: folder,
      report,
      checkpoint: run.checkpoint,
    };
    writeFileAtomic(join(folder, 'report.json'), `${JSON.stringify(record, null, 2)}\n`);
    out.json(record);
    return stop.exitCode();
  } finally {
    frames.dispose();
    stop.off();
  }
}

/** As short as possible: relative inside of the working directory. */
function here(path: string): string {
  const inside = relative(process.cwd(), resolve(path));
  return inside.startsWith('..') ? resolve(path) : inside || '.';
}

/** @returns undefined when stopped */
async function draw(
  options: WorldOptions,
  signal: AbortSignal,
  out: Output,
): Promise<WorldFiles | undefined> {
  const progress = createProgress({
    total: options.num_videos,
    label: options.split ?? '',
    quiet: out.isQuiet,
  });
  try {
    return await generateWorld({ ...options, signal, onProgress: (done) => progress.update(done) });
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    progress.stop();
  }
}

async function train(resolved: ResolvedConfig, signal: AbortSignal, out: Output): Promise<GrpoRunResult> {
  let progress: TrainProgress | undefined;
  try {
    return await runGrpo({
      resolved,
      logger: createLogger({ quiet: true, fd: 2 }),
      signal,
      onStart: (start) => {
        progress = createTrainProgress(start, { label: 'train', quiet: out.isQuiet, plainEveryS: 5 });
      },
      onStep: (report) => progress?.update(report, { ...grpoFacts(report), weighs: heaviestWords(report) }),
    });
  } finally {
    progress?.stop();
  }
}

interface PageParts {
  readonly resolved: ResolvedConfig;
  readonly summary: readonly string[];
  readonly results: Readonly<Record<Way, BeforeAfter>>;
  readonly before: BothWays;
  readonly after: BothWays;
  readonly next: TrainingPage['next'];
  readonly seed: number;
}

async function demoPage(parts: PageParts): Promise<TrainingPage> {
  const { resolved, summary, results, before, after, next, seed } = parts;
  const { config, sources } = resolved;
  const chosen = Object.entries(config).filter(([key]) => key in sources);
  return {
    title: `TW-GRPO demo, seed ${seed}`,
    summary,
    results: WAYS.map((way) => results[way]),
    notes: [
      'Strict: the chosen set of options is the right set. Soft: |S| / |G| where the chosen set S is part of the right set G, else 0; it is the reward that training raises. Intervals are of 95 % (Wilson; soft: bootstrap). p: McNemar, exact, two-sided.',
      'Temperature 1 is the policy as it samples and as training rewards it; greedy takes the likeliest token each time.',
    ],
    run: readTrainingRun(config.output_dir),
    token_weight_max: config.token_weight_max,
    answers: await sampleAnswers(before.greedy, after.greedy, samplingSettings(VIDEO_KEYS)),
    settings: chosen.map(([key, value]) => [key, JSON.stringify(value)]),
    next,
  };
}

function nextCommands(folder: string, checkpoint: string, mode: DemoModeName): TrainingPage['next'] {
  const config = here(join(folder, 'run', 'config.yaml'));
  const output = (name: string) => here(join(folder, name));
  return [
    ...(mode === 'full'
      ? []
      : [{ command: 'twgrpo demo --full', what: 'Train for longer, measure on more questions' }]),
    {
      command: `twgrpo train --config ${config} --set loss_type=grpo --set output_dir=${output('run-grpo')}`,
      what: 'The same run with plain GRPO, without token weights',
    },
    {
      command: `twgrpo train --config ${config} --set accuracy=exact --set output_dir=${output('run-exact')}`,
      what: 'The same run with a reward for exactly right answers only',
    },
    {
      command: `twgrpo demo --model ${here(checkpoint)} --seed 2`,
      what: 'Go on from the trained model, on other clips',
    },
    {
      command:
        'twgrpo train --config recipes/tw-grpo.yaml --set model_name_or_path=... --set jsonl_path=... --set video_root=...',
      what: 'Your own model and videos',
    },
  ];
}
