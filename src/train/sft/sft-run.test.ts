/** @file Supervised runs on a tiny model and a real clip: packing, resume, curriculum, errors. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { SMALLEST } from '../../../tests/support/smallest-model.ts';
import { ConfigError, createLogger, DataError, type JsonObject } from '../../base/index.ts';
import { readItems, toQuestion } from '../../data/index.ts';
import { createTinyCheckpoint, loadModel, loadProcessor, type Processor } from '../../models/index.ts';
import type { MetricsRow } from '../../run/index.ts';
import { fromTypedArray, liveTensors, scope } from '../../tensor/index.ts';
import { resolveSftConfig } from '../config/sft-config.ts';
import { packQuestions, SftEncoder } from './sft-packs.ts';
import { runSft, type SftRunOptions, type SftRunResult } from './sft-run.ts';
import { accumulateSftGradient, type SftGroup, sftLoss } from './sft-update.ts';

const folder = scratchFolder();

const CLIP = join(import.meta.dirname, '../../../tests/goldens/video/h264.mp4');
const SMALL = { ...SMALLEST, seed: 5, vocab_size: 320, rope_theta: 100 };
createTinyCheckpoint(join(folder, 'model'), SMALL);

const KINDS = ['presence', 'order', 'motion'];
function writeData(
  name: string,
  count: number,
  change: (row: JsonObject, i: number) => JsonObject = (row) => row,
): string {
  const file = join(folder, name);
  const rows = Array.from({ length: count }, (_, i) =>
    change(
      {
        problem_id: `q${i}`,
        problem: `Which shape ${'really '.repeat(i % 3)}moves?\nA. circle\nB. square\nC. star`,
        video: CLIP,
        // Three parts of the clip stand for three videos.
        start: 0,
        end: 0.5 + 0.1 * (i % 3),
        process: `<think>${['red c3', 'blue', 'it goes left then up'][i % 3]}</think>`,
        solution: `<answer>${['A', 'B,C', 'C'][i % 3]}</answer>`,
        dims: { kind: KINDS[i % 3]! },
      },
      i,
    ),
  );
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}
const DATA = writeData('questions.jsonl', 9);
const HELD_OUT = writeData('held-out.jsonl', 4);

const KEYS: JsonObject = {
  model_name_or_path: join(folder, 'model'),
  jsonl_path: DATA,
  video_root: '/',
  output_dir: join(folder, 'unused'),
  max_frames: 2,
  max_pixels: 56 * 56,
  max_completion_length: 40,
  max_prompt_length: 512,
  pack_size: 2,
  packs_per_micro_batch: 2,
  learning_rate: 1e-2,
  optimizer: 'muon',
  num_threads: 1,
  max_steps: 6,
};

const config = (keys: JsonObject) => resolveSftConfig([{ source: 'test', values: { ...KEYS, ...keys } }]);
const quiet = () => createLogger({ quiet: true, fd: 2 });
const train = (keys: JsonObject, options: Partial<SftRunOptions> = {}): Promise<SftRunResult> =>
  runSft({ resolved: config(keys), logger: quiet(), ...options });

function rowsOf(outputDir: string): MetricsRow[] {
  // What is decoded ahead when a step ends is the clock's doing too.
  const isMeasured = (key: string) => /^time\/|^step_time$|per_second$|^live_tensors$|^memory\//.test(key);
  return readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => Object.entries(JSON.parse(line)).filter(([key]) => !isMeasured(key)))
    .map((entries) => Object.fromEntries(entries) as MetricsRow);
}

/** Groups of the file's first questions with made-up frames, packed by `size`. */
/** How many tokens of a group count in the loss. */
const countedTokens = ({ rows }: SftGroup): number =>
  rows.reduce((sum, { ids, lossFrom }) => sum + ids.length - lossFrom, 0);

function groupsOf(size: number, processor: Processor): SftGroup[] {
  const questions = readItems(DATA)
    .items.slice(0, 6)
    .map((item) => toQuestion(item, { video_root: '/' }));
  const encoder = new SftEncoder({ ...config({}).config, processor });
  return packQuestions(questions, size).map((pack) => {
    const seed = Math.round(10 * pack.questions[0]!.media[0]!.end!);
    const bytes = Uint8Array.from({ length: 4 * 3 * 56 * 56 }, (_, i) => (i * seed * 7919) % 251);
    const frames = fromTypedArray(bytes, [4, 3, 56, 56]);
    return encoder.group(pack, encoder.rows(pack), [{ frames, secondPerGridS: 0.5 }]);
  });
}

