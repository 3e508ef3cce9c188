/** Scoring, generation of several prompts and an evaluation, on the CPU and on the strict device. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../../../src/base/index.ts';
import { itemSchema, toQuestion } from '../../../src/data/index.ts';
import { evaluate } from '../../../src/eval/index.ts';
import { createLora, LORA_TARGET_MODULES, mergeLora, openModelFolder } from '../../../src/models/index.ts';
import { FrameStore, promptLoader } from '../../../src/prompt/index.ts';
import { generateGroups } from '../../../src/rollout/index.ts';
import { Generator, setNumThreads } from '../../../src/tensor/index.ts';
import { resolveGrpoConfig } from '../../../src/train/index.ts';
import { quickKeys, writeModel, writeQuestions } from '../../../src/train/test-support.ts';
import { answer, STRICT } from './strict.ts';

export interface GenerationNumbers {
  /** Of given completions. */
  readonly logps: readonly number[];
  /** Likeliest tokens of eight prompts. */
  readonly greedy: readonly (readonly number[])[];
  /** Drawn with every part of the sampler, three completions of two prompts. */
  readonly sampled: readonly (readonly number[])[];
  /** Log-probabilities of the drawn tokens. */
  readonly sampled_logps: readonly number[];
  /** Under a fresh adapter with random weights, and with it merged into the weights. */
  readonly lora_logps: readonly number[];
  readonly merged_logps: readonly number[];
  /** Answers of an evaluation over videos. */
  readonly answers: readonly string[];
}

const folder = mkdtempSync(join(tmpdir(), 'twgrpo-strict-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
writeModel(folder);
writeQuestions(folder);
const logger = createLogger({ quiet: true, fd: 2 });
const clip = join(import.meta.dirname, '../../goldens/video/h264.mp4');

const questions = Array.from({ length: 3 }, (_, i) =>
  toQuestion(
    itemSchema.parse({
      id: `${i}`,
      media: [{ type: 'video', path: clip }],
      question: `Which shape moves in part ${i}?`,
      options: ['circle', 'square', 'star'],
      answer: ['A'],
    }),
    { video_root: '/' },
  ),
);

async function numbers(device: string): Promise<GenerationNumbers> {
  const opened = openModelFolder(join(folder, 'model'));
  const model = opened.loadModel({ device, dtype: 'float32' });
  const prompts = Array.from({ length: 8 }, (_, p) =>
    model.encodePrompt({ input_ids: Array.from({ length: 20 + p }, (_, i) => 10 + i) }),
  );
  const limits = { max_completion_length: 6, stop_token_ids: [], banned_token_ids: [1] };
  const completions = [
    [5, 6, 7, 8],
    [9, 10],
  ];
  const greedy = await generateGroups(model, prompts, {
    ...limits,
    greedy: true,
    num_generations: 1,
    generators: [],
  });
  const sampled = await generateGroups(model, prompts.slice(0, 2), {
    ...limits,
    num_generations: 3,
    top_p: 0.9,
    top_k: 20,
    min_p: 0.01,
    repetition_penalty: 1.1,
    generators: [new Generator(1), new Generator(2)],
  });
  const { config } = resolveGrpoConfig([
    { source: 'test', values: { ...quickKeys(folder), output_dir: join(folder, 'unused') } },
  ]);
  const { rows } = await evaluate({
    questions,
    load: promptLoader(opened.processor, config, new FrameStore({ budget_mib: 0 })),
    model,
    processor: opened.processor,
    output_dir: join(folder, `eval-${device.replace(':', '-')}`),
    settings: { device },
    sampling: { greedy: true },
    answer_parser: 'tolerant',
    logger,
    ...limits,
    batch_size: 2,
  });
  const lora_config = {
    r: 2,
    lora_alpha: 32,
    use_rslora: false,
    target_modules: LORA_TARGET_MODULES,
    exclude_modules: '.*visual.*',
  };
  const adapter = createLora(model, lora_config, { seed: 1 });
  // A fresh B is zero, which would hide a wrong path.
  for (const [name, weight] of adapter.weights) if (name.includes('lora_B')) weight.detach().fill_(0.05);
  const logps = model.completionLogps(prompts[0]!, completions).flat();
  model.adapter = adapter;
  const lora = model.completionLogps(prompts[0]!, completions);
  model.adapter = undefined;
  mergeLora(model.weights, adapter);
  const merged = model.completionLogps(prompts[0]!, completions);
  const result: GenerationNumbers = {
    logps,
    greedy: greedy.flat().map(({ ids }) => [...ids]),
    sampled: sampled.flat().map(({ ids }) => [...ids]),
    sampled_logps: sampled.flat().flatMap((one) => [...one.logps]),
    lora_logps: lora.flat(),
    merged_logps: merged.flat(),
    answers: rows.map((row) => row.completion),
  };
  model.dispose();
  return result;
}

setNumThreads(1);
answer({ cpu: await numbers('cpu'), strict: await numbers(STRICT) });
