/**
 * @file The shape of the house, checked on every import under src/, scripts/ and bench/: which room may use which, and the few
 * things only one room may do. The table stands in scripts/docs/rooms.ts; docs/architecture.md shows it, and is checked here too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { picture, readSources, roomArrows } from '../scripts/docs/architecture.ts';
import { ROOMS } from '../scripts/docs/rooms.ts';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Room -> rooms it may import; `types:room` allows `import type` only. */
const ARROWS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ROOMS).map(([room, { uses }]) => [room, uses]),
);

/** Rooms that load the addon. */
const ADDON_ROOMS = ['tensor'];
/** Who may start other programs: `video` runs FFmpeg; one file asks git which commit a run was made from. */
const SPAWNERS = ['video/', 'base/package-root.ts', 'dist/launch.ts'];
/** Rooms that may open connections, and the ways to do so. */
const NETWORK_ROOMS = ['hub'];
const NETWORK_MODULES = ['http', 'https', 'http2', 'net', 'tls', 'dgram', 'undici', '@huggingface/hub'];
/** The one room that listens for connections, and what it listens with. */
const SERVER_ROOMS = ['dashboard'];
const SERVER_MODULES = ['hono', 'hono/cookie', '@hono/node-server'];
/** Rooms of pure functions: no disk, no network, no clock. */
const PURE_ROOMS = ['rl'];

interface Finding {
  readonly kind: 'import' | 'default-export' | 'exit' | 'clock' | 'addon' | 'network';
  /** The imported module, for an import. */
  readonly target: string;
  readonly isTypeOnly: boolean;
  readonly line: number;
}

/** What one source file does that the rules below care about. */
function inspect(file: string, text: string): Finding[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const findings: Finding[] = [];
  const add = (node: ts.Node, kind: Finding['kind'], target = '', isTypeOnly = false): void => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    findings.push({ kind, target, isTypeOnly, line: line + 1 });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node, 'import', node.moduleSpecifier.text, isTypeOnlyImport(node));
    } else if (ts.isExportDeclaration(node)) {
      const { moduleSpecifier } = node;
      if (moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier))
        add(node, 'import', moduleSpecifier.text, node.isTypeOnly);
    } else if (ts.isImportTypeNode(node)) {
      if (ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal))
        add(node, 'import', node.argument.literal.text, true);
    } else if (ts.isCallExpression(node)) {
      const [argument] = node.arguments;
      const callee = node.expression.getText(source);
      if (
        node.expression.kind === ts.SyntaxKind.ImportKeyword &&
        argument &&
        ts.isStringLiteralLike(argument)
      )
        add(node, 'import', argument.text);
      if (callee === 'require' && argument && ts.isStringLiteralLike(argument))
        add(node, 'import', argument.text);
      if (callee === 'process.exit') add(node, 'exit');
      if (callee === 'process.dlopen') add(node, 'addon');
      if (callee === 'fetch' || callee === 'globalThis.fetch') add(node, 'network');
      if (callee === 'Date.now' || callee === 'performance.now') add(node, 'clock');
    } else if (
      ts.isNewExpression(node) &&
      node.expression.getText(source) === 'Date' &&
      !node.arguments?.length
    ) {
      add(node, 'clock');
    } else if (ts.isExportAssignment(node)) {
      add(node, 'default-export');
    } else if (ts.canHaveModifiers(node)) {
      if (ts.getModifiers(node)?.some((m) => m.kind === ts.SyntaxKind.DefaultKeyword))
        add(node, 'default-export');
    }
    if (ts.isExportSpecifier(node) && node.name.text === 'default') add(node, 'default-export');
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

/** `import type {...}`, or a list of names that are all `type`. */
function isTypeOnlyImport(node: ts.ImportDeclaration): boolean {
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const bindings = clause.namedBindings;
  return (
    clause.name === undefined &&
    bindings !== undefined &&
    ts.isNamedImports(bindings) &&
    bindings.elements.length > 0 &&
    bindings.elements.every((element) => element.isTypeOnly)
  );
}

/** Tests, and the files named `test-support.ts` that several of them share. */
const isTestFile = (file: string): boolean =>
  file.endsWith('.test.ts') || /(^|\/)test-support\.ts$/.test(file);

