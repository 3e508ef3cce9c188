#!/usr/bin/env node
/**
 * @file Set-up: everything between a fresh clone and a running `twgrpo`, in one idempotent command.
 *
 *   packages   `npm ci`, when package-lock.json differs from what node_modules was made of
 *   engine     a PyTorch >= 2.7: TORCH_HOME, else the active Python's, else a private virtual environment
 *              in the user's cache folder, shared by all clones; and an FFmpeg beside it
 *   addon      CMake build of native/ into build/native/twgrpo.node
 *   typescript tsc into build/js
 *
 * Every step leaves a stamp when it is complete; the next run compares stamps and starts no other process.
 * What was found is written to build/engine.json, which src/tensor and src/video read.
 * This file runs before `npm ci`, so it imports nothing but Node. All output goes to stderr, because stdout
 * belongs to the command that follows (`twgrpo … --json`).
 *
 * Options: --quiet prints only the steps that have work to do.
 * Environment: TORCH_HOME, FFMPEG_PATH, TWGRPO_CACHE, XDG_CACHE_HOME (docs/install.md).
 * Exit codes: 0 ready, 1 a step failed, 3 a prerequisite is missing, 130/143 interrupted (run it again).
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

const PINNED_TORCH = 'torch==2.13.0';
const PINNED_FFMPEG = 'imageio-ffmpeg==0.6.0';
const ENGINE_FOLDER = 'engine-torch-2.13.0';
const MIN_TORCH = [2, 7];
const MIN_NODE = 20;
const MIN_PYTHON = [3, 10];
const MIN_CMAKE = [3, 18];
const COMPILE_JOBS = 2; // one translation unit of libtorch headers takes about 1.5 GB

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const build = path.join(root, 'build');
const statePath = path.join(build, 'bootstrap.json');
const enginePath = path.join(build, 'engine.json');
const addonPath = path.join(build, 'native', 'twgrpo.node');
const mainPath = path.join(build, 'js', 'cli', 'main.js');
const packagesStamp = path.join(root, 'node_modules', '.twgrpo-packages');
const isWindows = process.platform === 'win32';
const isQuiet = process.argv.includes('--quiet');

/** A failure that the user can act on: printed without a stack trace. */
class SetupError extends Error {
  constructor(message, { hint, exitCode = 1 } = {}) {
    super(message);
    this.name = 'SetupError';
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

// ---------------------------------------------------------------------------------------------- small tools

const say = (text) => process.stderr.write(`[set-up] ${text}\n`);
const note = (text) => isQuiet || say(text);

const duration = (ms) => {
  const s = ms / 1000;
  return s < 60 ? `${s.toFixed(1)} s` : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
};

const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
};

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined; // absent or torn: the step that writes it runs again
  }
}

/** Written beside and renamed, so that no reader ever sees half a file. */
function writeAtomic(file, text) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  fs.writeFileSync(temporary, text);
  fs.renameSync(temporary, file);
}

const writeJson = (file, value) => writeAtomic(file, `${JSON.stringify(value, null, 2)}\n`);

