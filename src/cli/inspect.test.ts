import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCommand } from '../../tests/support/run-command.ts';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { writeSyntheticRun } from '../../tests/support/synthetic-run.ts';
import { RunDirectory } from '../run/index.ts';
import { encodeVideo } from '../video/index.ts';

const folder = scratchFolder();
const run = join(folder, 'run');
writeSyntheticRun(run, {
  num_steps: 12,
  num_groups: 2,
  num_generations: 3,
  change: (record) => (record.row === 0 ? { ...record, problem: 'Which?\u001b[2J\nA. x\nB. y' } : record),
});

describe('twgrpo inspect', () => {
  it('says whether a run learns, with and without the word run', async () => {
    const short = await runCommand('inspect', run);
    expect(short).toMatchObject({ code: 0, stdout: expect.stringMatching(/^It (does not learn|learns)/) });
    expect(short.stdout).toMatch(/best: step \d+, group \d[\s\S]*worst: step \d+[\s\S]*latest: step 12/);
    expect((await runCommand('inspect', 'run', run)).stdout).toBe(short.stdout);
  });

  it('lets no control character of a question reach the terminal', async () => {
    const { stdout } = await runCommand('inspect', run, '--step', '3', '--group', '0');
    expect(stdout).toContain('Which?⟨U+001B⟩[2J');
    expect(stdout).not.toContain('\u001b');
  });

  it('has the numbers of the token file', async () => {
    const { stdout } = await runCommand(
      'inspect',
      run,
      '--step',
      '3',
      '--group',
      '1',
      '--row',
      '2',
      '--json',
    );
    const { tokens } = JSON.parse(stdout) as { tokens: Record<string, number>[] };
    const record = RunDirectory.open(run)
      .readTokens(3)
      .rows.find(({ group, row }) => group === 1 && row === 2)!;
    expect(tokens.map(({ weight }) => weight)).toEqual([...record.weights]);
    expect(tokens.map(({ entropy }) => entropy)).toEqual([...record.entropy]);
    expect(tokens.map(({ id }) => id)).toEqual([...record.ids]);
  });

  it.each([
    [['--step', '99', '--group', '0'], 'step 99 has no completions'],
    [['--step', '3', '--group', '7'], 'step 3 has no group 7'],
    [['--step', '3', '--row', '9'], 'has no row 9'],
  ])('names what is not there: %j', async (options, message) => {
    const { code, stderr } = await runCommand('inspect', run, ...options);
    expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining(message) });
  });

  it('shows which frames of a video the model sees', async () => {
    const clip = join(folder, 'clip.mp4');
    const frames = Array.from({ length: 16 }, (_, i) => new Uint8Array(32 * 32 * 3).fill(10 * i));
    await encodeVideo(clip, frames, { width: 32, height: 32, fps: 4 });
    const output = join(folder, 'sheet.png');
    const { code, stdout } = await runCommand(
      'inspect',
      'video',
      clip,
      '--max-frames',
      '4',
      '--output',
      output,
      '--json',
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      frames: [0, 5, 10, 15].map((index) => ({ index, seconds: index / 4 })),
      sheet: output,
    });
    expect(readFileSync(output).subarray(1, 4).toString()).toBe('PNG');
  });
});
