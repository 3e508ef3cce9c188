/**
 * @file One archive for a Linux machine without a network: the program with its npm packages, Node, FFmpeg, the native sources, the
 * small model and the benchmarks.
 *
 *   npm run bundle -- --out FILE.tar.xz
 *
 * The target needs tar with xz (or Python's tarfile), a C++20 compiler, CMake, and a Python with PyTorch 2.7 or newer. xz, because
 * gzip would leave the two programs above the limit: they are nine tenths of the archive.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gitCommit, packageRoot, packageVersion, readEngineFile } from '../../src/base/index.ts';
import { bundleFiles, MAX_BUNDLE_BYTES } from './bundle-files.ts';

/** Machine code is filtered first (`--x86`); two blocks, so that two cores work. */
const XZ = ['--x86', '--lzma2=preset=6,dict=32MiB', '--block-size=64MiB', '-T2', '-c'];

const root = packageRoot();
const began = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  process.stderr.write(`[bundle] ${text} (${seconds} s)\n`);
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(
      `${program} ${args.join(' ')} failed: ${error?.message ?? stderr}; is ${program} installed?`,
    );
  return stdout;
}

/** @throws where the running Node needs a library of its own distribution */
function nodeProgram(): string {
  const { node_shared } = process.config.variables as { node_shared?: boolean };
  if (node_shared === true)
    throw new Error(
      `${process.execPath} needs libnode.so; run this with a Node from nodejs.org (nvm install 22)`,
    );
  return process.execPath;
}

/** @throws where set-up found an FFmpeg with libraries that the target may not have */
function ffmpegProgram(): string {
  const program = readEngineFile()?.ffmpeg;
  if (program === undefined) throw new Error('set-up has found no FFmpeg; run: npm run bootstrap');
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' });
  if (stdout.includes('=>'))
    throw new Error(`${program} is not a static build; set FFMPEG_PATH to one and run: npm run bootstrap`);
  return program;
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

function main(): void {
  const { values } = parseArgs({ options: { out: { type: 'string' } } });
  if (values.out === undefined) throw new Error('usage: npm run bundle -- --out FILE.tar.xz');
  const out = resolve(values.out);
  const version = packageVersion();
  const name = `twgrpo-${version}-linux-${arch()}`;
  const stage = mkdtempSync(join(tmpdir(), 'twgrpo-bundle-'));
  try {
    const folder = join(stage, name);
    const files = bundleFiles(root);
    for (const { path } of files) copy(join(root, path), join(folder, path));
    say(`${files.length} files of ${mib(files.reduce((sum, { bytes }) => sum + bytes, 0))}`);
    for (const [program, from] of [
      ['node', nodeProgram()],
      ['ffmpeg', ffmpegProgram()],
    ] as const) {
      const to = join(folder, 'bin', program);
      copy(from, to);
      run('strip', [to]);
      say(`bin/${program} of ${mib(statSync(to).size)}, from ${from}`);
    }
    const facts = { version, commit: gitCommit() ?? 'unknown', node: process.version, arch: arch() };
    writeFileSync(join(folder, 'bundle.json'), `${JSON.stringify(facts, null, 2)}\n`);
    const archive = join(stage, 'bundle.tar');
    const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name'];
    run('tar', ['-C', stage, ...owner, '-cf', archive, name]);
    say('packed; compressing, which takes some minutes');
    mkdirSync(dirname(out), { recursive: true });
    run('sh', ['-c', 'file=$1; out=$2; shift 2; exec xz "$@" "$file" >"$out"', 'sh', archive, out, ...XZ]);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
  const { size } = statSync(out);
  say(`${out}: ${mib(size)}`);
  if (size > MAX_BUNDLE_BYTES) throw new Error(`the archive is above ${mib(MAX_BUNDLE_BYTES)}`);
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

try {
  main();
} catch (error) {
  process.stderr.write(`[bundle] ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