/** Size and time of one file as text; '' when absent. Changes whenever the file is replaced. */
function fingerprint(file) {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.size}:${stat.mtimeMs}` : '';
}

function* walk(folder) {
  if (!fs.existsSync(folder)) return;
  const entries = fs.readdirSync(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(full);
    else yield full;
  }
}

/** Full path of a program on PATH, or undefined. */
function which(program) {
  const names = isWindows ? [`${program}.exe`, `${program}.cmd`, program] : [program];
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    for (const name of names) {
      const full = path.join(folder, name);
      try {
        fs.accessSync(full, fs.constants.X_OK);
        if (fs.statSync(full).isFile()) return full;
      } catch {
        // not here
      }
    }
  }
  return undefined;
}

/** Output of a short command, or undefined when it cannot run or fails. */
function ask(program, args, input) {
  const result = spawnSync(program, args, { encoding: 'utf8', input: input ?? '', timeout: 60_000 });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

const parseVersion = (text) => (/(\d+)\.(\d+)/.exec(text ?? '') ?? []).slice(1, 3).map(Number);
const isAtLeast = ([major, minor], [wantMajor, wantMinor]) =>
  major > wantMajor || (major === wantMajor && minor >= wantMinor);

const heldLocks = new Set();
const children = new Set();

/** Runs a long command; its output goes to stderr, or into `log`. Interrupts reach it before we end. */
async function run(program, args, { cwd = root, log } = {}) {
  const output = log === undefined ? 2 : fs.openSync(log, 'a');
  try {
    // A process group of its own, so that a signal to us alone also ends what the child has started.
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', output, output],
      shell: isWindows,
      detached: !isWindows,
    });
    children.add(child);
    for (const lock of heldLocks) writeLock(lock, child.pid);
    const status = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(signal ?? code));
    });
    children.delete(child);
    return status;
  } finally {
    if (log !== undefined) fs.closeSync(output);
  }
}

function stop(child, signal) {
  try {
    process.kill(isWindows ? child.pid : -child.pid, signal);
  } catch {
    // it has just ended
  }
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.on(signal, () => {
    for (const child of children) stop(child, signal);
    releaseLocks();
    say('interrupted; what was complete is kept, run the same command again to go on');
    process.exit(exitCode);
  });
}

// ---------------------------------------------------------------------------------------------------- locks
// Several clones (or several ranks of one run) may start at once. A lock is a file naming its owner and the
// program the owner has started; it is void when both are gone.

const lockToken = randomUUID();

function writeLock(file, childPid) {
  writeAtomic(file, JSON.stringify({ token: lockToken, host: os.hostname(), pids: [process.pid, childPid] }));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function isStale(file) {
  const lock = readJson(file);
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (!stat) return true;
  const ageS = (Date.now() - stat.mtimeMs) / 1000;
  if (lock === undefined) return ageS > 10; // just being written, or torn by a crash
  if (lock.host !== os.hostname()) return ageS > 3600; // a shared home: its processes cannot be seen from here
  return !lock.pids.some((pid) => pid && isAlive(pid));
}

async function withLock(file, task) {
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  fs.mkdirSync(path.dirname(file), { recursive: true });
  for (let hasTold = false; ; ) {
    try {
      fs.writeFileSync(file, '', { flag: 'wx' });
      writeLock(file);
      await pause(50); // two processes may both have removed a stale lock: the one whose name stands has it
      if (readJson(file)?.token === lockToken) break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isStale(file)) {
      fs.rmSync(file, { force: true });
      continue;
    }
    if (!hasTold) say(`another set-up is at work (lock ${file}); waiting for it`);
    hasTold = true;
    await pause(500);
  }
  heldLocks.add(file);
  try {
    return await task();
  } finally {
    heldLocks.delete(file);
    fs.rmSync(file, { force: true });
  }
}

function releaseLocks() {
  for (const lock of heldLocks) fs.rmSync(lock, { force: true });
}

// -------------------------------------------------------------------------------------------- prerequisites

/** The command that installs a package on this system, in the words of its own package manager. */
function installCommand(names) {
  const pick = (manager, prefix) => `${prefix} ${names.map((name) => name[manager]).join(' ')}`;
  if (process.platform === 'darwin') {
    const commands = names.includes(COMPILER) ? ['xcode-select --install'] : [];
    const others = names.filter((name) => name.brew !== undefined);
    if (others.length > 0) commands.push(`brew install ${others.map((name) => name.brew).join(' ')}`);
    return commands.join(' && ');
  }
  if (isWindows) return names.map((name) => `winget install ${name.winget}`).join(' && ');
  if (which('dnf') && !which('apt-get')) return pick('dnf', 'sudo dnf install -y');
  if (which('pacman') && !which('apt-get')) return pick('pacman', 'sudo pacman -S --needed');
  return pick('apt', 'sudo apt-get install -y');
}

const PYTHON = {
  apt: 'python3 python3-venv',
  dnf: 'python3',
  pacman: 'python',
  brew: 'python',
  winget: 'Python.Python.3.12',
};
const COMPILER = {
  apt: 'g++ make',
  dnf: 'gcc-c++ make',
  pacman: 'base-devel',
  winget: 'Microsoft.VisualStudio.2022.BuildTools',
};
const CMAKE = { apt: 'cmake', dnf: 'cmake', pacman: 'cmake', brew: 'cmake', winget: 'Kitware.CMake' };

/** Node is checked first and alone: nothing else can run without it. */
function requireNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= MIN_NODE) return;
  throw new SetupError(
    `Node ${MIN_NODE} or newer is needed; this is ${process.versions.node} (${process.execPath}).`,
    {
      hint:
        process.platform === 'darwin'
          ? 'brew install node@22'
          : isWindows
            ? 'winget install OpenJS.NodeJS.LTS'
            : 'install it from your system (sudo apt-get install -y nodejs, if that is new enough) or with nvm: nvm install 22',
      exitCode: 3,
    },
  );
}

/** A Python that can make virtual environments, or the reason why there is none. */
function findPython() {
  let problem = 'none was found on PATH';
  for (const name of ['python3', 'python', 'python3.13', 'python3.12', 'python3.11', 'python3.10']) {
    const program = which(name);
    if (program === undefined) continue;
    const version = ask(program, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
    if (version === undefined) problem = `${program} does not run`;
    else if (!isAtLeast(parseVersion(version), MIN_PYTHON)) problem = `${program} is ${version}`;
    else if (ask(program, ['-c', 'import venv, ensurepip']) === undefined)
      problem = `${program} (${version}) lacks the modules venv and ensurepip`;
    else return { program };
  }
  return { problem };
}

/** C++ compiler: CXX, else the usual names. libtorch's headers are C++20, so a compiler must know that. */
function findCompiler() {
  if (isWindows) return { program: 'cl' }; // CMake finds Visual Studio by itself
  let problem = 'none was found on PATH (c++, g++, clang++)';
  for (const name of [process.env.CXX, 'c++', 'g++', 'clang++']) {
    const program = name && (path.isAbsolute(name) ? name : which(name));
    if (!program || !fs.existsSync(program)) continue;
    if (
      ask(
        program,
        ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'],
        '#include <vector>\nint main() {}\n',
      ) !== undefined
    )
      return { program };
    problem = `${program} cannot compile C++20`;
  }
  return { problem };
}

function findCmake() {
  const program = which('cmake');
  if (program === undefined) return { problem: 'none was found on PATH' };
  const version = parseVersion(ask(program, ['--version']));
  if (version.length < 2 || !isAtLeast(version, MIN_CMAKE))
    return { problem: `${program} is ${version.join('.') || 'broken'}` };
  return { program };
}

/** Names every missing prerequisite at once, each with the command that installs it. */
function requirePrerequisites({ needsPython, needsCompiler }) {
  const missing = [];
  const want = (found, title, purpose, names) => {
    if (found.problem !== undefined) missing.push({ title, purpose, names, problem: found.problem });
  };
  if (needsPython)
    want(
      findPython(),
      `Python ${MIN_PYTHON.join('.')} or newer with venv`,
      'to install the engine, PyTorch',
      PYTHON,
    );
  if (needsCompiler) {
    want(findCompiler(), 'a C++20 compiler', 'to build the engine addon', COMPILER);
    want(findCmake(), `CMake ${MIN_CMAKE.join('.')} or newer`, 'to build the engine addon', CMAKE);
    if (!isWindows && !which('make') && !which('ninja'))
      want({ problem: 'neither make nor ninja was found on PATH' }, 'make', 'to build the engine addon', {
        apt: 'make',
        dnf: 'make',
        pacman: 'make',
        brew: 'make',
      });
  }
  if (missing.length === 0) return;
  const lines = missing.map(
    ({ title, purpose, names, problem }) =>
      `missing: ${title} (${purpose}): ${problem}\n[set-up]   install it with:  ${installCommand([names])}`,
  );
  throw new SetupError(lines.join('\n[set-up] '), {
    hint:
      missing.length > 1 ? `all at once:  ${installCommand(missing.map((item) => item.names))}` : undefined,
    exitCode: 3,
  });
}

// ------------------------------------------------------------------------------------------------- packages

const lockFile = path.join(root, 'package-lock.json');
const packagesHash = () => sha256(fs.readFileSync(lockFile));

function arePackagesReady() {
  const stamp = fs.existsSync(packagesStamp) ? fs.readFileSync(packagesStamp, 'utf8') : undefined;
  return stamp === packagesHash();
}

/** True when npm's own record in node_modules says the same as package-lock.json (`npm install` was run). */
function matchesNpmRecord() {
  const wanted = readJson(lockFile)?.packages;
  const installed = readJson(path.join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (!wanted || !installed) return false;
  for (const [name, entry] of Object.entries(installed)) {
    if (wanted[name]?.version !== entry.version || wanted[name]?.integrity !== entry.integrity) return false;
  }
  return Object.entries(wanted).every(([name, entry]) => name === '' || entry.optional || name in installed);
}

async function installPackages() {
  if (!matchesNpmRecord()) {
    // `npm_execpath` is the npm that started us, if one did.
    const npm = process.env.npm_execpath;
    const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts'];
    const status = npm?.endsWith('.js')
      ? await run(process.execPath, [npm, ...args])
      : await run('npm', args);
    if (status !== 0)
      throw new SetupError(`npm ci failed (${status}).`, {
        hint: 'its own message stands above; run the same command again',
      });
  }
  writeAtomic(packagesStamp, packagesHash());
}

// --------------------------------------------------------------------------------------------------- engine

const cacheRoot =
  process.env.TWGRPO_CACHE ||
  path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'twgrpo');
const privateVenv = path.join(cacheRoot, ENGINE_FOLDER);
const venvPython = (venv) => path.join(venv, isWindows ? 'Scripts/python.exe' : 'bin/python');

/** The site-packages folders of a Python prefix. */
function sitePackages(prefix) {
  const folders = [path.join(prefix, 'Lib', 'site-packages')];
  for (const lib of ['lib', 'lib64']) {
    const folder = path.join(prefix, lib);
    if (!fs.existsSync(folder)) continue;
    for (const name of fs.readdirSync(folder))
      if (name.startsWith('python3')) folders.push(path.join(folder, name, 'site-packages'));
  }
  return folders.filter((folder) => fs.existsSync(folder));
}

const isTorchFolder = (dir) =>
  fs.existsSync(path.join(dir, 'lib')) &&
  ['version.py', 'build-version'].some((f) => fs.existsSync(path.join(dir, f)));

/** The file whose change means that another PyTorch lies in the same place. */
const versionFile = (dir) =>
  ['version.py', 'build-version'].map((name) => path.join(dir, name)).find((file) => fs.existsSync(file)) ??
  '';

/** The torch folder in what a user may call "the PyTorch": a venv, a site-packages, torch/ itself, a libtorch/. */
function findTorchIn(dir) {
  const candidates = [dir, path.join(dir, 'torch'), path.join(dir, 'libtorch')];
  for (const site of sitePackages(dir)) candidates.push(path.join(site, 'torch'));
  return candidates.find(isTorchFolder);
}

/** Reads what a PyTorch is without starting it; `problem` says why it cannot be the engine. */
function inspectTorch(dir) {
  const file = versionFile(dir);
  const text = fs.readFileSync(file, 'utf8');
  const version = (/__version__\s*=\s*['"]([^'"]+)/.exec(text)?.[1] ?? text.trim()).split('\n')[0];
  const lib = (name) =>
    ['.so', '.dylib', '.dll'].some((end) =>
      [`lib${name}${end}`, `${name}${end}`].some((f) => fs.existsSync(path.join(dir, 'lib', f))),
    );
  const torchConfig = path.join(dir, 'share', 'cmake', 'Torch', 'TorchConfig.cmake');
  const config = fs.existsSync(torchConfig) ? fs.readFileSync(torchConfig, 'utf8') : '';
  let problem;
  if (!isAtLeast(parseVersion(version), MIN_TORCH))
    problem = `it is ${version}; ${MIN_TORCH.join('.')} or newer is needed`;
  else if (/_GLIBCXX_USE_CXX11_ABI=0/.test(config))
    problem = `${version} was built with the old C++ ABI (_GLIBCXX_USE_CXX11_ABI=0)`;
  else if (!fs.existsSync(path.join(dir, 'include', 'ATen', 'core', 'dispatch', 'Dispatcher.h')))
    problem = `${version} came without its C++ headers (no ${path.join(dir, 'include', 'ATen')})`;
  else if (!lib('torch_cpu')) problem = `${version} has no libtorch_cpu in ${path.join(dir, 'lib')}`;
  return { dir: fs.realpathSync(dir), version, cuda: lib('torch_cuda'), problem };
}

let installedTorch;

/** An installed PyTorch that will do, or undefined. Throws when TORCH_HOME names one that will not. */
function findInstalledTorch() {
  installedTorch ??= { value: searchInstalledTorch() }; // asked twice, and each time it starts Python
  return installedTorch.value;
}

function searchInstalledTorch() {
  const home = process.env.TORCH_HOME;
  const dir = home && findTorchIn(path.resolve(home));
  // torch.hub calls its download cache by the same name; such a folder was not meant for us.
  const isHubCache = home && !dir && fs.existsSync(path.join(home, 'hub'));
  if (isHubCache)
    say(`engine: TORCH_HOME (${home}) is a cache of torch.hub without a PyTorch in it; looking elsewhere`);
  if (home && !isHubCache) {
    const advice =
      'set TORCH_HOME to a virtual environment, site-packages, torch or libtorch folder, or unset it';
    if (dir === undefined)
      throw new SetupError(`TORCH_HOME is ${home}, but there is no PyTorch in it.`, {
        hint: advice,
        exitCode: 3,
      });
    const torch = inspectTorch(dir);
    if (torch.problem)
      throw new SetupError(`The PyTorch in TORCH_HOME (${dir}) cannot be used: ${torch.problem}.`, {
        hint: advice,
        exitCode: 3,
      });
    const python = venvPython(path.resolve(home));
    return { ...torch, source: 'TORCH_HOME', python: fs.existsSync(python) ? python : null };
  }
  for (const name of ['python3', 'python']) {
    const python = which(name);
    if (python === undefined) continue;
    const code =
      'import importlib.util as u; s = u.find_spec("torch"); print(s.origin if s and s.origin else "")';
    const origin = ask(python, ['-c', code]); // locates it without importing it
    if (!origin || !isTorchFolder(path.dirname(origin))) continue;
    const torch = inspectTorch(path.dirname(origin));
    if (torch.problem === undefined) return { ...torch, source: `the active Python (${python})`, python };
    say(
      `the active Python's PyTorch (${torch.dir}) cannot be used: ${torch.problem}; a private one is used instead`,
    );
  }
  return undefined;
}