describe('packs', () => {
  it('hold questions of one part of one video, at most pack_size of them', () => {
    const questions = readItems(DATA).items.map((item) => toQuestion(item, { video_root: '/' }));
    const ids = packQuestions(questions, 2).map((pack) => pack.questions.map(({ id }) => id));
    expect(ids).toEqual([['q0', 'q3'], ['q6'], ['q1', 'q4'], ['q7'], ['q2', 'q5'], ['q8']]);
  });

  it('give the loss and the gradient of questions computed one by one, with and without recomputation, and in parts', () => {
    const before = liveTensors();
    const dir = join(folder, 'model');
    const processor = loadProcessor(dir);
    const model = loadModel(dir, { dtype: 'float32' });
    model.freeze({});
    const measure = (size: number, gradient_checkpointing: boolean, numParts = 1) =>
      scope(() => {
        const groups = groupsOf(size, processor);
        const total = groups.reduce((sum, group) => sum + countedTokens(group), 0);
        for (const weight of model.parameters().values()) weight.grad = undefined;
        const options = { gradient_checkpointing, logits_chunk_mib: 0.01 };
        const updates = groups.map((group) =>
          accumulateSftGradient(model, group, 1 / total, options, numParts),
        );
        const silent = groups.map((group) => sftLoss(model, group, options));
        expect(silent.map(({ numRight }) => numRight)).toEqual(updates.map(({ numRight }) => numRight));
        const grads = [...model.parameters()].map(
          ([name, { grad }]) => [name, grad!.toTypedArray()] as const,
        );
        return {
          total,
          loss: updates.reduce((sum, { loss }) => sum + loss, 0) / total,
          right: updates.reduce((sum, { numRight }) => sum + numRight, 0),
          grads: new Map(grads as [string, Float32Array][]),
        };
      });
    const single = measure(1, false);
    for (const packed of [measure(4, false), measure(4, true), measure(4, false, 2)]) {
      expect([packed.total, packed.right]).toEqual([single.total, single.right]);
      expect(Math.abs(packed.loss - single.loss)).toBeLessThan(1e-6);
      for (const [name, own] of single.grads) {
        const other = packed.grads.get(name)!;
        const scale = Math.hypot(...own);
        const apart = Math.hypot(...own.map((value, i) => value - other[i]!));
        expect(apart / scale, name).toBeLessThan(1e-5);
      }
    }
    for (const weight of model.parameters().values()) weight.grad = undefined;
    model.dispose();
    expect(liveTensors()).toBe(before);
  });

  it('teach process, solution and end token, and read the prompt exactly as generation does', () => {
    const processor = loadProcessor(join(folder, 'model'));
    scope(() => {
      const [group] = groupsOf(1, processor);
      const [{ ids, lossFrom }] = group!.rows as [SftGroup['rows'][0]];
      expect(processor.tokenizer.decode(ids.slice(lossFrom))).toBe(
        '<think>red c3</think>\n<answer>A</answer><|im_end|>',
      );
      expect(processor.tokenizer.decode(ids.slice(0, lossFrom))).toMatch(
        /^Which shape moves\?\nA\. circle.*assistant\n$/s,
      );
      expect(group!.inputs.input_ids.at(-1)).toBe(processor.config.vision_end_token_id);
    });
  });
});

describe('a run that was stopped and resumed equals one that was not, bit for bit', () => {
  const variants: Record<string, JsonObject> = {
    'Muon, evaluations, a curriculum': {
      eval_jsonl_path: HELD_OUT,
      eval_steps: 2,
      lr_scheduler_type: 'warmup_stable_decay',
      warmup_ratio: 0.2,
      weight_decay: 0.01,
      curriculum: [
        { where: { kind: ['presence', 'order'] }, max_steps: 2, learning_rate: 0.003 },
        { where: { kind: ['motion'] }, max_steps: 2 },
        {},
      ],
    },
    'AdamW, an adapter, recomputed layers': { optimizer: 'adamw', lora_r: 2, gradient_accumulation_steps: 2 },
  };
  it.each(Object.keys(variants))('%s', async (name) => {
    const keys = { ...variants[name]!, max_steps: 6 };
    const at = (label: string) => join(folder, `${Object.keys(variants).indexOf(name)}-${label}`);
    const before = liveTensors();
    const whole = await train({ ...keys, output_dir: at('whole') });
    const stop = new AbortController();
    const stopped = await train(
      { ...keys, output_dir: at('stopped') },
      { signal: stop.signal, onStep: ({ step }) => (step === 3 ? stop.abort() : undefined) },
    );
    expect(stopped).toMatchObject({ step: 3, stopped: true });
    const resumed = await train({ ...keys, output_dir: at('stopped') }, { resume: 'auto' });
    expect([whole.step, resumed.step]).toEqual([6, 6]);
    expect(resumed.eval_strict).toBe(whole.eval_strict);
    expect(rowsOf(at('stopped'))).toEqual(rowsOf(at('whole')));
    for (const file of readdirSync(whole.checkpoint!, { recursive: true, withFileTypes: true })) {
      if (!file.name.endsWith('.safetensors')) continue;
      const path = join(file.parentPath, file.name);
      const other = path.replace(at('whole'), at('stopped'));
      expect(readFileSync(other).equals(readFileSync(path)), file.name).toBe(true);
    }
    expect(liveTensors()).toBe(before);
  });
});

