/**
 * @file The tests that call the addon most, with the addon under AddressSanitizer and UndefinedBehaviorSanitizer: reads and writes out of
 * bounds, use after free, overflow of signed numbers, misaligned access end a test's process with a report.
 *
 *   npm run test:sanitizers [-- PATHS OF TESTS]
 *
 * Tests that ask for more memory than there is get their error as without sanitizers (allocator_may_return_null).
 *
 * libtorch is as PyTorch built it: what goes wrong inside it is seen only where it calls malloc, memcpy and the like. Leaks are not
 * looked for, since V8, libtorch and Python's allocators free nothing at the end; `tests/leak.test.ts` counts tensors instead.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

const TESTS = [
  'src/tensor',
  'src/io/safetensors',
  'src/models/layers',
  'src/models/decoder',
  'src/rl',
  'src/train/optim',
  'tests/autograd-goldens',
  'src/models/lora',
  'src/models/transformer',
];

const root = path.dirname(path.dirname(import.meta.dirname));
const build = path.join(root, 'build', 'sanitizers');
const engine = JSON.parse(fs.readFileSync(path.join(root, 'build', 'engine.json'), 'utf8'));

/** @param {readonly string[]} args */
const cmake = (args) => execFileSync('cmake', args, { stdio: ['ignore', 'inherit', 'inherit'] });
cmake([
  ...['-S', path.join(root, 'native'), '-B', build, `-DTORCH_DIR=${engine.torch_dir}`],
  ...['-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DTWGRPO_SANITIZE=address;undefined'],
]);
cmake(['--build', build, '-j2']);

const runtime = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
const log = path.join(build, 'report');
for (const name of fs.readdirSync(build)) if (name.startsWith('report.')) fs.rmSync(path.join(build, name));
const given = process.argv.slice(2);
const { status } = spawnSync(
  'npx',
  ['--no-install', 'vitest', 'run', ...(given.length > 0 ? given : TESTS)],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: fs.realpathSync(runtime),
      ASAN_OPTIONS: `detect_leaks=0:allocator_may_return_null=1:strict_string_checks=1:detect_stack_use_after_return=1:log_path=${log}`,
      UBSAN_OPTIONS: `print_stacktrace=1:halt_on_error=1:log_path=${log}`,
      TWGRPO_SANITIZED_ADDON: path.join(build, 'twgrpo.node'),
      NODE_OPTIONS: `--require ${path.join(import.meta.dirname, 'sanitized-addon.cjs')}`,
    },
  },
);
const reports = fs.readdirSync(build).filter((name) => name.startsWith('report.'));
for (const name of reports) console.error(fs.readFileSync(path.join(build, name), 'utf8'));
console.log(`sanitizers: ${reports.length} reports`);
process.exitCode = reports.length > 0 ? 1 : (status ?? 1);
