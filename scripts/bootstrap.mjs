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
 * All of this runs before `npm ci`, so it imports nothing but Node and scripts/set-up/.
 *
 * Options: --quiet prints only the steps that have work to do.
 * Environment: TORCH_HOME, FFMPEG_PATH, TWGRPO_CACHE, XDG_CACHE_HOME (docs/install.md).
 * Exit codes: 0 ready, 1 a step failed, 3 a prerequisite is missing, 130/143 interrupted (run it again).
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseEngine, engineKey, needsPythonForEngine, torchFingerprint } from './set-up/engine.mjs';
import { fingerprint, readJson, sha256, walk, writeAtomic, writeJson } from './set-up/files.mjs';
import { withLock } from './set-up/lock.mjs';
import { requireNode, requirePrerequisites } from './set-up/prerequisites.mjs';
import { isWindows, run, which } from './set-up/programs.mjs';
import { duration, note, SetupError, say } from './set-up/report.mjs';

const COMPILE_JOBS = 2; // one translation unit of libtorch headers takes about 1.5 GB

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const build = path.join(root, 'build');
const statePath = path.join(build, 'bootstrap.json');
const enginePath = path.join(build, 'engine.json');
const addonPath = path.join(build, 'native', 'twgrpo.node');
const mainPath = path.join(build, 'js', 'cli', 'main.js');
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

function isEngineReady(state) {
  const engine = readJson(enginePath);
  return (
    engine !== undefined &&
    state.engine_key === engineKey() &&
    state.torch_fingerprint !== '' &&
    state.torch_fingerprint === torchFingerprint(engine) &&
    fs.existsSync(engine.ffmpeg)
  );
}

async function setUpEngine(state) {
  const engine = { ...(await chooseEngine()), addon: addonPath };
  writeJson(enginePath, engine);
  state.engine_key = engineKey();
  state.torch_fingerprint = torchFingerprint(engine);
  say(
    `engine: PyTorch ${engine.torch_version} from ${engine.torch_source}; ffmpeg from ${engine.ffmpeg_source}`,
  );
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
    const status = await run('cmake', args, { cwd: root, log });
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
  const status = await run(process.execPath, [tsc, '-p', path.join(root, 'tsconfig.build.json')], {
    cwd: root,
  });
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
      needsPython: needsEngine && needsPythonForEngine(),
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