const completeStamp = (venv, requirement) =>
  path.join(venv, `.complete-${requirement.replace(/[^\w.-]+/g, '-')}`);
const privateTorch = () =>
  fs.existsSync(completeStamp(privateVenv, PINNED_TORCH)) ? findTorchIn(privateVenv) : undefined;

/**
 * A virtual environment in the cache folder with one requirement in it. Such a folder cannot be built under
 * another name and renamed (it contains its own path), so a stamp written last says that it is complete;
 * a venv whose first requirement has no stamp is a remnant and starts anew.
 */
async function installIntoVenv(venv, requirement) {
  await withLock(`${venv}.lock`, async () => {
    const stamp = completeStamp(venv, requirement);
    if (fs.existsSync(stamp)) return; // another clone did it while we waited
    const isFirst =
      !fs.existsSync(venv) || !fs.readdirSync(venv).some((name) => name.startsWith('.complete-'));
    if (isFirst) {
      fs.rmSync(venv, { recursive: true, force: true });
      const { program, problem } = findPython();
      if (problem !== undefined)
        throw new SetupError(
          `${requirement} is needed, and there is no Python to install it with: ${problem}.`,
          {
            hint: `${installCommand([PYTHON])} (or install FFmpeg, or set FFMPEG_PATH)`,
            exitCode: 3,
          },
        );
      const status = await run(program, ['-m', 'venv', venv]);
      if (status !== 0) throw new SetupError(`${program} -m venv ${venv} failed (${status}).`);
    }
    // Wheels only: no foreign set-up script runs.
    const pip = [
      '-m',
      'pip',
      'install',
      '--disable-pip-version-check',
      '--no-input',
      '--only-binary=:all:',
      requirement,
    ];
    const status = await run(venvPython(venv), pip);
    if (status !== 0)
      throw new SetupError(`pip install ${requirement} failed (${status}).`, {
        hint: "pip's message stands above. Without a network, install PyTorch your own way and set TORCH_HOME to it (docs/install.md)",
      });
    writeAtomic(stamp, `${new Date().toISOString()}\n`);
  });
}

