/**
 * @file What must be on the machine before set-up can do its work. Everything missing is named at once, each thing
 * with the command that installs it.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { ask, isAtLeast, isWindows, parseVersion, which } from './programs.mjs';
import { SetupError } from './report.mjs';

/** @typedef {import('./programs.mjs').Version} Version */
/** @typedef {'apt' | 'dnf' | 'pacman' | 'brew' | 'winget'} Manager */
/** @typedef {Readonly<Partial<Record<Manager, string>>>} Names what a package is called by each manager; absent: it has none */
/** @typedef {{ readonly program: string, readonly problem?: undefined } | { readonly problem: string }} Found */

const MIN_NODE = 20;
/** @type {Version} */
const MIN_PYTHON = [3, 10];
/** @type {Version} */
const MIN_CMAKE = [3, 18];

/** The command that installs packages on this system, in the words of its own package manager. @param {readonly Names[]} names */
export function installCommand(names) {
  /** @param {Manager} manager @param {string} prefix */
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

/** @type {Names} */
export const PYTHON = {
  apt: 'python3 python3-venv',
  dnf: 'python3',
  pacman: 'python',
  brew: 'python',
  winget: 'Python.Python.3.12',
};
/** @type {Names} */
const COMPILER = {
  apt: 'g++ make',
  dnf: 'gcc-c++ make',
  pacman: 'base-devel',
  winget: 'Microsoft.VisualStudio.2022.BuildTools',
};
/** @type {Names} */
const CMAKE = { apt: 'cmake', dnf: 'cmake', pacman: 'cmake', brew: 'cmake', winget: 'Kitware.CMake' };

/** Node is checked first and alone: nothing else can run without it. */
export function requireNode() {
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

/** A Python that can make virtual environments, or the reason why there is none. @returns {Found} */
export function findPython() {
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

/** C++ compiler: CXX, else the usual names. libtorch's headers are C++20, so a compiler must know that. @returns {Found} */
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

/** @returns {Found} */
function findCmake() {
  const program = which('cmake');
  if (program === undefined) return { problem: 'none was found on PATH' };
  const version = parseVersion(ask(program, ['--version']));
  if (!isAtLeast(version, MIN_CMAKE)) return { problem: `${program} is ${version?.join('.') ?? 'broken'}` };
  return { program };
}

/**
 * Names every missing prerequisite at once, each with the command that installs it.
 * @param {{ needsPython: boolean, needsCompiler: boolean }} needs
 */
export function requirePrerequisites({ needsPython, needsCompiler }) {
  /** @type {{ title: string, purpose: string, names: Names, problem: string }[]} */
  const missing = [];
  /** @param {Found} found @param {string} title @param {string} purpose @param {Names} names */
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
