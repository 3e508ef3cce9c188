/**
 * @file A Python with PyTorch and transformers for the peer sides of benchmarks: TWGRPO_BENCH_PYTHON, else the engine's
 * own Python where it has the pinned transformers, else a private virtual environment in the cache folder.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './grpo-inputs.ts';
import { enginePython } from './harness.ts';

const PACKAGES = ['torch==2.13.0', 'transformers==5.18.0', 'safetensors'];
const PROBE =
  'import torch, safetensors, transformers; print(torch.__version__.split("+")[0], transformers.__version__)';
const WANTED = '2.13.0 5.18.0';

/**
 * @returns path of the interpreter
 * @throws Error saying what to install when none can be had
 */
export function peerPython(): string {
  const given = process.env['TWGRPO_BENCH_PYTHON'];
  if (given !== undefined) return given;
  const engine = enginePython();
  if (engine !== undefined && versions(engine) === WANTED) return engine;
  return privatePython();
}

function versions(python: string): string | undefined {
  const { status, stdout } = spawnSync(python, ['-c', PROBE], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function privatePython(): string {
  const venv = join(cacheFolder(), `peer-${PACKAGES.slice(0, 2).join('-').replaceAll('==', '-')}`);
  const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const stamp = join(venv, '.complete');
  if (existsSync(stamp)) return python;
  rmSync(venv, { recursive: true, force: true });
  process.stderr.write(`[bench] making a virtual environment for the Python side in ${venv}\n`);
  const commands: readonly (readonly [program: string, args: readonly string[]])[] = [
    ['python3', ['-m', 'venv', venv]],
    [python, ['-m', 'pip', 'install', '--disable-pip-version-check', '--quiet', ...PACKAGES]],
  ];
  for (const [program, args] of commands) {
    const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2] });
    if (status !== 0) {
      throw new Error(
        `${program} ${args.join(' ')} failed (${error?.message ?? status}); set TWGRPO_BENCH_PYTHON to a Python with ${PACKAGES.join(', ')}`,
      );
    }
  }
  writeFileSync(stamp, '');
  return python;
}
