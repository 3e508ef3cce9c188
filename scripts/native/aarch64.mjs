/**
 * @file Compiles the addon for aarch64 on any Linux machine: Debian's cross compiler, headers and libraries of PyTorch's own wheel for
 * that processor, taken from the package index by pip. It shows that the sources compile and link; nothing is run.
 *
 *   npm run compile:aarch64 [-- --torch DIR]    DIR: an unpacked torch folder for aarch64, in place of the download
 */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { which } from '../set-up/programs.mjs';

const COMPILER = 'aarch64-linux-gnu-g++';
/** Machine number of aarch64 in an ELF header. Source: System V ABI, `EM_AARCH64`. */
const EM_AARCH64 = 183;
const PARTS = ['torch/include/', 'torch/version.py', 'torch/lib/libtorch.so', 'torch/lib/libtorch_cpu.so'];

const root = path.dirname(path.dirname(import.meta.dirname));
const folder = path.join(root, 'build', 'aarch64');

/** @param {string} program @param {readonly string[]} args */
const run = (program, args) => execFileSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });

/** Headers and libraries of the PyTorch that this machine has, for aarch64. */
function downloadTorch() {
  const { python, torch_version } = JSON.parse(
    fs.readFileSync(path.join(root, 'build', 'engine.json'), 'utf8'),
  );
  const version = torch_version.replace(/\+.*$/, '');
  const torch = path.join(folder, `torch-${version}`, 'torch');
  if (fs.existsSync(path.join(torch, 'version.py'))) return torch;
  const wheels = path.join(folder, 'wheels');
  run(python, [
    ...['-m', 'pip', 'download', `torch==${version}`, '--no-deps', '--only-binary=:all:', '-d', wheels],
    ...['--platform', 'manylinux_2_28_aarch64', '--python-version', '3.11'],
  ]);
  const wheel = fs.readdirSync(wheels).find((name) => name.startsWith(`torch-${version}-`));
  const code =
    'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); z.extractall(sys.argv[2], [n for n in z.namelist() if n.startswith(tuple(sys.argv[3:]))])';
  const args = [path.join(wheels, wheel ?? ''), path.dirname(torch), ...PARTS, 'torch/lib/libc10.so'];
  run(python, ['-c', code, ...args]);
  fs.rmSync(wheels, { recursive: true });
  return torch;
}

const { values } = parseArgs({ options: { torch: { type: 'string' } } });
if (which(COMPILER) === undefined) {
  console.error(`no ${COMPILER}; next step: apt-get install g++-aarch64-linux-gnu`);
  process.exit(3);
}
const torch = values.torch ?? downloadTorch();
const build = path.join(folder, 'native');
run('cmake', [
  ...['-S', path.join(root, 'native'), '-B', build, `-DTORCH_DIR=${torch}`, '-DCMAKE_BUILD_TYPE=Release'],
  ...['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64', `-DCMAKE_CXX_COMPILER=${COMPILER}`],
]);
run('cmake', ['--build', build, '-j2']);
const addon = path.join(build, 'twgrpo.node');
const machine = fs.readFileSync(addon).readUInt16LE(18);
if (machine !== EM_AARCH64) throw new Error(`${addon} is for ELF machine ${machine}, expected ${EM_AARCH64}`);
console.log(`${addon}: ELF machine ${machine} (aarch64), ${fs.statSync(addon).size} bytes`);
