/** @file `twgrpo generate`: what it prints for people and programs, and that each option reaches the model. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { Tokenizer } from '../src/io/index.ts';
import { liveTensors } from '../src/tensor/index.ts';
import { decodeFrames } from '../src/video/index.ts';
import { checkpointDir, goldenDir } from './support/model-goldens.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const CLIPS = fileURLToPath(new URL('goldens/video/', import.meta.url));
const model = checkpointDir('qwen2-5-vl');
const clip = join(CLIPS, 'h264.mp4');
const scratch = scratchFolder();

interface Printed {
  readonly prompt_tokens: number;
  readonly grid_thw: number[][];
  readonly second_per_grid_ts: number[];
  readonly sampling: Record<string, unknown>;
  readonly completions: { text: string; finish_reason: string; ids: number[]; logprobs: number[] }[];
}

const question = ['generate', '--model', model, '--prompt', 'What happens?'];
const wild = ['--temperature', '1.5', '--top-k', '0', '--top-p', '1', '--max-new-tokens', '24'];

async function json(...argv: readonly string[]): Promise<Printed> {
  const before = liveTensors();
  const { code, stdout, stderr } = await runCommand(...question, ...argv, '--json', '--quiet');
  expect([code, stderr]).toEqual([0, '']);
  expect(liveTensors()).toBe(before);
  return JSON.parse(stdout);
}

describe('generate', () => {
  it('writes the answer as it comes, whole characters only, and all talk elsewhere', async () => {
    const { code, stdout, stderr } = await runCommand(...question, '--video', clip, ...wild);
    expect(code).toBe(0);
    const printed = await json('--video', clip, ...wild);
    expect(stdout).toBe(`${printed.completions[0]?.text}\n`);
    expect(stderr).toMatch(
      /^loading .*\n {2}qwen2_5_vl, 230656 weights in float32, computed in float32 on cpu/,
    );
    expect(stderr).toMatch(/4 of 24 frames, 96x64 to 392x280/);
    expect(stderr).toMatch(/sampling, temperature 1.5, top_k 0, top_p 1, repetition_penalty 1.05, seed 42/);
    expect(stderr).toMatch(/24 tokens in [\d.]+ s; 1 of 1 cut at the limit\n$/);
  });

  it('gives programs ids, log-probabilities and what the model saw', async () => {
    const printed = await json('--video', clip, '--num-generations', '3', ...wild);
    expect(printed.completions.length).toBe(3);
    const tokenizer = Tokenizer.fromPretrained(model);
    for (const { text, ids, logprobs, finish_reason } of printed.completions) {
      expect(text).toBe(tokenizer.decode(ids, { skip_special_tokens: true }));
      expect(logprobs.length).toBe(ids.length);
      expect(logprobs.every((logp) => logp < 0)).toBe(true);
      expect(finish_reason).toBe('length');
      expect(ids.every((id) => id < tokenizer.size && !(id >= 489 && id <= 493))).toBe(true);
    }
    expect(printed).toMatchObject({ grid_thw: [[2, 20, 28]] });
    expect(printed.second_per_grid_ts[0]).toBeCloseTo(1.2, 12);
    const { stdout } = await runCommand(...question, '--video', clip, '--num-generations', '3', ...wild);
    for (const [i, { text }] of printed.completions.entries())
      expect(stdout).toContain(`[${i + 1}] ${text}\n`);
  });

  it('the same seed gives the same answers, another seed others', async () => {
    const run = (seed: string) => json('--num_generations', '2', '--seed', seed, ...wild);
    const [a, b, c] = [await run('1'), await run('1'), await run('2')];
    expect(b).toEqual(a);
    expect(c.completions[0]?.ids).not.toEqual(a.completions[0]?.ids);
  });

  it("takes what the folder's generation_config says, unless told otherwise, under TRL's names too", async () => {
    expect((await json('--max_completion_length', '2')).sampling).toEqual({
      temperature: 0.1,
      top_k: 1,
      top_p: 0.001,
      repetition_penalty: 1.05,
      seed: 42,
    });
    const given = ['--temperature', '0.7', '--top_k', '9', '--top_p', '0.8', '--min_p', '0.1'];
    const printed = await json(...given, '--repetition_penalty', '1.3', '--max_completion_length', '2');
    expect(printed.sampling).toMatchObject({ temperature: 0.7, top_k: 9, top_p: 0.8, min_p: 0.1 });
    expect(printed.completions[0]?.ids.length).toBe(2);
    const greedy = await json('--greedy', '--max-new-tokens', '6');
    expect(greedy.sampling).toEqual({ greedy: true, repetition_penalty: 1.05, seed: 42 });
    expect(await json('--temperature', '0', '--max-new-tokens', '6')).toEqual(greedy);
  });

  it('takes several videos and images, a system text, and none of them', async () => {
    const few = ['--max-new-tokens', '3', '--greedy', '--max-frames', '2', '--max-pixels', '12000'];
    const picture = join(scratch, 'picture.png');
    writeFileSync(
      picture,
      encode({ width: 90, height: 60, channels: 3, data: new Uint8Array(90 * 60 * 3).fill(99) }),
    );
    const two = await json('--video', clip, '--video', join(CLIPS, 'vp9.webm'), '--image', picture, ...few);
    expect(two.grid_thw.length).toBe(2);
    const one = await json('--video', clip, ...few);
    expect(one.prompt_tokens).toBeLessThan(two.prompt_tokens);
    const text = await json('--max-new-tokens', '3', '--greedy');
    const spoken = await json('--system', 'x', '--max-new-tokens', '3', '--greedy');
    expect(text).toMatchObject({ grid_thw: [] });
    // "You are a helpful assistant." is longer than "x".
    expect(spoken.prompt_tokens).toBeLessThan(text.prompt_tokens);
  });

  it('an adapter changes the answer', async () => {
    const few = ['--video', clip, '--greedy', '--max-new-tokens', '4'];
    const adapted = await json(...few, '--adapter', join(goldenDir(), 'lora'));
    expect(adapted.completions[0]?.logprobs).not.toEqual((await json(...few)).completions[0]?.logprobs);
  });

  it('refuses what it can not do', async () => {
    const fails = async (exit: number, message: RegExp, ...argv: string[]) => {
      const before = liveTensors();
      const { code, stdout, stderr } = await runCommand(...question, ...argv);
      expect([code, stdout], stderr).toEqual([exit, '']);
      expect(stderr).toMatch(message);
      expect(liveTensors()).toBe(before);
    };
    await fails(2, /top_p: expected a number in \(0, 1\], got 2/, '--top-p', '2');
    await fails(2, /'--seed <n>' argument '-1' is invalid/, '--seed', '-1');
    await fails(2, /Allowed choices are correct, authors, authors_eval/, '--video-preset', 'wrong');
    await fails(3, /no such video or image file/, '--video', join(scratch, 'gone.mp4'));
    await fails(3, /no such video or image file/, '--image', join(scratch, 'gone.png'));
    const page = join(scratch, 'page.mp4');
    writeFileSync(page, '<html>404</html>');
    await fails(3, /page\.mp4: not a complete MP4 file/, '--video', page);
    await fails(3, /adapter_config\.json: cannot be read/, '--adapter', scratch);
  });
});

describe('what the model sees', () => {
  const folders: Record<'film' | 'swapped' | 'other', string> = { film: '', swapped: '', other: '' };
  beforeAll(async () => {
    const film = await decodeFrames(clip, [0, 7, 15, 23]);
    const other = await decodeFrames(join(CLIPS, 'mpeg4.avi'), [0, 3, 6, 9]);
    const write = (name: keyof typeof folders, { frames, width, height }: typeof film, order: number[]) => {
      folders[name] = join(scratch, name);
      mkdirSync(folders[name]);
      const size = width * height * 3;
      order.forEach((from, at) => {
        const data = frames.slice(from * size, (from + 1) * size);
        writeFileSync(join(folders[name], `frame${at}.png`), encode({ width, height, channels: 3, data }));
      });
    };
    write('film', film, [0, 1, 2, 3]);
    write('swapped', film, [3, 1, 2, 0]);
    write('other', other, [0, 1, 2, 3]);
  });

  it('another video changes the numbers, and so do two frames that change places', async () => {
    const score = async (folder: string): Promise<number[]> => {
      const words = ['--model', model, '--video', folder, '--prompt', 'Why?', '--completion', 'A cube.'];
      const { code, stdout } = await runCommand('logprobs', ...words, '--min-frames', '4', '--json');
      expect(code).toBe(0);
      return JSON.parse(stdout).completion_logprobs;
    };
    const film = await score(folders.film);
    const difference = (other: number[]) => Math.max(...other.map((logp, i) => Math.abs(logp - film[i]!)));
    expect(difference(await score(folders.film))).toBe(0);
    expect(difference(await score(folders.swapped))).toBeGreaterThan(1e-3);
    expect(difference(await score(folders.other))).toBeGreaterThan(1e-2);
  });
});