/**
 * All broken rules among `files` (path under src/ with `/` -> text), one sentence each. Test files may reach any
 * room, since they compare rooms with each other, but also only through its index.ts.
 */
function brokenRules(files: ReadonlyMap<string, string>): string[] {
  const broken: string[] = [];
  for (const [file, text] of files) {
    const room = file.split('/')[0] ?? '';
    const isTest = isTestFile(file);
    if (!(room in ARROWS))
      broken.push(`src/${file}: '${room}' is not a room (known: ${Object.keys(ARROWS).join(', ')})`);
    if (/(^|\/)utils?\.ts$/.test(file))
      broken.push(`src/${file}: name a file after its one idea, not 'utils'`);
    for (const finding of inspect(file, text)) {
      const at = `src/${file}:${finding.line}`;
      if (finding.kind === 'default-export') broken.push(`${at}: default export (use a named one)`);
      if (isTest && finding.kind !== 'import') continue;
      if (finding.kind === 'exit' && room !== 'cli')
        broken.push(`${at}: process.exit in '${room}' (only 'cli' ends the process)`);
      if (finding.kind === 'addon' && !ADDON_ROOMS.includes(room))
        broken.push(`${at}: process.dlopen in '${room}' (only ${ADDON_ROOMS.join(' and ')} load the addon)`);
      if (finding.kind === 'network' && !NETWORK_ROOMS.includes(room))
        broken.push(`${at}: fetch in '${room}' (only ${NETWORK_ROOMS.join(' and ')} opens connections)`);
      if (finding.kind === 'clock' && PURE_ROOMS.includes(room))
        broken.push(`${at}: a clock in '${room}', a room of pure functions`);
      if (finding.kind === 'import')
        broken.push(...brokenImport(file, room, isTest, finding).map((text) => `${at}: ${text}`));
    }
  }
  return broken;
}

function brokenImport(
  file: string,
  room: string,
  isTest: boolean,
  { target, isTypeOnly }: Finding,
): string[] {
  if (!target.startsWith('.')) {
    if (isTest) return [];
    const name = target.replace(/^node:/, '');
    if (name === 'child_process' && !SPAWNERS.some((allowed) => file.startsWith(allowed)))
      return [`imports ${target} (only 'video' and 'dist' start other programs)`];
    if (name === 'module' && !ADDON_ROOMS.includes(room))
      return [`imports ${target} (only ${ADDON_ROOMS.join(' and ')} load the addon)`];
    if (NETWORK_MODULES.includes(name) && !NETWORK_ROOMS.includes(room))
      return [`imports ${target} (only ${NETWORK_ROOMS.join(' and ')} opens connections)`];
    if (SERVER_MODULES.includes(name) && !SERVER_ROOMS.includes(room))
      return [`imports ${target} (only ${SERVER_ROOMS.join(' and ')} listens for connections)`];
    if (PURE_ROOMS.includes(room) && target.startsWith('node:') && !isTypeOnly)
      return [`imports ${target}, but '${room}' is a room of pure functions`];
    return [];
  }
  const resolved = path.posix.normalize(path.posix.join(path.posix.dirname(file), target));
  if (resolved.startsWith('..')) return isTest ? [] : [`imports ${target}, which lies outside of src/`];
  if (!isTest && isTestFile(resolved)) return [`imports ${target}, which belongs to the tests`];
  const targetRoom = resolved.split('/')[0] ?? '';
  if (targetRoom === room) return [];
  const broken: string[] = [];
  const allowed = ARROWS[room] ?? [];
  if (!isTest && !allowed.includes(targetRoom)) {
    if (!allowed.includes(`types:${targetRoom}`))
      broken.push(`wrong arrow ${room} -> ${targetRoom} (${target}); ${rule(room)}`);
    else if (!isTypeOnly)
      broken.push(`wrong arrow ${room} -> ${targetRoom} (${target}): only types, with 'import type'`);
  }
  if (resolved !== `${targetRoom}/index.ts`)
    broken.push(`reaches into ${resolved}; import what ${targetRoom}/index.ts exports`);
  return broken;
}