const hasNvidiaGpu = () => fs.existsSync('/proc/driver/nvidia/version') || which('nvidia-smi') !== undefined;

async function findEngine() {
  const installed = findInstalledTorch();
  if (installed) return installed;
  if (privateTorch() === undefined) {
    say(`engine: installing ${PINNED_TORCH} into ${privateVenv} (once for all clones)`);
    if (!hasNvidiaGpu() && process.platform === 'linux')
      note('engine: no NVIDIA GPU seen; docs/install.md says how to choose the much smaller CPU build');
    await installIntoVenv(privateVenv, PINNED_TORCH);
  }
  const dir = privateTorch();
  if (dir === undefined)
    throw new SetupError(`internal: ${privateVenv} has no PyTorch after its installation.`);
  const torch = inspectTorch(dir);
  if (torch.problem)
    throw new SetupError(`The private PyTorch (${dir}) cannot be used: ${torch.problem}.`, {
      hint: `remove ${privateVenv} and run this again`,
    });
  return { ...torch, source: 'a private virtual environment', python: venvPython(privateVenv) };
}

/** FFMPEG_PATH, then PATH, then the static build inside pip's imageio-ffmpeg. */
async function findFfmpeg() {
  const named = process.env.FFMPEG_PATH;
  if (named) {
    if (!fs.existsSync(named) || ask(named, ['-version']) === undefined)
      throw new SetupError(`FFMPEG_PATH is ${named}, but that does not run.`, {
        hint: 'set it to an ffmpeg program, or unset it',
        exitCode: 3,
      });
    return { path: path.resolve(named), source: 'FFMPEG_PATH' };
  }
  const onPath = which('ffmpeg');
  if (onPath !== undefined && ask(onPath, ['-version']) !== undefined)
    return { path: onPath, source: 'PATH' };
  const venv = privateTorch() === undefined ? path.join(cacheRoot, 'ffmpeg') : privateVenv;
  const find = () => {
    for (const site of sitePackages(venv)) {
      const folder = path.join(site, 'imageio_ffmpeg', 'binaries');
      const name = fs.existsSync(folder) && fs.readdirSync(folder).find((file) => file.startsWith('ffmpeg-'));
      if (name) return path.join(folder, name);
    }
    return undefined;
  };
  if (!fs.existsSync(completeStamp(venv, PINNED_FFMPEG))) {
    say(`engine: no ffmpeg on PATH; installing the static build of ${PINNED_FFMPEG} into ${venv}`);
    await installIntoVenv(venv, PINNED_FFMPEG);
  }
  const program = find();
  if (program === undefined)
    throw new SetupError(`internal: ${PINNED_FFMPEG} in ${venv} carries no program for this system.`, {
      hint: 'install FFmpeg, or set FFMPEG_PATH',
    });
  return { path: program, source: PINNED_FFMPEG.split('==')[0] };
}

