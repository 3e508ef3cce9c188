/** The demo from first to last: clips are drawn, the model is asked, trained and asked again, and all of it is written down. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  createLogger,
  createProgress,
  formatSeconds,
  type Output,
  packageVersion,
  writeFileAtomic,
} from '../base/index.ts';
import { readItems, toQuestion } from '../data/index.ts';
import { answerBothWays, WAYS, type Way } from '../eval/index.ts';
import { FrameStore } from '../prompt/index.ts';
import { type TrainingPage, trainingPage } from '../report/index.ts';
import { type BeforeAfter, beforeAfter } from '../stats/index.ts';
import {
  createTrainProgress,
  grpoFacts,
  type ResolvedConfig,
  type RunResult,
  runGrpo,
  type TrainProgress,
} from '../train/index.ts';
import { generateWorld, type WorldFiles, type WorldOptions } from '../world/index.ts';
import { heaviestWords, printSamples, verdict } from './demo-output.ts';
import {
  DEMO_FILE,
  type DemoMode,
  type DemoModeName,
  demoConfig,
  demoWorlds,
  MAX_COMPLETION_LENGTH,
  PROMPT_TEMPLATE,
  trainMinutes,
  VIDEO_CACHE_MIB,
  VIDEO_KEYS,
} from './demo-plan.ts';
import { demoPage, here, nextCommands } from './demo-report.ts';

const WAY_WORDS: Readonly<Record<Way, string>> = {
  sampled: 'as the policy samples (temperature 1)',
  greedy: 'greedy (the likeliest token each time)',
};

export interface DemoRequest {
  readonly modeName: DemoModeName;
  readonly mode: DemoMode;
  /** Folder of the model to start from. */
  readonly model: string;
  /** Everything is written here. */
  readonly folder: string;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Where the stages, the first answers and the progress are shown. */
  readonly out: Output;
}

/** What report.json says. */
export interface DemoRecord {
  readonly made_by: string;
  readonly version: string;
  readonly mode: DemoModeName;
  readonly seed: number;
  readonly model: string;
  readonly steps: number;
  /** Wall time in seconds. */
  readonly seconds: { readonly all: number; readonly training: number };
  readonly results: Readonly<Record<Way, BeforeAfter>>;
  readonly output_dir: string;
  readonly report: string;
  readonly checkpoint: string;
}

export interface DemoResult {
  readonly record: DemoRecord;
  /** How the numbers are to be read. */
  readonly notes: readonly string[];
  readonly next: TrainingPage['next'];
}

/** @returns undefined when stopped by the signal; what there is so far lies in the folder */
export async function runDemo(request: DemoRequest): Promise<DemoResult | undefined> {
  const { modeName, mode, model, folder, seed, signal, out } = request;
  mkdirSync(folder, { recursive: true });
  const about = { made_by: 'twgrpo demo', version: packageVersion(), mode: modeName, seed, model };
  writeFileAtomic(join(folder, DEMO_FILE), `${JSON.stringify(about, null, 2)}\n`);

  const began = performance.now();
  const secondsSince = (start: number) => (performance.now() - start) / 1000;
  const frames = new FrameStore({ budget_mib: VIDEO_CACHE_MIB });
  try {
    out.status(out.bold('1/5  drawing clips that nobody has seen'));
    const worlds = demoWorlds(mode, folder, seed);
    const heldOut = await draw(worlds.heldOut, signal, out);
    const trained = heldOut && (await draw(worlds.train, signal, out));
    if (heldOut === undefined || trained === undefined) return undefined;

    out.status(out.bold('2/5  what the model says about them'));
    const questions = readItems(heldOut.jsonl_path).items.map((item) => toQuestion(item, heldOut));
    const ask = (when: 'before' | 'after', asked: string) =>
      answerBothWays({
        ...{ model: asked, questions, frames, seed, signal },
        keys: { ...VIDEO_KEYS, prompt_template: PROMPT_TEMPLATE },
        max_completion_length: MAX_COMPLETION_LENGTH,
        folderOf: (way) => join(folder, 'eval', `${when}-${way}`),
        showProgress: (way) =>
          createProgress({ total: questions.length, label: `${when}, ${way}`, quiet: out.isQuiet }),
      });
    const beforeBegan = performance.now();
    const before = await ask('before', model);
    if (before === undefined) return undefined;
    printSamples(before.greedy, out);

    const minutes = trainMinutes(mode, secondsSince(began), secondsSince(beforeBegan));
    out.status(out.bold(`3/5  TW-GRPO, ${formatSeconds(60 * minutes)}`));
    const resolved = demoConfig({ folder, model, files: trained, seed, minutes });
    const trainBegan = performance.now();
    const run = await train(resolved, signal, out);
    const trainS = secondsSince(trainBegan);
    if (run.stopped || run.checkpoint === undefined) return undefined;

    out.status(out.bold('4/5  the same questions again'));
    const after = await ask('after', run.checkpoint);
    if (after === undefined) return undefined;

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

    const seconds = { all: secondsSince(began), training: trainS };
    const written = { output_dir: folder, report, checkpoint: run.checkpoint };
    const record = { ...about, steps: run.step, seconds, results, ...written };
    writeFileAtomic(join(folder, 'report.json'), `${JSON.stringify(record, null, 2)}\n`);
    return { record, notes: page.notes, next };
  } finally {
    frames.dispose();
  }
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

async function train(resolved: ResolvedConfig, signal: AbortSignal, out: Output): Promise<RunResult> {
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
