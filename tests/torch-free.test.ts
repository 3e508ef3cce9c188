/**
 * @file What makes no tensor loads no engine: every room, and these commands at their work, start in a moment and work where libtorch
 * is broken or missing. Each is run in a process of its own, which then says which shared objects it holds.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ROOMS } from '../scripts/docs/rooms.ts';
import { readEngineFile } from '../src/base/index.ts';
import { RunDirectory } from '../src/run/index.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const scratch = scratchFolder();

/** Shared objects of the engine after `code` ran, by name; `code` starts from the root of the project. */
async function engineAfter(code: string): Promise<string[]> {
  const tail = `
    const { sharedObjects } = process.report.getReport();
    console.error('objects ' + JSON.stringify(sharedObjects));`;
  const { stderr } = await promisify(execFile)(
    process.execPath,
    ['--import', './scripts/typescript/loader.mjs', '--input-type=module', '--eval', code + tail],
    { cwd: ROOT },
  );
  const line = stderr.split('\n').findLast((text) => text.startsWith('objects '));
  const objects = JSON.parse(line!.slice('objects '.length)) as string[];
  return objects.filter((file) => /twgrpo[^/]*\.node$|\/libtorch|\/libc10/.test(file));
}

const room = (name: string) => `await import('./src/${name}/index.ts');`;
const command = (argv: readonly string[], expected = 0) => `
  const { runCli } = await import('./src/cli/program.ts');
  const code = await runCli(${JSON.stringify(argv)});
  if (code !== ${expected}) throw new Error('exit code ' + code);`;

/** A results log, questions, and the folder of a run with one checkpoint: what the commands below are given. */
function writeInputs() {
  const log = join(scratch, 'log.jsonl');
  const questions = join(scratch, 'questions.jsonl');
  const answer = '<answer>A</answer>';
  writeFileSync(log, `${JSON.stringify({ model_output: answer, ground_truth: answer })}\n`);
  writeFileSync(
    questions,
    `${JSON.stringify({ problem: 'Which?\nA. this\nB. that', video: 'a.mp4', solution: answer })}\n`,
  );
  const output_dir = join(scratch, 'run');
  RunDirectory.create(output_dir, {
    config: { model_name_or_path: '/models/base', jsonl_path: questions, output_dir },
  });
  const checkpoint = join(output_dir, 'checkpoint-1');
  mkdirSync(join(checkpoint, 'training_state'), { recursive: true });
  writeFileSync(join(checkpoint, 'model.safetensors'), '');
  return { log, questions, run: output_dir };
}

describe('without the engine', () => {
  const rooms = Object.keys(ROOMS).filter((name) => name !== 'cli');
  it(`loads the rooms ${rooms.join(', ')}`, async () => {
    expect(await engineAfter(rooms.map(room).join('\n'))).toEqual([]);
  });

  const { log, questions, run } = writeInputs();
  it.each([
    [['--help']],
    [['score', log]],
    [['data', 'check', questions]],
    [['push', run, 'me/model', '--dry-run']],
    [['qai', '--help']],
    [['world', 'generate', '--help']],
    [['pull', '--help']],
    [['push', '--help']],
    [['reproduce', '--help']],
    [['train', '--help']],
    [['doctor', '--help']],
  ])('runs twgrpo %j', async (argv) => {
    expect(await engineAfter(command(argv))).toEqual([]);
  });

  // Of a CUDA build the command asks how many devices there are.
  it.skipIf(readEngineFile()?.cuda !== false)('runs twgrpo reproduce --check', async () => {
    expect(await engineAfter(command(['reproduce', '--check'], 3))).toEqual([]);
  });

  it('would notice: a tensor loads it', async () => {
    const code = `const { zeros } = await import('./src/tensor/index.ts'); zeros([1]);`;
    expect(await engineAfter(code)).not.toEqual([]);
  });
});
