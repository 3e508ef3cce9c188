/** Training runs on a tiny model that give all their numbers, for comparing one device with another. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, type JsonObject } from '../../../src/base/index.ts';
import { type CheckpointFiles, loadCheckpoint, openSafetensors } from '../../../src/io/index.ts';
import { createTinyCheckpoint } from '../../../src/models/index.ts';
import type { MetricsRow } from '../../../src/run/index.ts';
import { noGrad, scope, stack } from '../../../src/tensor/index.ts';
import { resolveGrpoConfig, resolveSftConfig, runGrpo, runSft } from '../../../src/train/index.ts';
import { quickKeys, writeModel, writeQuestions } from '../../../src/train/test-support.ts';

const folder = mkdtempSync(join(tmpdir(), 'twgrpo-strict-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const model = writeModel(folder, { vocab_size: 320, rope_theta: 100 });
const qwen3 = join(folder, 'qwen3');
createTinyCheckpoint(qwen3, {
  model_type: 'qwen3_vl',
  head_dim: 32,
  num_hidden_layers: 4,
  vocab_size: 320,
  rope_theta: 100,
});
writeQuestions(folder);
const grpoKeys = quickKeys(folder);
const logger = createLogger({ quiet: true, fd: 2 });
const outputDir = (name: string, device: string): string =>
  join(folder, `${name} ${device}`.replaceAll(/[^a-z0-9_]+/gi, '-'));

/** What is alike on all devices: sampled ids exactly, the numbers up to rounding. */
export interface RunNumbers {
  /** Completions by step, group and row; empty for supervised runs. */
  readonly ids: readonly (readonly (readonly number[])[])[];
  /** Log-probabilities of their tokens under the policy before each update, by step. */
  readonly logps: readonly (readonly number[])[];
  /** By step. */
  readonly metrics: readonly Readonly<Record<string, number>>[];
  /** Of the metrics: bytes by step. */
  readonly memory: readonly Readonly<Record<string, number>>[];
  /** The run's last checkpoint. */
  readonly checkpoint: string;
}

const COMPARED = ['loss', 'grad_norm', 'entropy', 'kl', 'mean_token_accuracy', 'eval_loss'];
const compared = (row: MetricsRow): Record<string, number> =>
  Object.fromEntries(COMPARED.flatMap((key) => (typeof row[key] === 'number' ? [[key, row[key]]] : [])));

const memoryOf = (row: MetricsRow): Record<string, number> =>
  Object.fromEntries(Object.entries(row).filter(([key]) => key.startsWith('memory/'))) as Record<
    string,
    number
  >;

export interface GrpoCase {
  readonly name: string;
  readonly keys: JsonObject;
  /** A model of this family in place of Qwen2.5-VL's. */
  readonly family?: 'qwen3_vl';
  /** End the run after this step and resume it. */
  readonly stop_after?: number;
  /** Called after each step with the run folder. */
  readonly onStep?: (output_dir: string) => void;
}

export async function trainGrpo(
  { name, keys, stop_after, family, onStep }: GrpoCase,
  device: string,
): Promise<RunNumbers> {
  const ids: number[][][] = [];
  const logps: number[][] = [];
  const metrics: Record<string, number>[] = [];
  const memory: Record<string, number>[] = [];
  const output_dir = outputDir(name, device);
  const model_name_or_path = family === undefined ? model : qwen3;
  const values = {
    ...{ ...grpoKeys, max_steps: 2, dtype: 'float32', ...keys, device, output_dir },
    model_name_or_path,
  };
  const attempt = async (stopAfter: number | undefined): Promise<string> => {
    const stop = new AbortController();
    const { checkpoint } = await runGrpo({
      resolved: resolveGrpoConfig([{ source: 'test', values }]),
      logger,
      resume: 'auto',
      signal: stop.signal,
      onStep: ({ step, metrics: row, groups }) => {
        metrics.push(compared(row));
        memory.push(memoryOf(row));
        ids.push(groups.flatMap(({ rollouts }) => rollouts.map((one) => [...one.ids])));
        logps.push(groups.flatMap(({ rollouts }) => rollouts.flatMap(({ update }) => [...update!.logps])));
        onStep?.(output_dir);
        if (step === stopAfter) stop.abort();
      },
    });
    return checkpoint!;
  };
  if (stop_after !== undefined) await attempt(stop_after);
  return { checkpoint: await attempt(undefined), ids, logps, metrics, memory };
}

/** Questions with a chain of thought, of which three parts of the clip stand for three videos. */
function writeLessons(name: string, count: number): string {
  const file = join(folder, name);
  const rows = Array.from({ length: count }, (_, i) => ({
    problem_id: `q${i}`,
    problem: `Which shape ${'really '.repeat(i % 3)}moves?\nA. circle\nB. square\nC. star`,
    video: join(import.meta.dirname, '../../goldens/video/h264.mp4'),
    start: 0,
    end: 0.5 + 0.1 * (i % 3),
    process: `<think>${['red c3', 'blue', 'it goes left then up'][i % 3]}</think>`,
    solution: `<answer>${['A', 'B,C', 'C'][i % 3]}</answer>`,
    dims: { kind: 'motion' },
  }));
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}
const lessons = writeLessons('lessons.jsonl', 6);
const heldOut = writeLessons('held-out.jsonl', 3);

export async function trainSft(optimizer: 'adamw' | 'muon', device: string): Promise<RunNumbers> {
  const metrics: Record<string, number>[] = [];
  const memory: Record<string, number>[] = [];
  const values = {
    model_name_or_path: model,
    jsonl_path: lessons,
    eval_jsonl_path: heldOut,
    video_root: '/',
    max_frames: 2,
    max_pixels: 56 * 56,
    max_completion_length: 40,
    max_prompt_length: 512,
    packs_per_micro_batch: 3,
    pack_size: 2,
    learning_rate: 1e-3,
    max_steps: 2,
    eval_steps: 2,
    num_threads: 1,
    check_prompts: false,
    dtype: 'float32',
    optimizer,
    device,
    output_dir: outputDir(`sft ${optimizer}`, device),
  };
  const { checkpoint } = await runSft({
    resolved: resolveSftConfig([{ source: 'test', values }]),
    logger,
    onStep: ({ metrics: row }) => {
      metrics.push(compared(row));
      memory.push(memoryOf(row));
    },
    onEvaluation: (_step, _stage, { loss, mean_token_accuracy }) =>
      void metrics.push({ loss, mean_token_accuracy }),
  });
  return { ids: [], logps: [], metrics, memory, checkpoint: checkpoint! };
}

/** The adapter of a LoRA run, else all weights. */
function weightsOf(checkpoint: string): CheckpointFiles {
  const adapter = join(checkpoint, 'adapter_model.safetensors');
  return existsSync(adapter) ? openSafetensors(adapter) : loadCheckpoint(checkpoint);
}

/**
 * How far the weights of two runs lie apart, as a share of the way that training moved them: Euclidean norms over all weights of
 * both checkpoints, or over their adapters.
 */
export function distance(a: string, b: string): number {
  return scope(() =>
    noGrad(() => {
      const [one, other, start] = [weightsOf(a), weightsOf(b), loadCheckpoint(model)];
      const names = [...one.keys()];
      // An adapter has no place in the start, which is as good as zeros.
      const normTo = (origins: typeof start): number =>
        stack(
          names.map((name) => {
            const value = one.get(name)!.read();
            const origin = origins.get(name)?.read();
            return (origin === undefined ? value : value.sub(origin)).norm(2);
          }),
        )
          .norm(2)
          .item();
      return normTo(other) / normTo(start);
    }),
  );
}
