/**
 * @file The engine: a PyTorch >= 2.7 from TORCH_HOME, the active Python, or a private virtual environment in the user's
 * cache folder that all clones share; and an FFmpeg from FFMPEG_PATH, PATH, the bundle, or pip's imageio-ffmpeg. A bundle is for
 * machines without a network, so for it nothing is installed.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fingerprint, sha256, writeAtomic } from './files.mjs';
import { withLock } from './lock.mjs';
import { cacheRoot } from './place.mjs';
import { findPython, installCommand, PYTHON } from './prerequisites.mjs';
import { ask, isAtLeast, isWindows, parseVersion, run, which } from './programs.mjs';
import { note, SetupError, say } from './report.mjs';

/** @typedef {import('../../src/base/index.ts').EngineFile} EngineFile */
/**
 * A PyTorch as its files tell it; `problem` says why it cannot be the engine.
 * @typedef {{ dir: string, version: string, cuda: boolean, problem: string | undefined }} Torch
 */
/** @typedef {Torch & { source: string, python: string | null }} FoundTorch */
/** @typedef {{ isOffline: boolean, bundledFfmpeg: string | undefined }} Choices isOffline: what is not there is an error, not a download */

const PINNED_TORCH = 'torch==2.13.0';
const PINNED_FFMPEG = 'imageio-ffmpeg==0.6.0';
const ENGINE_FOLDER = 'engine-torch-2.13.0';
/** @type {import('./programs.mjs').Version} */
const MIN_TORCH = [2, 7];

const privateVenv = path.join(cacheRoot(), ENGINE_FOLDER);
/** @param {string} venv */
const venvPython = (venv) => path.join(venv, isWindows ? 'Scripts/python.exe' : 'bin/python');

/** The site-packages folders of a Python prefix. @param {string} prefix */
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

/** @param {string} dir */
const isTorchFolder = (dir) =>
  fs.existsSync(path.join(dir, 'lib')) &&
  ['version.py', 'build-version'].some((f) => fs.existsSync(path.join(dir, f)));

/** The file whose change means that another PyTorch lies in the same place. @param {string} dir */
const versionFile = (dir) =>
  ['version.py', 'build-version'].map((name) => path.join(dir, name)).find((file) => fs.existsSync(file)) ??
  '';

/** The torch folder in what a user may call "the PyTorch": a venv, a site-packages, torch/ itself, a libtorch/. @param {string} dir */
function findTorchIn(dir) {
  const candidates = [dir, path.join(dir, 'torch'), path.join(dir, 'libtorch')];
  for (const site of sitePackages(dir)) candidates.push(path.join(site, 'torch'));
  return candidates.find(isTorchFolder);
}

/** Reads what a PyTorch is without starting it. @param {string} dir @returns {Torch} */
function inspectTorch(dir) {
  const file = versionFile(dir);
  const text = fs.readFileSync(file, 'utf8');
  const version = (/__version__\s*=\s*['"]([^'"]+)/.exec(text)?.[1] ?? text.trim()).split('\n')[0] ?? '';
  /** @param {string} name */
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

/** @type {{ value: FoundTorch | undefined } | undefined} */
let installedTorch;

/** An installed PyTorch that will do, or undefined. Throws when TORCH_HOME names one that will not. */
function findInstalledTorch() {
  installedTorch ??= { value: searchInstalledTorch() }; // asked twice, and each time it starts Python
  return installedTorch.value;
}

/** @returns {FoundTorch | undefined} */
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
    say(`the PyTorch of ${python} (${torch.dir}) cannot be used: ${torch.problem}; looking elsewhere`);
  }
  return undefined;
}

/** @param {string} venv @param {string} requirement */
const completeStamp = (venv, requirement) =>
  path.join(venv, `.complete-${requirement.replace(/[^\w.-]+/g, '-')}`);
const privateTorch = () =>
  fs.existsSync(completeStamp(privateVenv, PINNED_TORCH)) ? findTorchIn(privateVenv) : undefined;

/**
 * A virtual environment in the cache folder with one requirement in it. Such a folder cannot be built under
 * another name and renamed (it contains its own path), so a stamp written last says that it is complete;
 * a venv whose first requirement has no stamp is a remnant and starts anew.
 * @param {string} venv
 * @param {string} requirement
 */
async function installIntoVenv(venv, requirement) {
  await withLock(`${venv}.lock`, async () => {
    const stamp = completeStamp(venv, requirement);
    if (fs.existsSync(stamp)) return; // another clone did it while we waited
    const isFirst =
      !fs.existsSync(venv) || !fs.readdirSync(venv).some((name) => name.startsWith('.complete-'));
    if (isFirst) {
      fs.rmSync(venv, { recursive: true, force: true });
      const python = findPython();
      if (python.problem !== undefined)
        throw new SetupError(
          `${requirement} is needed, and there is no Python to install it with: ${python.problem}.`,
          {
            hint: `${installCommand([PYTHON])} (or install FFmpeg, or set FFMPEG_PATH)`,
            exitCode: 3,
          },
        );
      const status = await run(python.program, ['-m', 'venv', venv]);
      if (status !== 0) throw new SetupError(`${python.program} -m venv ${venv} failed (${status}).`);
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

/** @param {Choices} choices @returns {Promise<FoundTorch>} */
async function findEngine({ isOffline }) {
  const installed = findInstalledTorch();
  if (installed) return installed;
  if (privateTorch() === undefined) {
    if (isOffline)
      throw new SetupError(
        `No PyTorch ${MIN_TORCH.join('.')} or newer was found (TORCH_HOME, python3, python).`,
        {
          hint: 'activate the Python environment that has one, or set TORCH_HOME to it, and run this again',
          exitCode: 3,
        },
      );
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

/**
 * FFMPEG_PATH, then PATH, then the bundle's own, then the static build inside pip's imageio-ffmpeg.
 * @param {Choices} choices
 * @returns {Promise<{ path: string, source: string }>}
 */
async function findFfmpeg({ bundledFfmpeg }) {
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
  if (bundledFfmpeg !== undefined) return { path: bundledFfmpeg, source: 'the bundle' };
  const venv = privateTorch() === undefined ? path.join(cacheRoot(), 'ffmpeg') : privateVenv;
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
  return { path: program, source: PINNED_FFMPEG.replace(/==.*/, '') };
}

/** The facts that the choice of engine depends on. Another value means: look again. */
export const engineKey = () =>
  sha256(
    ...['TORCH_HOME', 'FFMPEG_PATH', 'VIRTUAL_ENV', 'CONDA_PREFIX'].map((name) => process.env[name] ?? ''),
    cacheRoot(),
  );

/** Changes when another PyTorch is put in the same place; '' when there is none any more. @param {EngineFile} engine */
export const torchFingerprint = (engine) => fingerprint(versionFile(engine.torch_dir));

/**
 * @param {Choices} choices
 * @returns {Promise<Omit<EngineFile, 'addon'>>} what engine.json says about PyTorch, FFmpeg and Python
 */
export async function chooseEngine(choices) {
  const torch = await findEngine(choices);
  const ffmpeg = await findFfmpeg(choices);
  return {
    torch_dir: torch.dir,
    torch_version: torch.version,
    torch_source: torch.source,
    cuda: torch.cuda,
    ffmpeg: ffmpeg.path,
    ffmpeg_source: ffmpeg.source,
    python: torch.python,
    python_version:
      (torch.python && ask(torch.python, ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'])) ??
      null,
  };
}

/** True when nothing can be chosen without Python's pip. */
export const needsPythonForEngine = () => privateTorch() === undefined && findInstalledTorch() === undefined;
