/**
 * @file Runs one benchmark of this folder, each in a process of its own:
 *
 *   npm run bench -- NAME [options]      for example: npm run bench -- engine --json
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { root } from './harness.mjs';

const benchmarks = {
  engine: "what a call into libtorch costs, and large products against Python's torch",
  grpo: 'one GRPO step against PyTorch and transformers, time and memory',
  'load-checkpoint': 'memory and time to load a folder of weights',
};

const [name, ...args] = process.argv.slice(2);
const file = path.join(root, 'bench', `${name}.mjs`);
if (name === undefined || !Object.hasOwn(benchmarks, name)) {
  const width = Math.max(...Object.keys(benchmarks).map((key) => key.length));
  const lines = Object.entries(benchmarks).map(([key, about]) => `  ${key.padEnd(width)}  ${about}`);
  process.stderr.write(`usage: npm run bench -- NAME [--json]\n${lines.join('\n')}\n`);
  process.exitCode = 2;
} else if (!existsSync(path.join(root, 'build', 'js', 'tensor', 'index.js'))) {
  process.stderr.write('build/js is missing; run: npm run bootstrap\n');
  process.exitCode = 1;
} else {
  const { status, signal } = spawnSync(process.execPath, [file, ...args], { stdio: 'inherit' });
  if (signal !== null) process.stderr.write(`${name} ended by ${signal}\n`);
  process.exitCode = status ?? 1;
}
