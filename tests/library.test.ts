/**
 * @file The package from the side of a program that uses it: the README's quick start compiles strictly under both module
 * resolutions of today, and runs.
 */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { packedFiles } from '../scripts/bundle/bundle-files.ts';
import {
  evaluate,
  generate,
  generateWorld,
  loadModel,
  RunDirectory,
  readItems,
  smallModel,
  train,
} from '../src/library/index.ts';
import { scratchFolder } from './support/scratch-folder.ts';

/** A compiler and two runs, on a machine that has other work. */
const TIMEOUT_MS = 600_000;
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const folder = scratchFolder();
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const quickStart = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;

/** A project with the package in its node_modules. */
function project(name: string): string {
  const place = join(folder, name);
  mkdirSync(join(place, 'node_modules'), { recursive: true });
  symlinkSync(ROOT, join(place, 'node_modules', 'twgrpo'));
  symlinkSync(join(ROOT, 'node_modules', '@types'), join(place, 'node_modules', '@types'));
  writeFileSync(join(place, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(place, 'quick-start.ts'), quickStart);
  return place;
}

/** Compiles to JavaScript beside it. @returns the messages */
function compile(
  place: string,
  resolution: Pick<ts.CompilerOptions, 'module' | 'moduleResolution'>,
): string[] {
  const host = ts.createCompilerHost({});
  host.getCurrentDirectory = () => place;
  const options: ts.CompilerOptions = {
    ...resolution,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
    strict: true,
  };
  const program = ts.createProgram([join(place, 'quick-start.ts')], options, host);
  const { diagnostics } = program.emit();
  return [...ts.getPreEmitDiagnostics(program), ...diagnostics].map(({ messageText, file, start }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, ' ');
    return file === undefined || start === undefined ? text : `${file.fileName}:${start}: ${text}`;
  });
}

describe("the README's quick start", () => {
  it('has at most ten lines', () => {
    expect(quickStart.trim().split('\n').length).toBeLessThanOrEqual(10);
  });

  it(
    'compiles with moduleResolution bundler, declarations of the package included',
    () => {
      const bundler = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
      expect(compile(project('bundler'), bundler)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'compiles with nodenext and runs',
    async () => {
      const place = project('nodenext');
      const nodenext = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
      expect(compile(place, nodenext)).toEqual([]);
      const { stdout } = await promisify(execFile)(process.execPath, ['quick-start.js'], { cwd: place });
      expect(stdout.match(/finish_reason: '(stop|length)'/g)?.length).toBe(2);
      expect(existsSync(join(place, 'runs/first/checkpoint-2/model.safetensors'))).toBe(true);
      const rows = RunDirectory.open(join(place, 'runs/first')).readMetrics();
      expect(rows.map(({ step }) => step)).toEqual([1, 2]);
      expect(rows.every((row) => Number(row['rewards/short/mean']) < 0)).toBe(true);
    },
    TIMEOUT_MS,
  );
});

describe('the library', async () => {
  const world = await generateWorld({ output_dir: join(folder, 'world'), num_videos: 1, seed: 1 });

  it('evaluates a model on a file, and does not ask again what has been answered', async () => {
    using model = loadModel(smallModel);
    const options = {
      jsonl_path: world.jsonl_path,
      video_root: world.video_root,
      output_dir: join(folder, 'eval'),
      prompt_template: 'plain',
      max_completion_length: 32,
      greedy: true,
    } as const;
    const first = await evaluate(model, options);
    const { items } = readItems(world.jsonl_path);
    expect(first.rows.map(({ id }) => id)).toEqual(items.map(({ id }) => id));
    expect(first.accuracy?.n).toBe(items.length);
    expect((await evaluate(model, options)).rows).toEqual(first.rows);
    const answers = await generate(model, { text: items[0]!.question, num_generations: 2, seed: 3 });
    expect(answers.length).toBe(2);
    expect(answers.every(({ ids, logps }) => ids.length === logps.length)).toBe(true);
  });

  it('refuses a reward function that no name uses, or that has a built-in name', async () => {
    const config = {
      ...{ model_name_or_path: smallModel, jsonl_path: world.jsonl_path, video_root: world.video_root },
      ...{ output_dir: join(folder, 'no'), loss_type: 'grpo' as const },
    };
    const zero = () => [];
    await expect(train(config, { rewards: { other: zero } })).rejects.toThrow(/other is not used/);
    await expect(train(config, { rewards: { format: zero } })).rejects.toThrow(/name of a built-in/);
  });
});

describe('the npm package', () => {
  const files = packedFiles(ROOT);

  it('has the command, its set-up, the native sources, the small model and the types', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'twgrpo',
        'scripts/bootstrap.mjs',
        'scripts/set-up/place.mjs',
        'native/CMakeLists.txt',
        'assets/cold-start/model.safetensors',
        'build/js/cli/main.js',
        'build/js/library/index.d.ts',
      ]),
    );
    const sources = readdirSync(join(ROOT, 'native'), { recursive: true, encoding: 'utf8' })
      .map((name) => `native/${name}`)
      .filter((name) => statSync(join(ROOT, name)).isFile());
    expect(files.filter((file) => file.startsWith('native/')).sort()).toEqual(sources.sort());
  });

  it('has no tests, goldens or TypeScript sources, and installs without scripts', () => {
    expect(files.filter((file) => /test|golden/.test(file) || /(?<!\.d)\.ts$/.test(file))).toEqual([]);
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
    expect(Object.keys(scripts).filter((name) => /install|prepare/.test(name))).toEqual([]);
  });
});
