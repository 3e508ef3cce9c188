/** @file What is installed is what the lock file says, of licences that are allowed, for reasons that docs/dependencies.md gives. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

interface LockedPackage {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly components: readonly { readonly name: string; readonly version: string }[];
}

const manifest: {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
} = JSON.parse(read('package.json'));
const lock: { readonly packages: Readonly<Record<string, LockedPackage>> } = JSON.parse(
  read('package-lock.json'),
);
/** By folder; the first entry, without a name, is twgrpo itself. */
const locked = Object.entries(lock.packages).filter(([folder]) => folder !== '');

const REGISTRY = 'https://registry.npmjs.org/';
/** Compiled into the page, and so shipped, though `package.json` counts them as tools. */
const IN_THE_PAGE = ['preact', 'uplot'];
const SHIPPED_LICENCES = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD'];
const TOOL_LICENCES = [...SHIPPED_LICENCES, 'MPL-2.0'];

/** Packages whose licence, one of those joined by OR, is not allowed where they go. */
function forbidden(packages: readonly (readonly [folder: string, LockedPackage])[]): string[] {
  return packages.flatMap(([folder, { license = 'none', dev = false }]) => {
    const isShipped = !dev || IN_THE_PAGE.some((name) => folder === `node_modules/${name}`);
    const allowed = isShipped ? SHIPPED_LICENCES : TOOL_LICENCES;
    const choices = license.replaceAll(/[()]/g, '').split(' OR ');
    return choices.some((choice) => allowed.includes(choice)) ? [] : [`${folder}: ${license}`];
  });
}

describe('package-lock.json', () => {
  it('has a SHA-512 for every package, and no address outside of the public registry', () => {
    expect(locked.length).toBeGreaterThan(Object.keys(manifest.dependencies).length);
    const loose = locked.filter(
      ([, { integrity = '', resolved = REGISTRY }]) =>
        !/^sha512-[\w+/]{86}==$/.test(integrity) || !resolved.startsWith(REGISTRY),
    );
    expect(loose).toEqual([]);
  });

  it('has no package with an install script, and npm is told to run none', () => {
    expect(locked.filter(([, { hasInstallScript = false }]) => hasInstallScript)).toEqual([]);
    expect(read('.npmrc').split('\n')).toContain('ignore-scripts=true');
  });

  it('says the version and the licence that the installed packages say', () => {
    const installed = locked.filter(([folder]) => existsSync(join(ROOT, folder, 'package.json')));
    expect(installed.length).toBeGreaterThan(100);
    for (const [folder, { version, license }] of installed) {
      const own = JSON.parse(read(join(folder, 'package.json')));
      expect([folder, own.version, own.license]).toEqual([folder, version, license]);
    }
  });

  it('has only licences that are allowed', () => {
    expect(forbidden(locked)).toEqual([]);
    const version = '1.0.0';
    expect(
      forbidden([
        ['node_modules/a', { version, license: 'GPL-3.0-only' }],
        ['node_modules/b', { version, license: 'MPL-2.0' }],
        ['node_modules/c', { version, license: 'MPL-2.0', dev: true }],
        ['node_modules/d', { version, license: '(GPL-2.0 OR MIT)' }],
        ['node_modules/preact', { version, license: 'MPL-2.0', dev: true }],
        ['node_modules/e', { version }],
      ]).map((line) => line.split(':')[0]),
    ).toEqual(['node_modules/a', 'node_modules/b', 'node_modules/preact', 'node_modules/e']);
  });
});

describe('docs/dependencies.md', () => {
  it('gives a reason for each package of package.json, and for no other', () => {
    const rows = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` \| (\w+) \| (.+) \|$/gm)];
    const named = rows.map(([, name = '', place = '']) => [name, place] as const);
    const expected = [
      ...Object.keys(manifest.dependencies).map((name) => [name, 'product']),
      ...Object.keys(manifest.devDependencies).map((name) => [
        name,
        IN_THE_PAGE.includes(name) ? 'page' : 'tool',
      ]),
    ];
    expect(named.toSorted()).toEqual(expected.toSorted());
  });
});

describe('npm run sbom', () => {
  it('lists every product and what is compiled into the page, in CycloneDX', () => {
    const bom = JSON.parse(
      execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 }),
    ) as Bom;
    expect([bom.bomFormat, bom.specVersion]).toEqual(['CycloneDX', '1.5']);
    const listed = new Set(bom.components.map(({ name, version }) => `${name}@${version}`));
    const shipped = locked
      .map(([folder, entry]) => [folder.split('node_modules/').at(-1)!, entry] as const)
      .filter(([name, { dev = false }]) => !dev || IN_THE_PAGE.includes(name))
      .map(([name, { version }]) => `${name}@${version}`);
    expect(shipped.filter((name) => !listed.has(name))).toEqual([]);
  });
});
