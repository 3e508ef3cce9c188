/**
 * @file Set-up, as far as it can be tried without installing anything: what it finds, what it refuses and what it
 * says when something is missing. Each case is a bare checkout in a temporary folder with a PATH of its own making.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

let folder: string;
let bin: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'twgrpo-bootstrap-'));
  bin = path.join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, path.join(bin, 'node'));
  const checkout = path.join(folder, 'checkout');
  mkdirSync(checkout);
  cpSync(path.join(ROOT, 'scripts'), path.join(checkout, 'scripts'), { recursive: true });
  for (const file of ['package.json', 'package-lock.json', 'twgrpo']) {
    copyFileSync(path.join(ROOT, file), path.join(checkout, file));
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program on the case's PATH. */
function program(name: string, script: string): void {
  const file = path.join(bin, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

/** A folder that looks like an installed PyTorch of this version. */
function fakeTorch(version: string, options: { headers?: boolean; cmake?: string } = {}): string {
  const torch = path.join(folder, 'venv', 'lib', 'python3.11', 'site-packages', 'torch');
  mkdirSync(path.join(torch, 'lib'), { recursive: true });
  writeFileSync(path.join(torch, 'version.py'), `__version__ = '${version}'\n`);
  writeFileSync(path.join(torch, 'lib', 'libtorch_cpu.so'), '');
  const dispatcher = path.join(torch, 'include', 'ATen', 'core', 'dispatch');
  if (options.headers ?? true) {
    mkdirSync(dispatcher, { recursive: true });
    writeFileSync(path.join(dispatcher, 'Dispatcher.h'), '');
  }
  const cmake = path.join(torch, 'share', 'cmake', 'Torch');
  mkdirSync(cmake, { recursive: true });
  writeFileSync(path.join(cmake, 'TorchConfig.cmake'), options.cmake ?? '');
  return path.join(folder, 'venv');
}

function setUp(environment: Record<string, string> = {}) {
  const script = path.join(folder, 'checkout', 'scripts', 'bootstrap.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
    encoding: 'utf8',
    cwd: tmpdir(),
    env: { PATH: bin, HOME: folder, ...environment },
  });
  return { status, stdout, stderr };
}

describe('a missing prerequisite', () => {
  it('is named with the command that installs it, all of them at once, with exit code 3', () => {
    const { status, stdout, stderr } = setUp();
    expect(status).toBe(3);
    expect(stdout).toBe('');
    for (const name of ['Python 3.10', 'a C++20 compiler', 'CMake 3.18', 'make'])
      expect(stderr).toContain(`missing: ${name}`);
    expect(stderr.match(/install it with: {2}\S/g)?.length).toBe(4);
    expect(stderr).toContain('all at once:');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('is one that is too old, or does not do what is needed', () => {
    program('python3', 'case "$*" in *ensurepip*) exit 1;; *) echo 3.12;; esac');
    program('cmake', 'echo cmake version 3.10.2');
    program('c++', 'exit 1');
    program('make', '');
    const { status, stderr } = setUp();
    expect(status).toBe(3);
    expect(stderr).toContain('lacks the modules venv and ensurepip');
    expect(stderr).toContain('cmake is 3.10');
    expect(stderr).toContain('c++ cannot compile C++20');
    expect(stderr).not.toContain('missing: make');
  });

  it('is not Python when a PyTorch is there', () => {
    const { status, stderr } = setUp({ TORCH_HOME: fakeTorch('2.13.0+cpu') });
    expect(status).toBe(3);
    expect(stderr).toContain('CMake');
    expect(stderr).not.toContain('Python');
  });
});

describe('TORCH_HOME', () => {
  const refused = (home: string): string => {
    const { status, stderr } = setUp({ TORCH_HOME: home });
    expect(status).toBe(3);
    expect(stderr).toContain('next step: set TORCH_HOME to');
    return stderr;
  };

  it('without a PyTorch in it is an error', () => {
    expect(refused(path.join(folder, 'nothing'))).toContain('there is no PyTorch in it');
  });

  it('with one that is too old, of the old C++ ABI, or without headers, is an error that says so', () => {
    expect(refused(fakeTorch('2.6.0+cu126'))).toContain('it is 2.6.0+cu126; 2.7 or newer is needed');
    expect(refused(fakeTorch('2.7.0', { cmake: 'set(X "-D_GLIBCXX_USE_CXX11_ABI=0")' }))).toContain(
      'old C++ ABI',
    );
    rmSync(path.join(folder, 'venv'), { recursive: true });
    expect(refused(fakeTorch('2.8.0', { headers: false }))).toContain('without its C++ headers');
  });

  it('may be a venv, a site-packages, a torch or a libtorch folder', () => {
    const venv = fakeTorch('2.10.0');
    const site = path.join(venv, 'lib', 'python3.11', 'site-packages');
    const libtorch = path.join(folder, 'other', 'libtorch');
    cpSync(path.join(site, 'torch'), libtorch, { recursive: true });
    rmSync(path.join(libtorch, 'version.py'));
    writeFileSync(path.join(libtorch, 'build-version'), '2.10.0+cpu\n');
    for (const home of [venv, site, path.join(site, 'torch'), libtorch, path.dirname(libtorch)]) {
      const { stderr } = setUp({ TORCH_HOME: home });
      expect(stderr).not.toContain('TORCH_HOME');
      expect(stderr).toContain('missing: CMake');
    }
  });

  it('that torch.hub uses as its cache is passed over, with a word', () => {
    mkdirSync(path.join(folder, 'cache', 'hub'), { recursive: true });
    const { stderr } = setUp({ TORCH_HOME: path.join(folder, 'cache') });
    expect(stderr).toContain('is a cache of torch.hub');
    expect(stderr).toContain('missing: Python');
  });
});

describe('the launcher', () => {
  it('names Node when there is none', () => {
    rmSync(path.join(bin, 'node'));
    const launcher = path.join(folder, 'checkout', 'twgrpo');
    for (const tool of ['dirname', 'readlink']) symlinkSync(`/usr/bin/${tool}`, path.join(bin, tool));
    const { status, stderr } = spawnSync('/bin/sh', [launcher, '--version'], {
      encoding: 'utf8',
      env: { PATH: bin },
    });
    expect(status).toBe(3);
    expect(stderr).toContain('Node 20');
  });
});
