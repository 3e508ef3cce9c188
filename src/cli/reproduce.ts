/** `twgrpo reproduce`: whether everything is at hand to repeat the paper's run; docs/reproduce.md has the commands that follow. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import {
  EXIT_CODES,
  type JsonObject,
  type Output,
  packageRoot,
  readEngineFile,
  TwgrpoError,
} from '../base/index.ts';
import { drawLikeAuthors, isMultiple, readItems, toQuestion } from '../data/index.ts';
import { benchmarkOf, readQuestionSet } from '../eval/index.ts';
import { openModelFolder, publishedSize } from '../models/index.ts';
import { engineInfo, NativeError } from '../tensor/index.ts';
import { resolveGrpoConfig } from '../train/index.ts';
import type { CommandDefinition } from './command.ts';

interface Choice {
  readonly check?: boolean;
  readonly model?: string;
  readonly data?: string;
  readonly videoRoot?: string;
  readonly evalData?: string;
  readonly evalRoot?: string;
}

interface Finding {
  readonly name: string;
  /** `other`: it runs, but is not what the paper used. */
  readonly status: 'ok' | 'other' | 'missing';
  readonly summary: string;
}

/** The recipes from the authors' baseline to their method. */
const RECIPES = [
  'grpo-paper.yaml',
  'ablation/1-soft-reward.yaml',
  'ablation/2-frozen-vision.yaml',
  'ablation/3-token-mean.yaml',
  'tw-grpo-paper.yaml',
];
const NUM_DRAWN = 2000;

function recipes(): Finding {
  for (const name of RECIPES) {
    const source = join(packageRoot(), 'recipes', name);
    resolveGrpoConfig([{ source, values: parse(readFileSync(source, 'utf8')) as JsonObject }]);
  }
  return { name: 'recipes', status: 'ok', summary: `${RECIPES.length}, from the baseline to the method` };
}

function model(folder: string | undefined): Finding {
  const name = 'model';
  if (folder === undefined) return { name, status: 'missing', summary: 'not given: --model' };
  // What the configuration leaves out is said where the model is used.
  const { config } = openModelFolder(folder, { notice: () => undefined });
  const { num_hidden_layers, hidden_size } = config.text_config;
  const size = publishedSize(config);
  const facts = `${config.model_type}, ${num_hidden_layers} layers of ${hidden_size}`;
  return size === 'Qwen2.5-VL-7B'
    ? { name, status: 'ok', summary: `${facts}: ${size}` }
    : { name, status: 'other', summary: `${facts}; the paper trains Qwen2.5-VL-7B-Instruct` };
}

function trainingData(file: string | undefined, video_root: string | undefined): Finding[] {
  const name = 'questions';
  if (file === undefined) return [{ name, status: 'missing', summary: 'not given: --data' }];
  const { items } = readItems(file);
  const numMultiple = items.filter(isMultiple).length;
  const drawn = drawLikeAuthors(items.length, NUM_DRAWN).map((index) => items[index]!);
  const facts = `${items.length}, ${numMultiple} with several right options`;
  const questions: Finding =
    items.length > NUM_DRAWN
      ? { name, status: 'ok', summary: `${facts}; ${NUM_DRAWN} are drawn, the first is ${drawn[0]!.id}` }
      : { name, status: 'other', summary: `${facts}; all are used, the authors drew ${NUM_DRAWN} of more` };
  if (video_root === undefined)
    return [questions, { name: 'videos', status: 'missing', summary: 'not given: --video-root' }];
  const videos = new Set(
    drawn.flatMap((item) => toQuestion(item, { video_root }).media.map(({ file }) => file)),
  );
  const missing = [...videos].filter((video) => !existsSync(video));
  const summary = `${videos.size} of the drawn questions, ${missing.length} missing`;
  return [
    questions,
    missing.length === 0
      ? { name: 'videos', status: 'ok', summary }
      : { name: 'videos', status: 'missing', summary: `${summary}, the first is ${missing[0]}` },
  ];
}

function evaluationData(file: string | undefined, video_root: string | undefined): Finding {
  const name = 'evaluation';
  if (file === undefined) return { name, status: 'missing', summary: 'not given: --eval-data' };
  const set = readQuestionSet([file], { benchmark: benchmarkOf('clevrer-counterfactual') });
  const videos = new Set(
    set.items.flatMap((item) =>
      toQuestion(item, { video_root: video_root ?? '.', video_prefix: set.video_prefix }).media.map(
        ({ file }) => file,
      ),
    ),
  );
  const numMissing = [...videos].filter((video) => !existsSync(video)).length;
  const summary = `${set.items.length} questions, ${videos.size} videos, ${numMissing} missing`;
  if (numMissing > 0) return { name, status: 'missing', summary: `${summary}: check --eval-root` };
  return set.part === undefined
    ? { name, status: 'other', summary: `${summary}; the paper asks 9238` }
    : { name, status: 'ok', summary };
}

function device(): Finding {
  const name = 'device';
  // Of a build for the CPU it is known without starting the engine.
  const { cuda_available, cuda_device_count } =
    readEngineFile()?.cuda === false ? { cuda_available: false, cuda_device_count: 0 } : engineInfo();
  return cuda_available
    ? { name, status: 'ok', summary: `${cuda_device_count} CUDA; the paper's run takes 58 GB of one by plan` }
    : {
        name,
        status: 'missing',
        summary: 'no CUDA: a 7B run is out of reach, small ones take the processor',
      };
}

/** A finding for what can not be read: its error is the summary. */
function attempt(name: string, look: () => Finding | Finding[]): Finding[] {
  try {
    return [look()].flat();
  } catch (error) {
    if (!(error instanceof TwgrpoError || error instanceof NativeError)) throw error;
    return [{ name, status: 'missing', summary: error.message }];
  }
}

function check(given: Choice, out: Output): number {
  const findings = [
    ...attempt('recipes', recipes),
    ...attempt('model', () => model(given.model)),
    ...attempt('questions', () => trainingData(given.data, given.videoRoot)),
    ...attempt('evaluation', () => evaluationData(given.evalData, given.evalRoot)),
    ...attempt('device', device),
  ];
  const paint = { ok: out.green, other: out.yellow, missing: out.red };
  for (const { name, status, summary } of findings)
    out.print(`${paint[status].call(out, status.padEnd(8))} ${name.padEnd(11)} ${summary}`);
  const isReady = findings.every(({ status }) => status !== 'missing');
  out.print(
    isReady
      ? 'all is there; docs/reproduce.md has the commands'
      : 'not ready; docs/reproduce.md says where things come from',
  );
  out.json({ ok: isReady, findings });
  return isReady ? EXIT_CODES.done : EXIT_CODES.data;
}

export const reproduce: CommandDefinition = {
  examples: [
    'twgrpo reproduce --check',
    'twgrpo reproduce --check --model Qwen2.5-VL-7B-Instruct --data clevrer_counterfactual_train.json --video-root CLEVRER/train_video --eval-data clevrer_counterfactual_val.json --eval-root CLEVRER/validation_video',
  ],
  configure: (command) =>
    void command
      .requiredOption('--check', 'look whether recipes, model, questions, videos and device are there')
      .option('--model <folder>', 'folder of Qwen2.5-VL-7B-Instruct')
      .option('--data <file>', 'counterfactual questions of the training split')
      .option('--video-root <folder>', 'folder that their paths start from')
      .option('--eval-data <file>', 'counterfactual questions of the validation split')
      .option('--eval-root <folder>', 'folder that their paths start from'),
  run: ({ options, out }) => check(options<Choice>(), out),
};
