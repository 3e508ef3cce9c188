#!/usr/bin/env node
/**
 * @file Set-up: everything between a fresh clone, an installed package or an unpacked bundle and a running `twgrpo`, in one
 * idempotent command.
 *
 *   packages   `npm ci`, when package-lock.json differs from what node_modules was made of
 *   engine     a PyTorch >= 2.7: TORCH_HOME, else the active Python's, else a private virtual environment
 *              in the user's cache folder, shared by all clones; and an FFmpeg beside it
 *   addon      CMake build of native/ into native/twgrpo.node
 *   typescript tsc into build/js
 *   page       Vite builds page/ into build/page, which the dashboard serves
 *
 * A package and a bundle bring their npm packages and their JavaScript, so they have the two steps in the middle alone.
 * Every step leaves a stamp when it is complete; the next run compares stamps and starts no other process.
 * What was found is written to engine.json, which src/tensor and src/video read; set-up/place.mjs says in which folder.
 * All of this runs before `npm ci`, so it imports nothing but Node and scripts/set-up/.
 *
 * Options: --quiet prints only the steps that have work to do.
 * Environment: TORCH_HOME, FFMPEG_PATH, TWGRPO_CACHE, XDG_CACHE_HOME (docs/install.md).
 * Exit codes: 0 ready, 1 a step failed, 3 a prerequisite is missing, 130/143 interrupted (run it again).
 */
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as os from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseEngine, engineKey, needsPythonForEngine, torchFingerprint } from './set-up/engine.mjs';
import { codeOf, fingerprint, readJson, sha256, walk, writeAtomic, writeJson } from './set-up/files.mjs';
import { withLock } from './set-up/lock.mjs';
import { engineFile, layoutOf, setUpFolder } from './set-up/place.mjs';
import { requireNode, requirePrerequisites } from './set-up/prerequisites.mjs';
import { isWindows, run, which } from './set-up/programs.mjs';
import { duration, note, SetupError, say } from './set-up/report.mjs';

/** @typedef {import('../src/base/index.ts').EngineFile} EngineFile */
/**
 * Stamps of the steps that are done: bootstrap.json.
 * @typedef {{
 *   engine_key?: string,
 *   torch_fingerprint?: string,
 *   addon_hash?: string,
 *   addon_torch?: string,
 *   sources_hash?: string,
 *   page_hash?: string,
 * }} State
 */

const BYTES_PER_COMPILER = 2e9; // one translation unit of libtorch headers takes about 1.5 GB
/** A long step says this often that it goes on. */
const SIGN_MS = 15_000;
const PROGRESS_MS = 10_000;

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const layout = layoutOf(root);
const folder = setUpFolder(root);
const statePath = path.join(folder, 'bootstrap.json');
const enginePath = engineFile(root);
const addonPath = path.join(folder, 'native', 'twgrpo.node');
const javaScript = path.join(root, 'build', 'js');
const mainPath = path.join(javaScript, 'cli', 'main.js');
const packagesStamp = path.join(root, 'node_modules', '.twgrpo-packages');

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
      ? await run(process.execPath, [npm, ...args], { cwd: root })
      : await run('npm', args, { cwd: root });
    if (status !== 0)
      throw new SetupError(`npm ci failed (${status}).`, {
        hint: 'its own message stands above; run the same command again',
      });
  }
  writeAtomic(packagesStamp, packagesHash());
}

// --------------------------------------------------------------------------------------------------- engine

/** @returns {EngineFile | undefined} */
const readEngine = () => readJson(enginePath);

/** @param {State} state */
function isEngineReady(state) {
  const engine = readEngine();
  return (
    engine !== undefined &&
    state.engine_key === engineKey() &&
    state.torch_fingerprint !== '' &&
    state.torch_fingerprint === torchFingerprint(engine) &&
    fs.existsSync(engine.ffmpeg)
  );
}

/** @param {State} state */
async function setUpEngine(state) {
  const own = path.join(root, 'bin', 'ffmpeg');
  const choices = { isOffline: layout === 'bundle', bundledFfmpeg: fs.existsSync(own) ? own : undefined };
  const engine = { ...(await chooseEngine(choices)), addon: addonPath };
  writeJson(enginePath, engine);
  state.engine_key = engineKey();
  state.torch_fingerprint = torchFingerprint(engine);
  say(
    `engine: PyTorch ${engine.torch_version} from ${engine.torch_source}; ffmpeg from ${engine.ffmpeg_source}`,
  );
}

// ---------------------------------------------------------------------------------------- addon, typescript

const nativeFolder = path.join(root, 'native');

