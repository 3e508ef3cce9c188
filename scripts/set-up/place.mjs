/**
 * @file Where set-up keeps what it makes. Three kinds of folder hold this program, and the same set-up serves all:
 *
 *   checkout   sources with a package-lock.json; everything goes into its own build/
 *   bundle     unpacked from an archive made by `npm run bundle`; the same
 *   package    installed by npm; node_modules belongs to npm and may be read-only or replaced, so this goes into the cache
 *
 * The program itself reads this file too (`#set-up/place` in package.json), so both look in one place.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { walk } from './files.mjs';

/** @param {string} root folder of our package.json */
export function layoutOf(root) {
  if (fs.existsSync(path.join(root, 'package-lock.json'))) return 'checkout'; // npm never packs it
  return fs.existsSync(path.join(root, 'bundle.json')) ? 'bundle' : 'package';
}

/** The user's cache folder: private engine, and set-ups of installed packages. */
export function cacheRoot() {
  const { TWGRPO_CACHE, XDG_CACHE_HOME } = process.env;
  return TWGRPO_CACHE || path.join(XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'twgrpo');
}

/**
 * The folder of engine.json and the addon. That of a package is shared by all projects of a user that hold the same one: its name
 * has the version, the system, and a digest of the native sources and of TORCH_HOME, so that projects with another PyTorch keep
 * their own. Node's version is no part of it: the addon uses only Node-API, which later versions keep.
 *
 * @param {string} root folder of our package.json
 */
export function setUpFolder(root) {
  if (layoutOf(root) !== 'package') return path.join(root, 'build');
  const hash = createHash('sha256').update(process.env.TORCH_HOME ?? '');
  for (const file of walk(path.join(root, 'native')))
    hash.update(path.basename(file)).update(fs.readFileSync(file));
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const system = `${process.platform}-${process.arch}`;
  return path.join(cacheRoot(), `set-up-${version}-${system}-${hash.digest('hex').slice(0, 12)}`);
}

/** @param {string} root folder of our package.json */
export const engineFile = (root) => path.join(setUpFolder(root), 'engine.json');

/**
 * The command that sets up this machine, as the user would type it.
 * @param {string} root folder of our package.json
 */
export function setUpCommand(root) {
  const commands = {
    checkout: 'npm run bootstrap',
    bundle: `${root}/twgrpo doctor`,
    package: 'npx twgrpo doctor',
  };
  return commands[layoutOf(root)];
}