/** What the choice of engine depends on. Another value means: look again. */
const engineKey = () =>
  sha256(
    ...['TORCH_HOME', 'FFMPEG_PATH', 'VIRTUAL_ENV', 'CONDA_PREFIX'].map((name) => process.env[name] ?? ''),
    cacheRoot,
  );

function isEngineReady(state) {
  const engine = readJson(enginePath);
  return (
    engine !== undefined &&
    state.engine_key === engineKey() &&
    state.torch_fingerprint === fingerprint(versionFile(engine.torch_dir)) &&
    state.torch_fingerprint !== '' &&
    fs.existsSync(engine.ffmpeg)
  );
}

async function setUpEngine(state) {
  const torch = await findEngine();
  const ffmpeg = await findFfmpeg();
  writeJson(enginePath, {
    torch_dir: torch.dir,
    torch_version: torch.version,
    torch_source: torch.source,
    cuda: torch.cuda,
    ffmpeg: ffmpeg.path,
    ffmpeg_source: ffmpeg.source,
    addon: addonPath,
    python: torch.python,
    python_version:
      (torch.python && ask(torch.python, ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'])) ??
      null,
  });
  state.engine_key = engineKey();
  state.torch_fingerprint = fingerprint(versionFile(torch.dir));
  say(`engine: PyTorch ${torch.version} from ${torch.source}; ffmpeg from ${ffmpeg.source}`);
}

// ---------------------------------------------------------------------------------------- addon, typescript

const nativeFolder = path.join(root, 'native');

function addonHash() {
  const engine = readJson(enginePath);
  const parts = [engine?.torch_dir ?? '', engine?.torch_version ?? '', process.arch];
  for (const file of walk(nativeFolder)) parts.push(path.relative(root, file), fs.readFileSync(file));
  const headers = path.join(root, 'node_modules', 'node-api-headers', 'package.json');
  parts.push(fs.existsSync(headers) ? fs.readFileSync(headers) : '');
  return sha256(...parts);
}

const isAddonReady = (state) => fs.existsSync(addonPath) && state.addon_hash === addonHash();

async function buildAddon(state) {
  const engine = readJson(enginePath);
  const folder = path.dirname(addonPath);
  const log = path.join(folder, 'build.log');
  // Objects compiled against another PyTorch must go: its headers may carry older times than they do.
  const torch = `${engine.torch_version} ${engine.torch_dir}`;
  if (state.addon_torch !== torch) fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(log, '');
  const configure = [
    '-S',
    nativeFolder,
    '-B',
    folder,
    '-DCMAKE_BUILD_TYPE=Release',
    `-DTORCH_DIR=${engine.torch_dir}`,
  ];
  if (!isWindows && !which('make')) configure.push('-G', 'Ninja');
  for (const args of [configure, ['--build', folder, '--config', 'Release', `-j${COMPILE_JOBS}`]]) {
    const status = await run('cmake', args, { log });
    if (status === 0) continue;
    const tail = fs.readFileSync(log, 'utf8').trimEnd().split('\n').slice(-40).join('\n');
    throw new SetupError(
      `The addon did not build (cmake ${args[0]}: ${status}). The end of ${log}:\n${tail}`,
      {
        hint: 'after a change of compiler or PyTorch, remove build/ and run this again',
      },
    );
  }
  if (!fs.existsSync(addonPath))
    throw new SetupError(`internal: the build succeeded without making ${addonPath}; see ${log}.`);
  state.addon_hash = addonHash();
  state.addon_torch = torch;
}

function sourcesHash() {
  const parts = [];
  for (const file of walk(path.join(root, 'src')))
    if (file.endsWith('.ts') && !/\.test\.ts$|test-support\.ts$/.test(file))
      parts.push(path.relative(root, file), fingerprint(file));
  for (const name of ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'])
    parts.push(fs.readFileSync(path.join(root, name)));
  return sha256(...parts);
}

const isTypeScriptReady = (state) => fs.existsSync(mainPath) && state.sources_hash === sourcesHash();

async function buildTypeScript(state) {
  const hash = sourcesHash(); // before, so that an edit during the build is seen by the next run
  const output = path.join(build, 'js');
  if (!fs.existsSync(mainPath)) fs.rmSync(output, { recursive: true, force: true }); // incremental state without output
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const status = await run(process.execPath, [tsc, '-p', path.join(root, 'tsconfig.build.json')]);
  if (!fs.existsSync(mainPath)) throw new SetupError(`tsc wrote no ${mainPath} (${status}).`);
  // A source that is gone must not live on as JavaScript.
  for (const file of [...walk(output)]) {
    const source = path.relative(output, file).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
    if (source.endsWith('.ts') && !fs.existsSync(path.join(root, 'src', source))) fs.rmSync(file);
  }
  if (status === 0) state.sources_hash = hash;
  else
    say(
      'typescript: the type errors above do not stop the JavaScript from being written; `npm run check` fails on them',
    );
}

// ----------------------------------------------------------------------------------------------------- main

const STEPS = [
  { name: 'packages', work: 'npm ci', isReady: arePackagesReady, run: installPackages },
  { name: 'engine', work: 'looking for PyTorch and FFmpeg', isReady: isEngineReady, run: setUpEngine },
  {
    name: 'addon',
    work: 'compiling native/ (a minute or two; log in build/native/build.log)',
    isReady: isAddonReady,
    run: buildAddon,
  },
  { name: 'typescript', work: 'compiling src/', isReady: isTypeScriptReady, run: buildTypeScript },
];

async function main() {
  const began = performance.now();
  requireNode();
  const state = readJson(statePath) ?? {};
  if (STEPS.every((step) => step.isReady(state))) {
    note(`ready: ${STEPS.map((step) => step.name).join(', ')} (${duration(performance.now() - began)})`);
    return;
  }
  await withLock(path.join(build, '.lock'), async () => {
    const current = readJson(statePath) ?? {};
    const needsEngine = !isEngineReady(current);
    requirePrerequisites({
      needsPython: needsEngine && privateTorch() === undefined && findInstalledTorch() === undefined,
      needsCompiler: needsEngine || !isAddonReady(current),
    });
    for (const step of STEPS) {
      if (step.isReady(current)) {
        note(`${step.name}: ready`);
        continue;
      }
      const start = performance.now();
      say(`${step.name}: ${step.work}`);
      await step.run(current);
      writeJson(statePath, current);
      say(`${step.name}: done in ${duration(performance.now() - start)}`);
    }
  });
  say(`ready in ${duration(performance.now() - began)}`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  if (error.hint) say(`next step: ${error.hint}`);
  process.exitCode = error.exitCode;
}
