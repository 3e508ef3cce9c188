/**
 * @file What goes into the bundle: the npm package as npm would pack it, the packages it needs, and what a benchmark needs to run
 * from its TypeScript. Programs (Node, FFmpeg) are put beside it by bundle.ts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Limit of the archive, in bytes. */
export const MAX_BUNDLE_BYTES = 52 * 2 ** 20;

export interface BundleFile {
  /** Path in the bundle and in the checkout, with `/`. */
  readonly path: string;
  readonly bytes: number;
}

/** Folders whose own TypeScript runs on the target: `bench/run.mjs` and what it imports. */
const SOURCE_FOLDERS = ['bench', 'src', 'scripts/typescript'];
/** Needs a browser and what the tests make. */
const DASHBOARD_BENCHMARK = 'bench/dashboard.ts';
/** What the benchmarks' loader needs of the compiler; the rest of it is for editors. */
const COMPILER_FILES = ['package.json', 'LICENSE.txt', 'lib/typescript.js'];
/** Parts of npm packages that nothing reads when they run. */
const IDLE = /\.(map|md|markdown|d\.[cm]?ts|tsbuildinfo)$|\/(test|tests|docs|benchmarks?|examples)\//;

/** All files of the bundle but the programs, by path. @param root a checkout that is set up */
export function bundleFiles(root: string): BundleFile[] {
  const paths = new Set([
    ...packedFiles(root),
    ...SOURCE_FOLDERS.flatMap((folder) => filesIn(root, folder)).filter(
      (path) => !/\.test\.ts$|test-support\.ts$/.test(path) && path !== DASHBOARD_BENCHMARK,
    ),
    ...productionPackages(root)
      .flatMap((folder) => filesIn(root, folder))
      .filter((path) => !IDLE.test(path) || /licen[cs]e/i.test(path)),
    ...COMPILER_FILES.map((name) => `node_modules/typescript/${name}`),
  ]);
  return [...paths].sort().map((path) => ({ path, bytes: statSync(join(root, path)).size }));
}

/** What `npm pack` would pack. */
export function packedFiles(root: string): string[] {
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`npm pack --dry-run failed (${status}): ${stderr}`);
  const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  return packed.files.map(({ path }) => path);
}

/** Folders of the packages that the program needs to run, from package-lock.json; those of other systems are not installed. */
function productionPackages(root: string): string[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { dev?: boolean; devOptional?: boolean }>>;
  };
  return Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true)
    .map(([path]) => path)
    .filter((path) => existsSync(join(root, path)));
}

function filesIn(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
}