function rule(room: string): string {
  const allowed = ARROWS[room] ?? [];
  return allowed.length === 0
    ? `${room} may import no other room`
    : `${room} may import ${allowed.join(', ')}`;
}

/** Imports of programs that go past the index of a room: `files` are those of scripts/ and bench/, by path from the root. */
function brokenProgramImports(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([file, text]) =>
    inspect(file, text).flatMap(({ kind, target, line }) => {
      if (kind !== 'import' || !target.startsWith('.')) return [];
      const resolved = path.posix.normalize(path.posix.join(path.posix.dirname(file), target));
      return !/^(src|build)\//.test(resolved) || /^src\/\w+\/index\.ts$/.test(resolved)
        ? []
        : [`${file}:${line}: reaches into ${resolved}; import what the room's index.ts exports`];
    }),
  );
}

function readPrograms(): Map<string, string> {
  const names = ['scripts', 'bench'].flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.m?ts$|\.mjs$/.test(name))
      .map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/'))),
  );
  return new Map(names.map((name) => [name, readFileSync(path.join(ROOT, name), 'utf8')]));
}

describe('architecture', () => {
  it('has only arrows of the table, and each room does only its own work', () => {
    const files = readSources();
    expect(files.size).toBeGreaterThan(0);
    expect(brokenRules(files)).toEqual([]);
  });

  it('lets programs of scripts/ and bench/ import only what an index.ts exports', () => {
    const files = readPrograms();
    expect(files.size).toBeGreaterThan(20);
    expect(brokenProgramImports(files)).toEqual([]);
  });

  it('has a table without circles', () => {
    const reach = (room: string, seen: readonly string[]): void => {
      expect(seen, `circle ${[...seen, room].join(' -> ')}`).not.toContain(room);
      for (const next of ARROWS[room] ?? []) reach(next.replace('types:', ''), [...seen, room]);
    };
    for (const room of Object.keys(ARROWS)) reach(room, []);
  });
});

