/**
 * `twgrpo demo`: the whole way on a laptop, offline. Draws short videos, makes a small model with random weights, trains
 * it with TW-GRPO on real decoded frames, and answers held-out questions before and after.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { readItems } from '../data/index.ts';
import { type AccuracyTable, accuracyTable, evaluate } from '../eval/index.ts';
import { createTinyCheckpoint, Processor, Qwen2_5VL, readGenerationConfig } from '../models/index.ts';
import { bannedTokenIds, promptLoader, stopTokenIds, toQuestion } from '../rollout/index.ts';
import { ConfigError, createLogger, createProgress, formatSeconds, packageRoot } from '../run/index.ts';
import { type GrpoConfig, resolveGrpoConfig, runGrpo } from '../train/index.ts';
import { generateWorld, type WorldFiles } from '../world/index.ts';
import type { CommandDefinition, Output } from './command.ts';
import { stepFacts, stopSignals } from './train.ts';

interface DemoOptions {
  readonly outputDir: string;
  readonly steps: string;
  readonly seed: string;
  readonly replace?: boolean;
}

const NUM_TRAIN = 32;
const NUM_HELD_OUT = 32;

export const demo: CommandDefinition = {
  examples: ['twgrpo demo', 'twgrpo demo --steps 80 --output-dir runs/longer-demo'],
  configure: (command) =>
    void command
      .option('--output-dir <folder>', 'where everything is written', 'runs/demo')
      .option('--steps <number>', 'training steps', '60')
      .option('--seed <number>', 'of the videos, the weights and the sampling', '7')
      .option('--replace', 'remove an earlier demo in that folder first'),
  run: async ({ options, out }) => {
    const given = options<DemoOptions>();
    const [steps, seed] = [wholeNumber('--steps', given.steps), wholeNumber('--seed', given.seed)];
    const dir = given.outputDir;
    if (existsSync(join(dir, 'run', 'run.json'))) {
      if (!given.replace && given.outputDir !== 'runs/demo')
        throw new ConfigError(`${dir} holds an earlier demo`, {
          hint: 'add --replace, or choose another --output-dir',
        });
      rmSync(dir, { recursive: true });
    }
    const began = performance.now();
    const stop = stopSignals(out);
    const logger = createLogger({ quiet: true, fd: 2 });
    try {
      out.status(out.bold('1/4  drawing videos'));
      const trainFiles = await draw(
        out,
        { output_dir: join(dir, 'world'), num_videos: NUM_TRAIN, seed, split: 'train' },
        stop.signal,
      );
      const heldOut = await draw(
        out,
        { output_dir: join(dir, 'world'), num_videos: NUM_HELD_OUT, seed: seed + 1, split: 'held-out' },
        stop.signal,
      );

      out.status(out.bold('2/4  a small model with random weights'));
      const modelDir = join(dir, 'model');
      createTinyCheckpoint(modelDir, { seed, replace: true, corpus: corpus(trainFiles) });

      const { config, sources } = demoConfig(dir, trainFiles, modelDir, steps, seed);
      out.status(out.bold('3/4  held-out questions before training, then TW-GRPO'));
      const before = await measure(
        out,
        'before',
        modelDir,
        heldOut,
        config,
        join(dir, 'eval-before'),
        stop.signal,
      );
      const progress = createProgress({ total: steps, label: 'train', quiet: out.isQuiet, plainEveryS: 5 });
      const rewards: number[] = [];
      const result = await runGrpo({
        resolved: { config, sources },
        logger,
        signal: stop.signal,
        onStep: (report) => {
          rewards.push(Number(report.metrics['reward']));
          progress.update(report.step, stepFacts(report));
        },
      }).finally(() => progress.stop());
      if (result.stopped) return stop.exitCode();

      out.status(out.bold('4/4  the same questions after training'));
      const after = await measure(
        out,
        'after',
        result.checkpoint,
        heldOut,
        config,
        join(dir, 'eval-after'),
        stop.signal,
      );
      const seconds = (performance.now() - began) / 1000;
      show(out, { before, after, rewards, seconds, dir, checkpoint: result.checkpoint });
      return stop.exitCode();
    } finally {
      stop.off();
    }
  },
};

function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new ConfigError(`${flag} ${text}: expected a whole number of at least 1`);
  return value;
}

async function draw(
  out: Output,
  options: {
    readonly output_dir: string;
    readonly num_videos: number;
    readonly seed: number;
    readonly split: string;
  },
  signal: AbortSignal,
): Promise<WorldFiles> {
  const progress = createProgress({ total: options.num_videos, label: options.split, quiet: out.isQuiet });
  try {
    return await generateWorld({ ...options, signal, onProgress: (done) => progress.update(done) });
  } finally {
    progress.stop();
  }
}

/** What the tokenizer learns its words from: the questions themselves. */
function corpus({ jsonl_path }: WorldFiles): string[] {
  return readFileSync(jsonl_path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { problem: string }).problem);
}

