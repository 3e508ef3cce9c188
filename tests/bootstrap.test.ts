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
  readdirSync,
  readFileSync,
  realpathSync,
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

/** Makes of the checkout an installed package: npm packs no lock file. */
function asPackage(): void {
  rmSync(path.join(folder, 'checkout', 'package-lock.json'));
  cpSync(path.join(ROOT, 'native'), path.join(folder, 'checkout', 'native'), { recursive: true });
}

/** Makes of it an unpacked bundle, with the Node that runs this. */
function asBundle(): void {
  asPackage();
  writeFileSync(path.join(folder, 'checkout', 'bundle.json'), '{ "commit": "0" }');
  mkdirSync(path.join(folder, 'checkout', 'bin'));
  symlinkSync(process.execPath, path.join(folder, 'checkout', 'bin', 'node'));
}

/** The launcher with only the tools it needs beside what the case put on PATH. */
function launch(...args: string[]) {
  for (const tool of ['dirname', 'readlink']) symlinkSync(`/usr/bin/${tool}`, path.join(bin, tool));
  const { status, stdout, stderr } = spawnSync(
    '/bin/sh',
    [path.join(folder, 'checkout', 'twgrpo'), ...args],
    {
      encoding: 'utf8',
      env: { PATH: bin, HOME: folder },
    },
  );
  return { status, stdout, stderr };
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
    const { status, stderr } = launch('--version');
    expect(status).toBe(3);
    expect(stderr).toContain('Node 20');
  });
});

/** Programs that pass for a compiler, CMake and make; CMake builds what a case asks of it. */
function toolChain(cmake: string): void {
  program('c++', 'exit 0');
  program('make', 'exit 0');
  program('cmake', `[ "$1" = --version ] && echo cmake version 3.25.1 && exit 0\n${cmake}`);
}

describe('an installed package', () => {
  it('is set up in the cache folder, by its own native sources and TORCH_HOME, and not in node_modules', () => {
    asPackage();
    const headers = path.join(folder, 'node_modules', 'node-api-headers'); // where npm may put it
    cpSync(path.join(ROOT, 'node_modules', 'node-api-headers'), headers, { recursive: true });
    program('ffmpeg', 'echo ffmpeg version 7');
    const before = readdirSync(path.join(folder, 'checkout')).sort();
    const places = new Set<string>();
    const torch = { TORCH_HOME: fakeTorch('2.13.0') };
    for (const change of [
      () => undefined,
      () => writeFileSync(path.join(folder, 'checkout/native/addon.cpp'), ''),
    ]) {
      change();
      toolChain(`case "$*" in *--build*) /usr/bin/touch "$2/twgrpo.node";; *) echo "$@";; esac`);
      const { status, stderr } = setUp(torch);
      expect(stderr).toContain('addon: done');
      expect(status).toBe(0);
      const [place] = readdirSync(path.join(folder, '.cache', 'twgrpo')).filter((name) => !places.has(name));
      places.add(place!);
      const engine = path.join(folder, '.cache', 'twgrpo', place!, 'engine.json');
      const { addon } = JSON.parse(readFileSync(engine, 'utf8')) as { addon: string };
      expect(addon).toBe(path.join(path.dirname(engine), 'native', 'twgrpo.node'));
      const log = readFileSync(path.join(path.dirname(addon), 'build.log'), 'utf8');
      expect(log).toContain(`-DNODE_API_HEADERS=${realpathSync(headers)}/include`);
      expect(setUp(torch).stderr).toContain('ready: engine, addon');
    }
    expect(places.size).toBe(2);
    expect(readdirSync(path.join(folder, 'checkout')).sort()).toEqual(before);
  });

  it('sets up for doctor, and names the folder that it cannot write to', () => {
    asPackage();
    expect(launch('doctor').stderr).toContain('missing: CMake');
    writeFileSync(path.join(folder, 'file'), '');
    const { status, stderr } = setUp({ TWGRPO_CACHE: path.join(folder, 'file') });
    expect(status).toBe(1);
    expect(stderr).toContain(`Set-up writes into ${path.join(folder, 'file')}`);
    expect(stderr).toContain('next step: set TWGRPO_CACHE');
  });
});

describe('a bundle', () => {
  it('runs with its own Node, asks for no Python to install with, and installs no PyTorch', () => {
    asBundle();
    rmSync(path.join(bin, 'node'));
    const missing = launch('doctor');
    expect(missing.status).toBe(3);
    expect(missing.stderr).toContain('missing: CMake');
    expect(missing.stderr).not.toContain('Python');
    rmSync(path.join(bin, 'dirname'));
    rmSync(path.join(bin, 'readlink'));
    toolChain('exit 1');
    const { status, stderr } = launch('doctor');
    expect(status).toBe(3);
    expect(stderr).toContain('No PyTorch 2.7 or newer was found');
    expect(stderr).toContain('next step: activate the Python environment that has one, or set TORCH_HOME');
  });
});
