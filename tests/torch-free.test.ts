/**
 * @file What needs no tensors loads no engine: these rooms and commands start in a moment, and work where libtorch is broken or
 * missing. Each is run in a process of its own, which then says which shared objects it holds.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'twgrpo-torch-free-'));
afterAll(() => rmSync(scratch, { recursive: true }));

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
const command = (...argv: readonly string[]) => `
  const { runCli } = await import('./src/cli/index.ts');
  const code = await runCli(${JSON.stringify(argv)});
  if (code !== 0) throw new Error('exit code ' + code);`;

describe('without the engine', () => {
  const rooms = ['base', 'run', 'answers', 'stats', 'video', 'data', 'world', 'logs', 'report', 'hub'];
  it(`loads the rooms ${rooms.join(', ')}`, async () => {
    expect(await engineAfter(rooms.map(room).join('\n'))).toEqual([]);
  });

  const log = join(scratch, 'log.jsonl');
  writeFileSync(
    log,
    `${JSON.stringify({ model_output: '<answer>A</answer>', ground_truth: '<answer>A</answer>' })}\n`,
  );
  it.each([
    ['--help'],
    ['score', log],
    ['score', '--help'],
    ['qai', '--help'],
    ['world', 'generate', '--help'],
    ['pull', '--help'],
    ['doctor', '--help'],
  ])('runs twgrpo %s %s', async (...argv) => {
    expect(await engineAfter(command(...argv))).toEqual([]);
  });

  it('would notice: the tensor room loads it', async () => {
    expect(await engineAfter(room('tensor'))).not.toEqual([]);
  });
});