function demoConfig(dir: string, files: WorldFiles, modelDir: string, steps: number, seed: number) {
  return resolveGrpoConfig([
    {
      source: 'demo',
      values: {
        model_name_or_path: modelDir,
        jsonl_path: files.jsonl_path,
        video_root: files.video_root,
        output_dir: join(dir, 'run'),
        loss_type: 'tw_grpo',
        reward_funcs: [join(packageRoot(), 'recipes', 'rewards', 'letters.mjs')],
        num_generations: 8,
        max_completion_length: 8,
        max_frames: 8,
        max_pixels: 112 * 112,
        per_device_train_batch_size: 4,
        learning_rate: 3e-3,
        lr_scheduler_type: 'constant_with_warmup',
        warmup_ratio: 0.1,
        gradient_checkpointing: false,
        max_steps: steps,
        save_steps: steps,
        seed,
      },
    },
  ]);
}

interface Measured {
  readonly table: AccuracyTable;
  /** Mean reward of the greedy answers. */
  readonly reward: number;
}

async function measure(
  out: Output,
  label: string,
  modelDir: string,
  files: WorldFiles,
  config: GrpoConfig,
  output_dir: string,
  signal: AbortSignal,
): Promise<Measured> {
  const processor = Processor.fromPretrained(modelDir);
  const model = Qwen2_5VL.fromPretrained(modelDir);
  const generation = readGenerationConfig(modelDir, model.config);
  const questions = readItems(files.jsonl_path).items.map((item) => toQuestion(item, files));
  const progress = createProgress({ total: questions.length, label, quiet: out.isQuiet });
  try {
    const { rows } = await evaluate({
      model,
      processor,
      questions,
      load: promptLoader(processor, config),
      output_dir,
      settings: {
        model: modelDir,
        data: files.jsonl_path,
        max_completion_length: config.max_completion_length,
      },
      max_completion_length: config.max_completion_length,
      sampling: { greedy: true },
      answer_parser: 'tolerant',
      stop_token_ids: stopTokenIds(generation, model.config),
      banned_token_ids: bannedTokenIds(processor, generation),
      batch_size: 16,
      logger: createLogger({ quiet: true, fd: 2 }),
      onProgress: (done, facts) => progress.update(done, facts),
      signal,
    });
    const { reward } = (await import(`file://${config.reward_funcs[0]}`)) as {
      reward(
        inputs: readonly { completion: string; solution: string; options: readonly string[] }[],
      ): number[];
    };
    const byId = new Map(questions.map((question) => [question.id, question]));
    const values = reward(
      rows.map(({ id, completion }) => ({
        completion,
        solution: byId.get(id)!.solution,
        options: byId.get(id)!.options,
      })),
    );
    return {
      table: accuracyTable(rows),
      reward: values.reduce((sum, value) => sum + value, 0) / values.length,
    };
  } finally {
    progress.stop();
    model.dispose();
  }
}

interface DemoResult {
  readonly before: Measured;
  readonly after: Measured;
  readonly rewards: readonly number[];
  readonly seconds: number;
  readonly dir: string;
  readonly checkpoint: string;
}

function show(out: Output, { before, after, rewards, seconds, dir, checkpoint }: DemoResult): void {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
  const tenth = Math.max(1, Math.round(rewards.length / 10));
  const start = mean(rewards.slice(0, tenth));
  const end = mean(rewards.slice(-tenth));
  const row = (label: string, a: string, b: string) =>
    out.print(`  ${label.padEnd(34)}${a.padStart(10)}${b.padStart(10)}`);
  const percent = ({ table: { overall } }: Measured) => `${(100 * overall.strict).toFixed(1)} %`;
  out.print();
  row('', 'before', 'after');
  row('reward while training', start.toFixed(2), end.toFixed(2));
  row(
    `reward on ${after.table.overall.n} held-out questions`,
    before.reward.toFixed(2),
    after.reward.toFixed(2),
  );
  row('all options right (strict)', percent(before), percent(after));
  out.print();
  out.print(
    '  The reward of this demo is a first lesson: answer with option letters, and with right ones (recipes/rewards/letters.mjs).',
  );
  out.print(
    '  A model of random weights learns letters in a minute, not to read a video: its accuracy means nothing yet.',
  );
  out.print();
  const here = (path: string) => relative(process.cwd(), resolve(path));
  out.print(`  took ${formatSeconds(seconds)}`);
  out.print(`  videos and questions   ${here(join(dir, 'world'))}`);
  out.print(`  metrics of every step  ${here(join(dir, 'run', 'metrics.jsonl'))}`);
  out.print(`  every completion       ${here(join(dir, 'run', 'completions'))}`);
  out.print(`  trained model          ${here(checkpoint)}`);
  out.print(`  answers                ${here(join(dir, 'eval-before'))}, ${here(join(dir, 'eval-after'))}`);
  out.json({
    reward: { first_steps: start, last_steps: end },
    held_out: {
      before: { reward: before.reward, ...before.table.overall },
      after: { reward: after.reward, ...after.table.overall },
    },
    seconds,
    checkpoint,
    output_dir: dir,
  });
}