describe('docs/architecture.md', () => {
  const page = readFileSync(path.join(ROOT, 'docs/architecture.md'), 'utf8');

  it('shows the imports as they are (npm run docs writes them)', () => {
    expect(page).toContain(picture(roomArrows(readSources())));
  });

  it('names files that exist', () => {
    const files = [...page.matchAll(/`((?:src|native|docs|scripts|tests)\/[^`*]+)`/g)].map(
      ([, file]) => file!,
    );
    expect(files.length).toBeGreaterThan(50);
    expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
  });

  it('names functions that stand in the file beside them', () => {
    const places = [...page.matchAll(/`([\w.]+)` \(`(src\/[^`]+)`\)/g)];
    expect(places.length).toBeGreaterThan(30);
    const missing = places.flatMap(([, name = '', file = '']) => {
      const text = readFileSync(path.join(ROOT, file), 'utf8');
      const declared = declaredNames(file, text);
      return declared.has(name) ? [] : [`${name} in ${file}`];
    });
    expect(missing).toEqual([]);
  });

  it('gives each change four files at most', () => {
    const [, section = ''] = page.split('## Where to start');
    for (const line of section.split('\n').filter((text) => text.startsWith('| ')))
      expect([...line.matchAll(/`(?:src|native|docs)\//g)].length, line).toBeLessThanOrEqual(4);
  });
});

/** Names that a file declares: functions, classes, constants, and methods as `Class.method`. */
function declaredNames(file: string, text: string): Set<string> {
  const names = new Set<string>();
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  for (const statement of source.statements) {
    if (ts.isFunctionDeclaration(statement) || ts.isInterfaceDeclaration(statement))
      if (statement.name !== undefined) names.add(statement.name.text);
    if (ts.isVariableStatement(statement))
      for (const { name } of statement.declarationList.declarations) names.add(name.getText(source));
    if (ts.isClassDeclaration(statement) && statement.name !== undefined) {
      names.add(statement.name.text);
      for (const member of statement.members)
        if (member.name !== undefined) names.add(`${statement.name.text}.${member.name.getText(source)}`);
    }
  }
  return names;
}

describe('the architecture check itself', () => {
  const check = (file: string, text: string): string[] => brokenRules(new Map([[file, text]]));

  it.each([
    [
      'a wrong arrow',
      'tensor/a.ts',
      `import { x } from '../train/index.ts';`,
      'src/tensor/a.ts:1: wrong arrow tensor -> train',
    ],
    ['a wrong arrow of types', 'rl/a.ts', `import type { X } from '../io/index.ts';`, 'wrong arrow rl -> io'],
    ['a wrong re-export', 'io/a.ts', `export { x } from '../models/index.ts';`, 'wrong arrow io -> models'],
    [
      'a wrong dynamic import',
      'eval/a.ts',
      `const t = await import('../train/index.ts');`,
      'wrong arrow eval -> train',
    ],
    ['a wrong type query', 'run/a.ts', `let x: import('../rl/index.ts').X;`, 'wrong arrow run -> rl'],
    [
      'values where only types may go',
      'report/a.ts',
      `import { x } from '../eval/index.ts';`,
      `only types, with 'import type'`,
    ],
    [
      'a way around the index',
      'models/qwen/a.ts',
      `import { x } from '../../io/safetensors.ts';`,
      'reaches into io/safetensors.ts',
    ],
    ['a default export', 'run/a.ts', `export default function f() {}`, 'default export'],
    ['a default export by name', 'run/a.ts', `const f = 1; export { f as default };`, 'default export'],
    ['an exit', 'train/a.ts', `\nprocess.exit(1);`, `src/train/a.ts:2: process.exit in 'train'`],
    [
      'a child process',
      'data/a.ts',
      `import { spawn } from 'node:child_process';`,
      'imports node:child_process',
    ],
    ['a connection', 'cli/a.ts', `const r = await fetch('http://x');`, `fetch in 'cli'`],
    ['a socket', 'data/a.ts', `import { connect } from 'node:net';`, 'imports node:net'],
    ['a server', 'cli/a.ts', `import { Hono } from 'hono';`, 'only dashboard listens for connections'],
    ['a way to the addon', 'models/a.ts', `import { createRequire } from 'node:module';`, 'load the addon'],
    [
      'a disk in a pure room',
      'rl/a.ts',
      `import { readFileSync } from 'node:fs';`,
      'a room of pure functions',
    ],
    ['a clock in a pure room', 'rl/a.ts', `const t = Date.now();`, 'a clock'],
    ['an unknown room', 'misc/a.ts', ``, `'misc' is not a room`],
    ['a drawer for everything', 'io/utils.ts', ``, "not 'utils'"],
    [
      'test support in the program',
      'rl/a.ts',
      `import { x } from './test-support.ts';`,
      'belongs to the tests',
    ],
    ['a file outside of src', 'io/a.ts', `import { x } from '../../tests/setup.ts';`, 'outside of src/'],
  ])('catches %s', (_name, file, text, message) => {
    expect(check(file, text).join('\n')).toContain(message);
  });

  it.each([
    ['scripts/a.ts', `import { x } from '../src/tensor/native.ts';`],
    ['bench/a.mjs', `const { x } = await import('../build/js/tensor/index.js');`],
  ])('catches %s going past an index', (file, text) => {
    expect(brokenProgramImports(new Map([[file, text]]))).toHaveLength(1);
  });

  it.each([
    ['cli/a.ts', `import { x } from '../train/index.ts'; process.exit(2);`],
    ['report/a.ts', `import type { X } from '../eval/index.ts'; import { type Y } from '../eval/index.ts';`],
    ['video/a.ts', `import { spawn } from 'node:child_process';`],
    ['hub/a.ts', `import { listFiles } from '@huggingface/hub'; await fetch('http://x');`],
    [
      'models/qwen2_5_vl/a.ts',
      `import { x } from '../layers.ts'; import { y } from '../../tensor/index.ts';`,
    ],
    [
      'rl/a.test.ts',
      `import { readFileSync } from 'node:fs'; import { x } from '../io/index.ts'; import '../../tests/setup.ts';`,
    ],
    ['rl/a.ts', `const s = "import x from '../train/index.ts'"; // process.exit(1)`],
  ])('lets pass %s', (file, text) => {
    expect(check(file, text)).toEqual([]);
  });
});
