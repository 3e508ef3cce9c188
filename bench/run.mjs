/**
 * @file Runs one benchmark of this folder, each in a process of its own:
 *
 *   npm run bench -- NAME [options]      for example: npm run bench -- engine --json
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @type {Record<string, string>} */
const benchmarks = {
  engine: "what a call into libtorch costs, and large products against Python's torch",
  grpo: 'one GRPO step against PyTorch and transformers, time and memory',
  dashboard: 'the dashboard on runs of 1,000 and 10,000 steps: first paint, step change, memory',
  'load-checkpoint': 'memory and time to load a folder of weights',
  'published-shape': 'memory and time of the published tokenizer and of a folder of the 3B shape',
};

const [name, ...args] = process.argv.slice(2);
const asksForHelp = name === '--help' || name === '-h' || name === 'help';
if (name === undefined || asksForHelp || !Object.hasOwn(benchmarks, name)) {
  const width = Math.max(...Object.keys(benchmarks).map((key) => key.length));
  const lines = Object.entries(benchmarks).map(([key, about]) => `  ${key.padEnd(width)}  ${about}`);
  const text = `usage: npm run bench -- NAME [options]\n${lines.join('\n')}\n`;
  if (asksForHelp) process.stdout.write(text);
  else {
    process.stderr.write(text);
    process.exitCode = 2;
  }
} else {
  const file = (/** @type {string} */ place) => fileURLToPath(new URL(place, import.meta.url));
  if (!existsSync(file(`${name}.ts`))) {
    process.stderr.write(`${name} needs a checkout: this bundle has no tests and no browser\n`);
    process.exit(2);
  }
  const loader = new URL('../scripts/typescript/loader.mjs', import.meta.url).href;
  const { status, signal } = spawnSync(process.execPath, ['--import', loader, file(`${name}.ts`), ...args], {
    stdio: 'inherit',
  });
  if (signal !== null) process.stderr.write(`${name} ended by ${signal}\n`);
  process.exitCode = status ?? 1;
}
