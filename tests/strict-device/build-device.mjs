/**
 * @file Builds the strict device when its sources or PyTorch changed, and prints where it is:
 * `build/strict-device/strict.node`. Several test files may ask at once.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readJson, sha256, walk, writeAtomic } from '../../scripts/set-up/files.mjs';
import { withLock } from '../../scripts/set-up/lock.mjs';
import { run } from '../../scripts/set-up/programs.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const sources = path.join(root, 'tests/strict-device/device');
const folder = path.join(root, 'build/strict-device');
const stamp = path.join(folder, 'sources.sha256');
const log = path.join(folder, 'build.log');
const library = path.join(folder, 'strict.node');

const { torch_dir, torch_version } = readJson(path.join(root, 'build/engine.json'));
const files = [...walk(sources), ...['napi.h', 'errors.cpp'].map((name) => path.join(root, 'native', name))];
const hash = sha256(torch_dir, torch_version, ...files.map((file) => fs.readFileSync(file)));

const isReady = () =>
  fs.existsSync(library) && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === hash;

/** @param {readonly string[]} args */
async function cmake(args) {
  const status = await run('cmake', args, { cwd: root, log });
  if (status !== 0) throw new Error(`cmake ${args[0]} failed (${status}):\n${fs.readFileSync(log, 'utf8')}`);
}

if (!isReady())
  await withLock(path.join(root, 'build/.strict-device.lock'), async () => {
    if (isReady()) return;
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(log, '');
    await cmake(['-S', sources, '-B', folder, `-DTORCH_DIR=${torch_dir}`]);
    await cmake(['--build', folder, '-j2']);
    writeAtomic(stamp, hash);
  });
process.stdout.write(library);