/** The package node-api-headers, which npm may have put beside us instead of under us. */
function nodeApiHeaders() {
  const require = createRequire(path.join(root, 'package.json'));
  try {
    return path.dirname(require.resolve('node-api-headers/package.json'));
  } catch {
    return undefined; // before `npm ci`
  }
}

function addonHash() {
  const engine = readEngine();
  /** @type {(string | Uint8Array)[]} */
  const parts = [engine?.torch_dir ?? '', engine?.torch_version ?? '', process.arch];
  for (const file of walk(nativeFolder)) parts.push(path.relative(root, file), fs.readFileSync(file));
  const headers = nodeApiHeaders();
  parts.push(headers === undefined ? '' : fs.readFileSync(path.join(headers, 'package.json')));
  return sha256(...parts);
}

/** @param {State} state */
const isAddonReady = (state) => fs.existsSync(addonPath) && state.addon_hash === addonHash();

const addonLog = path.join(path.dirname(addonPath), 'build.log');

/** How far CMake is, out of its last line: `[ 42%] Building` of make, `[6/15] Building` of ninja. */
const buildProgress = () =>
  fs
    .readFileSync(addonLog, 'utf8')
    .match(/^\[[^\]]+\]/gm)
    ?.at(-1) ?? 'configuring';

/** @param {State} state */
async function buildAddon(state) {
  const engine = readEngine();
  const headers = nodeApiHeaders();
  if (engine === undefined || headers === undefined)
    throw new SetupError(`internal: the addon is built after ${enginePath} and the packages are there.`);
  const build = path.dirname(addonPath);
  // Objects compiled against another PyTorch must go: its headers may carry older times than they do.
  const torch = `${engine.torch_version} ${engine.torch_dir}`;
  if (state.addon_torch !== torch) fs.rmSync(build, { recursive: true, force: true });
  fs.mkdirSync(build, { recursive: true });
  fs.writeFileSync(addonLog, '');
  const configure = [
    '-S',
    nativeFolder,
    '-B',
    build,
    '-DCMAKE_BUILD_TYPE=Release',
    `-DTORCH_DIR=${engine.torch_dir}`,
    `-DNODE_API_HEADERS=${path.join(headers, 'include')}`,
  ];
  if (!isWindows && !which('make')) configure.push('-G', 'Ninja');
  const jobs = Math.max(
    1,
    Math.min(os.availableParallelism(), Math.floor(os.freemem() / BYTES_PER_COMPILER)),
  );
  let shown = '';
  const progress = setInterval(() => {
    const now = buildProgress();
    if (now !== shown) say(`addon: ${now}`);
    shown = now;
  }, PROGRESS_MS);
  try {
    for (const args of [configure, ['--build', build, '--config', 'Release', `-j${jobs}`]]) {
      const status = await run('cmake', args, { cwd: root, log: addonLog });
      if (status === 0) continue;
      const tail = fs.readFileSync(addonLog, 'utf8').trimEnd().split('\n').slice(-40).join('\n');
      throw new SetupError(
        `The addon did not build (cmake ${args[0]}: ${status}). The end of ${addonLog}:\n${tail}`,
        {
          hint: `after a change of compiler or PyTorch, remove ${folder}${layout === 'bundle' ? '/native' : ''} and run this again`,
        },
      );
    }
  } finally {
    clearInterval(progress);
  }
  if (!fs.existsSync(addonPath))
    throw new SetupError(`internal: the build succeeded without making ${addonPath}; see ${addonLog}.`);
  state.addon_hash = addonHash();
  state.addon_torch = torch;
}

