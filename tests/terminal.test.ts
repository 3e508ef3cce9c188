/**
 * @file What a run shows while it goes on: on a terminal one line that lives, in a pipe plain lines. The terminal is a real one, made by
 * `script` of util-linux; skipped where there is none.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { createTinyCheckpoint } from '../src/models/index.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { SMALLEST } from './support/smallest-model.ts';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const folder = scratchFolder();
const STEPS = 5;
const COLUMNS = 70;

const shared = `model_name_or_path: ${join(folder, 'model')}
jsonl_path: ${join(folder, 'items.jsonl')}
video_root: /
max_frames: 2
max_pixels: 3136
max_steps: ${STEPS}
num_threads: 1
`;

beforeAll(() => {
  createTinyCheckpoint(join(folder, 'model'), SMALLEST);
  const rows = ['A', 'B', 'C'].map((answer, i) => ({
    problem: `Which shape moves in part ${i}?\nA. circle\nB. square\nC. star`,
    process: '<think>it moves</think>',
    video: file('goldens/video/h264.mp4'),
    solution: `<answer>${answer}</answer>`,
  }));
  writeFileSync(join(folder, 'items.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  writeFileSync(
    join(folder, 'train.yaml'),
    `${shared}loss_type: tw_grpo\nnum_generations: 2\nmax_completion_length: 4\nprobe: false\n`,
  );
  writeFileSync(join(folder, 'sft.yaml'), shared);
});

const commandLine = (command: string, output: string): string[] => [
  ...[process.execPath, '--import', file('../scripts/typescript/loader.mjs'), file('../src/cli/main.ts')],
  ...[command, '--config', join(folder, `${command}.yaml`), '--set', `output_dir=${join(folder, output)}`],
];

const hasScript =
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') === true;

const ESCAPE = '\u001b';
/** What tells a terminal how to draw, and the ways to the beginning of a line. */
const CONTROL = new RegExp(`${ESCAPE}(?:\\[[0-9;?]*[A-Za-z]|[78])`, 'g');
const HOME = new RegExp(`\\r|${ESCAPE}\\[[01]?G`);

/** Lines as they stand on the screen at the end: who goes to the beginning of a line writes it anew. */
function screenOf(text: string): string[] {
  return text.split(/\r?\n/).map((line) => line.split(HOME).at(-1)!.replace(CONTROL, ''));
}

describe.skipIf(!hasScript)(`on a terminal${hasScript ? '' : ' (skipped: no script of util-linux)'}`, () => {
  it.each(['train', 'sft'])('%s shows one line that every step renews', (command) => {
    const quoted = commandLine(command, `${command}-tty`).map((word) => `'${word}'`);
    const { stdout, status } = spawnSync(
      'script',
      ['-qec', `stty cols ${COLUMNS}; ${quoted.join(' ')}`, '/dev/null'],
      { encoding: 'utf8', env: { ...process.env, TERM: 'xterm', CI: '' }, input: '' },
    );
    expect(status, stdout).toBe(0);
    const live = screenOf(stdout).filter((line) => line.startsWith(`${command} [`));
    expect(live).toHaveLength(1);
    expect(live[0]).toContain(`${STEPS}/${STEPS}`);
    expect(live[0]).toContain('loss');
    // It was drawn more than once, and never wider than the screen.
    const drawn = stdout.split(`${command} [`).length - 1;
    expect(drawn).toBeGreaterThan(1);
    expect(live[0]!.length).toBeLessThanOrEqual(COLUMNS);
    // The cursor was hidden, and is given back.
    expect(stdout.lastIndexOf(`${ESCAPE}[?25h`)).toBeGreaterThan(stdout.lastIndexOf(`${ESCAPE}[?25l`));
  });
});

describe('in a pipe', () => {
  it.each(['train', 'sft'])('%s writes plain lines', (command) => {
    const [program = '', ...args] = commandLine(command, `${command}-pipe`);
    const { stdout, stderr, status } = spawnSync(program, args, { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    expect(`${stdout}${stderr}`).not.toContain('\r');
    expect(`${stdout}${stderr}`).not.toContain(ESCAPE);
    const lines = stderr.split('\n').filter((line) => line.startsWith(`${command} `));
    expect(lines.at(-1)).toMatch(new RegExp(`^${command} ${STEPS}/${STEPS} · \\d+ s · .*loss `));
    expect(stdout).toContain(`done: ${STEPS} of ${STEPS} steps`);
  });
});
