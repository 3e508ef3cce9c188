/**
 * Where this package lies on disk and what it is called. Sources run from `src/`, compiled code from `build/js/`, so the
 * root is found by walking up to the package.json that carries our name.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TwgrpoError } from './errors.ts';

const PACKAGE_NAME = 'twgrpo';

interface PackageFacts {
  readonly root: string;
  readonly version: string;
}

let facts: PackageFacts | undefined;

function findPackage(): PackageFacts {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    let text: string | undefined;
    try {
      text = readFileSync(join(folder, 'package.json'), 'utf8');
    } catch {
      // No package.json here: look one folder higher.
    }
    if (text !== undefined) {
      const parsed: unknown = JSON.parse(text);
      if (typeof parsed === 'object' && parsed !== null && 'name' in parsed && parsed.name === PACKAGE_NAME) {
        const version = 'version' in parsed && typeof parsed.version === 'string' ? parsed.version : '0.0.0';
        return { root: folder, version };
      }
    }
    if (dirname(folder) === folder) {
      throw new TwgrpoError(`internal: no package.json named "${PACKAGE_NAME}" above ${start}`);
    }
  }
}

/** Absolute path of the folder that holds our package.json. */
export function packageRoot(): string {
  facts ??= findPackage();
  return facts.root;
}

/** Version from our package.json. */
export function packageVersion(): string {
  facts ??= findPackage();
  return facts.version;
}

/**
 * Commit of the checkout with a `-dirty` mark when files are changed, or the one that a bundle was made from; undefined for an
 * installed package, whose folder may lie in somebody else's checkout.
 */
export function gitCommit(folder: string = packageRoot()): string | undefined {
  const bundle = join(folder, 'bundle.json');
  if (existsSync(bundle)) return (JSON.parse(readFileSync(bundle, 'utf8')) as { commit: string }).commit;
  if (!existsSync(join(folder, '.git'))) return undefined;
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    }).trim();
  try {
    const commit = git('rev-parse', 'HEAD');
    return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}-dirty`;
  } catch {
    return undefined;
  }
}