function sourcesHash() {
  /** @type {(string | Uint8Array)[]} */
  const parts = [];
  for (const file of walk(path.join(root, 'src')))
    if (file.endsWith('.ts') && !/\.test\.ts$|test-support\.ts$/.test(file))
      parts.push(path.relative(root, file), fingerprint(file));
  for (const name of ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'])
    parts.push(fs.readFileSync(path.join(root, name)));
  return sha256(...parts);
}

/** @param {State} state */
const isTypeScriptReady = (state) => fs.existsSync(mainPath) && state.sources_hash === sourcesHash();

/** @param {State} state */
async function buildTypeScript(state) {
  const hash = sourcesHash(); // before, so that an edit during the build is seen by the next run
  if (!fs.existsSync(mainPath)) fs.rmSync(javaScript, { recursive: true, force: true }); // incremental state without output
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const status = await run(process.execPath, [tsc, '-p', path.join(root, 'tsconfig.build.json')], {
    cwd: root,
  });
  if (!fs.existsSync(mainPath)) throw new SetupError(`tsc wrote no ${mainPath} (${status}).`);
  // A source that is gone must not live on as JavaScript.
  for (const file of [...walk(javaScript)]) {
    const source = path.relative(javaScript, file).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
    if (source.endsWith('.ts') && !fs.existsSync(path.join(root, 'src', source))) fs.rmSync(file);
  }
  if (status === 0) state.sources_hash = hash;
  else
    say(
      'typescript: the type errors above do not stop the JavaScript from being written; `npm run check` fails on them',
    );
}

// ----------------------------------------------------------------------------------------------------- page

const pageFolder = path.join(root, 'page');
const builtPage = path.join(root, 'build', 'page', 'index.html');

function pageHash() {
  // What the page takes from src/ is in one room; most of it are types.
  const files = [...walk(pageFolder), ...walk(path.join(root, 'src', 'dashboard')), lockFile];
  return sha256(...files.flatMap((file) => [path.relative(root, file), fs.readFileSync(file)]));
}

/** @param {State} state */
const isPageReady = (state) => fs.existsSync(builtPage) && state.page_hash === pageHash();

/** @param {State} state */
async function buildPage(state) {
  const hash = pageHash();
  const vite = path.join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const config = path.join(pageFolder, 'vite.config.mjs');
  const status = await run(process.execPath, [vite, 'build', '--config', config, '--logLevel', 'warn'], {
    cwd: root,
  });
  if (status !== 0) throw new SetupError(`Vite built no page (${status}).`);
  state.page_hash = hash;
}

// ----------------------------------------------------------------------------------------------------- main

/**
 * @type {readonly {
 *   name: string,
 *   work: string,
 *   isReady: (state: State) => boolean,
 *   run: (state: State) => Promise<void>,
 * }[]}
 */
const ALL_STEPS = [
  { name: 'packages', work: 'npm ci', isReady: arePackagesReady, run: installPackages },
  { name: 'engine', work: 'looking for PyTorch and FFmpeg', isReady: isEngineReady, run: setUpEngine },
  {
    name: 'addon',
    work: `compiling native/ (a minute or two; log in ${addonLog})`,
    isReady: isAddonReady,
    run: buildAddon,
  },
  { name: 'typescript', work: 'compiling src/', isReady: isTypeScriptReady, run: buildTypeScript },
  { name: 'page', work: 'building the page of the dashboard', isReady: isPageReady, run: buildPage },
];

const STEPS =
  layout === 'checkout' ? ALL_STEPS : ALL_STEPS.filter(({ name }) => name === 'engine' || name === 'addon');

/** @returns {State} */
const readState = () => readJson(statePath) ?? {};

async function main() {
  const began = performance.now();
  requireNode();
  const state = readState();
  if (STEPS.every((step) => step.isReady(state))) {
    note(`ready: ${STEPS.map((step) => step.name).join(', ')} (${duration(performance.now() - began)})`);
    return;
  }
  await withLock(path.join(folder, '.lock'), async () => {
    const current = readState();
    const needsEngine = !isEngineReady(current);
    requirePrerequisites({
      needsPython: layout !== 'bundle' && needsEngine && needsPythonForEngine(),
      needsCompiler: needsEngine || !isAddonReady(current),
    });
    for (const step of STEPS) {
      if (step.isReady(current)) {
        note(`${step.name}: ready`);
        continue;
      }
      const start = performance.now();
      say(`${step.name}: ${step.work}`);
      const sign = setInterval(
        () => say(`${step.name}: at work for ${duration(performance.now() - start)}`),
        SIGN_MS,
      );
      try {
        await step.run(current);
      } finally {
        clearInterval(sign);
      }
      writeJson(statePath, current);
      say(`${step.name}: done in ${duration(performance.now() - start)}`);
    }
  });
  say(`ready in ${duration(performance.now() - began)}`);
}

/** What a user can act on, out of anything thrown. @param {unknown} error */
function asSetupError(error) {
  if (error instanceof SetupError) return error;
  const codes = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'];
  if (!(error instanceof Error) || !codes.includes(codeOf(error) ?? '')) throw error;
  return new SetupError(`Set-up writes into ${folder}, and cannot: ${error.message}`, {
    hint:
      layout === 'package'
        ? 'set TWGRPO_CACHE to a folder that you can write to, here and wherever you use this'
        : 'have the owner of this folder run set-up once, or use a copy of your own',
  });
}

try {
  await main();
} catch (thrown) {
  const error = asSetupError(thrown);
  say(error.message);
  if (error.hint) say(`next step: ${error.hint}`);
  process.exitCode = error.exitCode;
}
