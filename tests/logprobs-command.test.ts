/**
 * @file `twgrpo logprobs` against transformers, from the video file to the numbers: everything it prints, on every tiny checkpoint
 * and clip of the goldens and on real clips where they are at hand. See goldens/logprobs/make_goldens.py.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { liveTensors } from '../src/tensor/index.ts';
import { checkpointDir, GOLDEN_RULE, goldenDir } from './support/model-goldens.ts';
import { runCommand } from './support/run-command.ts';
import { realClips } from './support/shared-data.ts';

interface Result {
  readonly frame_times: readonly number[];
  readonly completion_logprobs: readonly number[];
  readonly greedy_ids?: readonly number[];
}
interface Case {
  readonly checkpoint: string;
  readonly clip: string;
  readonly is_real: boolean;
  readonly prompt: string;
  readonly completion: string;
  readonly second_per_grid: number | null;
  readonly greedy: number;
  readonly result: Result;
}

const GOLDENS = fileURLToPath(new URL('goldens/', import.meta.url));
const cases = JSON.parse(readFileSync(join(GOLDENS, 'logprobs', 'logprobs.json'), 'utf8')) as Case[];
const real = realClips();
const model = checkpointDir('qwen2-5-vl');
const clip = join(GOLDENS, 'video', 'h264.mp4');

/** Files decode to the same bits; a resize may differ by a grey level in one value of a thousand. */
const ATOL = 1e-4;

async function logprobs(...argv: readonly string[]): Promise<Result & Record<string, unknown>> {
  const { code, stdout, stderr } = await runCommand('logprobs', ...argv, '--json', '--quiet');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

describe('logprobs prints what transformers computes', () => {
  for (const golden of cases) {
    const { checkpoint, second_per_grid } = golden;
    const folder = golden.is_real ? real : join(GOLDENS, 'video');
    const time = second_per_grid === null ? 'true time' : `slices of ${second_per_grid} s`;
    it.skipIf(folder === undefined)(`${checkpoint}, ${golden.clip}, ${time}`, async () => {
      const before = liveTensors();
      const printed = await logprobs(
        ...['--model', checkpointDir(checkpoint), '--video', join(folder ?? '', golden.clip)],
        ...['--text-after-vision', GOLDEN_RULE],
        ...['--prompt', golden.prompt, '--completion', golden.completion, '--greedy', String(golden.greedy)],
        ...(second_per_grid === null ? [] : ['--second-per-grid', String(second_per_grid)]),
      );
      const { completion_logprobs, frame_times, ...exact } = golden.result;
      expect(Object.keys(printed)).toEqual(Object.keys(golden.result));
      expect(printed).toMatchObject(exact);
      expect(printed.frame_times).toBeAllclose(frame_times, { rtol: 0, atol: 1e-9 });
      expect(printed.completion_logprobs).toBeAllclose(completion_logprobs, { rtol: 0, atol: ATOL });
      expect(liveTensors()).toBe(before);
    });
  }
});

describe('logprobs', () => {
  const question = ['--model', model, '--video', clip, '--prompt', 'Why?', '--completion', 'A cube.'];

  it('is the same for weights held in another dtype of the same values, and near it in bfloat16 arithmetic', async () => {
    const flat = ['--model', checkpointDir('qwen2-5-vl-flat'), ...question.slice(2)];
    const stored = await logprobs(...flat);
    expect(await logprobs(...flat, '--dtype', 'float32')).toEqual(stored);
    const rough = await logprobs(...flat, '--compute-dtype', 'bfloat16');
    expect(rough).not.toEqual(stored);
    expect(rough.completion_logprobs).toBeAllclose(stored.completion_logprobs, { rtol: 0, atol: 0.5 });
    expect(stored).not.toHaveProperty('greedy_ids');
  });

  it('every setting of the video can be changed, in either spelling', async () => {
    const shape = async (...more: string[]) => {
      const { grid_thw, resized, frame_indices } = await logprobs(...question, ...more);
      return { grid_thw, resized, frame_indices };
    };
    expect(await shape('--max_frames', '2', '--max-pixels', '9408', '--min_pixels', '784')).toEqual({
      grid_thw: [[1, 4, 6]],
      resized: [56, 84],
      frame_indices: [0, 23],
    });
    expect(await shape('--nframes', '6')).toMatchObject({ grid_thw: [[3, 20, 28]] });
    expect(await shape('--fps', '4')).toMatchObject({ frame_indices: [0, 3, 7, 10, 13, 16, 20, 23] });
    expect(await shape('--min-frames', '12')).toMatchObject({ grid_thw: [[6, 20, 28]] });
    const repeated = await shape('--video-preset', 'authors_eval');
    expect((repeated.frame_indices as number[]).length).toBe(16);
  });

  it('time counts: the preset of the authors squeezes a video, its rule for text shows only in long ones', async () => {
    const slow = await logprobs(...question, '--second-per-grid', '12');
    const fast = await logprobs(...question);
    expect(slow.completion_logprobs).not.toEqual(fast.completion_logprobs);
    const authors = await logprobs(...question, '--video-preset', 'authors');
    expect(authors).toEqual(await logprobs(...question, '--second-per-grid', '1'));
    const continuing = (rule: string) =>
      logprobs(...question, '--second-per-grid', '12', '--text-after-vision', rule);
    expect(await continuing('largest')).toEqual(slow);
    expect((await continuing('spatial')).completion_logprobs).not.toEqual(slow.completion_logprobs);
  });

  it('an adapter changes the numbers', async () => {
    const plain = await logprobs(...question);
    const adapted = await logprobs(...question, '--adapter', join(goldenDir(), 'lora'));
    expect(adapted.completion_ids).toEqual(plain.completion_ids);
    expect(adapted.completion_logprobs).not.toEqual(plain.completion_logprobs);
  });

  it('shows a person a table', async () => {
    const { code, stdout, stderr } = await runCommand('logprobs', ...question, '--greedy', '3');
    expect(code).toBe(0);
    expect(stdout).toContain('<|im_end|>');
    expect(stdout).toMatch(/sum +-\d+\.\d{4} {2}over \d+ tokens/);
    expect(stdout).toMatch(/greedy {2}".*"\n/);
    expect(stderr).toContain('4 of 24 frames, 96x64 to 392x280, a slice is 1.2 s');
  });

  it('refuses what it can not do, with the exit code of the reason', async () => {
    const fails = async (exit: number, message: string | RegExp, ...argv: string[]) => {
      const { code, stdout, stderr } = await runCommand('logprobs', ...argv);
      expect([code, stdout]).toEqual([exit, '']);
      expect(stderr).toMatch(message);
    };
    await fails(2, "required option '--completion", ...question.slice(0, 6));
    await fails(
      2,
      /--fps <n>' argument '0' is invalid. Expected a number above 0/,
      ...question,
      '--fps',
      '0',
    );
    await fails(2, /expected auto, cpu, cuda or cuda:N/, ...question, '--device', 'tpu');
    await fails(2, /--min-frames 40 is above --max-frames 16/, ...question, '--min-frames', '40');
    await fails(2, /--min-pixels 900000 is above --max-pixels/, ...question, '--min-pixels', '900000');
    await fails(3, /nothing.mp4: no such video/, ...question, '--video', 'nothing.mp4');
    await fails(3, /max_prompt_length is 300 \(videos take 280\)/, ...question, '--max-prompt-length', '300');
  });
});
