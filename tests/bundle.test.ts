/**
 * @file What the bundle is made of: its files, their size, and that what runs on the target finds what it imports. The archive itself
 * takes minutes of compression; `npm run bundle` checks its size, and scripts/bundle/check.sh tries it.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { bundleFiles, MAX_BUNDLE_BYTES } from '../scripts/bundle/bundle-files.ts';
import { readEngineFile } from '../src/base/index.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Shares that xz leaves of the programs, rounded up: 0.244 and 0.256 were measured. */
const SHARES = { node: 0.25, ffmpeg: 0.26 } as const;

const files = bundleFiles(ROOT.replace(/\/$/, ''));
const paths = new Set(files.map(({ path }) => path));

describe('the bundle', () => {
  it('stays below its limit: the two programs, and the rest as gzip has it, which is more than xz', () => {
    const rest = gzipSync(Buffer.concat(files.map(({ path }) => readFileSync(`${ROOT}/${path}`)))).length;
    const programs =
      SHARES.node * statSync(process.execPath).size + SHARES.ffmpeg * statSync(readEngineFile()!.ffmpeg).size;
    expect(rest).toBeGreaterThan(2 ** 20);
    expect(rest + programs).toBeLessThan(MAX_BUNDLE_BYTES);
  });

  it('has the command, its set-up, the small model, recipes, native sources and benchmarks, and no tests', () => {
    for (const path of [
      'twgrpo',
      'scripts/bootstrap.mjs',
      'scripts/typescript/loader.mjs',
      'native/CMakeLists.txt',
      'node_modules/node-api-headers/include/node_api.h',
      'assets/cold-start/model.safetensors',
      'recipes/tw-grpo.yaml',
      'build/js/cli/main.js',
      'bench/run.mjs',
      'bench/grpo_peer.py',
    ])
      expect(paths, path).toContain(path);
    const own = [...paths].filter((path) => !path.startsWith('node_modules/'));
    expect(own.filter((path) => /\.test\.|test-support|golden|^tests\//.test(path))).toEqual([]);
    expect(statSync(`${ROOT}/twgrpo`).mode & 0o111).not.toBe(0);
  });

  it('has every file that its own files import, and every package', () => {
    const scripts = [...paths].filter((path) => /^(bench|src|scripts|build)\/.*\.(ts|mjs|js)$/.test(path));
    const absent = scripts.flatMap((path) => {
      if (path.endsWith('.d.ts')) return [];
      const text = readFileSync(`${ROOT}/${path}`, 'utf8');
      const targets = [...text.matchAll(/^(?:import|export)\s(?:[^;'"]*?\sfrom\s)?['"]([^'"]+)['"];?$/gm)];
      return targets
        .map(([, target]) => target!)
        .filter((target) => !target.startsWith('node:') && !target.startsWith('#'))
        .filter((target) => {
          if (target.startsWith('.')) return !paths.has(posix.join(posix.dirname(path), target));
          const name = /^(@[^/]+\/)?[^/]+/.exec(target)![0];
          return (
            !existsSync(`${ROOT}/node_modules/${name}`) || !paths.has(`node_modules/${name}/package.json`)
          );
        })
        .map((target) => `${path}: ${target}`);
    });
    expect(absent).toEqual([]);
  });
});