describe('a run', () => {
  it('learns its answers by heart, and a stage ends when its held-out questions are answered', async () => {
    const output_dir = join(folder, 'learns');
    const result = await train({
      output_dir,
      eval_jsonl_path: DATA,
      curriculum: [{ where: { kind: ['presence'] }, until: 1 }],
      eval_steps: 5,
      max_steps: 60,
      muon_learning_rate: 0.02,
    });
    expect(result).toMatchObject({ stages_done: 1, eval_strict: 1 });
    expect(result.step).toBeLessThan(60);
    const rows = rowsOf(output_dir);
    const steps = rows.filter(({ loss }) => loss !== undefined);
    expect(Number(steps.at(-1)!['loss'])).toBeLessThan(0.5 * Number(steps[0]!['loss']));
    expect(rows.at(-1)).toMatchObject({
      eval_strict: 1,
      'eval_strict/kind/presence': 1,
      eval_num_questions: 3,
    });
    const file = join(output_dir, 'eval', `step-${String(result.step).padStart(6, '0')}.json`);
    expect(JSON.parse(readFileSync(file, 'utf8')).answers[0]).toMatchObject({ chosen: ['A'], right: true });
  });

  it('ends by the clock and keeps the time it has used', async () => {
    const output_dir = join(folder, 'clock');
    const result = await train({ output_dir, max_steps: null, max_minutes: 0.01 });
    const state = JSON.parse(
      readFileSync(join(result.checkpoint!, 'training_state', 'trainer.json'), 'utf8'),
    );
    expect(state.used_ms).toBeGreaterThanOrEqual(600);
    const again = await train({ output_dir, max_steps: null, max_minutes: 0.01 }, { resume: 'auto' });
    expect(again.step).toBe(result.step);
  });

  it('tells what is wrong before it begins', async () => {
    const wrong = (keys: JsonObject) => () => config(keys);
    expect(wrong({ learning_rat: 1 })).toThrow(/learning_rat .*did you mean learning_rate/);
    expect(wrong({ optimizer: 'sgd' })).toThrow(/optimizer \(test\).*got "sgd"/);
    expect(wrong({ num_generations: 4 })).toThrow(/num_generations \(test\): no such key/);
    expect(wrong({ curriculum: [{ until: 2 }] })).toThrow(/curriculum\.0\.until \(test\).*got 2/);
    expect(wrong({ curriculum: [{ where: {}, untill: 1 }] })).toThrow(
      /curriculum\.0\.untill \(test\): no such key/,
    );
    expect(wrong({ curriculum: [{ until: 0.5 }] })).toThrow(/eval_jsonl_path is missing/);
    expect(wrong({ curriculum: [{}, {}] })).toThrow(/curriculum\.0 never ends/);
    expect(wrong({ curriculum: [{}], max_steps: null })).toThrow(/needs max_steps or max_minutes/);
    await expect(train({ dtype: 'bfloat16', output_dir: join(folder, 'narrow') })).rejects.toThrow(
      ConfigError,
    );
    await expect(train({ curriculum: [{ where: { kind: ['color'] } }] })).rejects.toThrow(
      /curriculum\.0: no item of .* is kind color/,
    );
    await expect(train({ max_completion_length: 5 })).rejects.toThrow(
      /item q0: .* tokens long, max_completion_length is 5/,
    );
    const marked = writeData('marked.jsonl', 2, (row) => ({ ...row, process: '<think>a<|im_end|></think>' }));
    await expect(train({ jsonl_path: marked })).rejects.toThrow(/item q0: its process holds <\|im_end\|>/);
    const number = writeData('number.jsonl', 2, (row) => ({ ...row, process: 3 }));
    await expect(train({ jsonl_path: number })).rejects.toThrow(DataError);
  });

  it('learns the solution alone where there is no process, and says so; leaves out kinds that are not known', async () => {
    const said: string[] = [];
    const listen = {
      info: (text: string) => said.push(text),
      warn: (text: string) => said.push(text),
      debug() {},
    };
    const file = writeData('bare.jsonl', 4, ({ process, ...row }, i) =>
      i === 0 ? { ...row, process } : i === 1 ? { ...row, problem_type: 'riddle' } : row,
    );
    const output_dir = join(folder, 'bare');
    await train({ jsonl_path: file, output_dir, max_steps: 1 }, { logger: listen as never });
    expect(said.join('\n')).toMatch(/1 items are of no known problem_type.*2 of 3 items have no "process"/s);
  });
});
