/**
 * Importing one file of TypeScript that a user wrote: types are taken out with the installed TypeScript compiler, nothing is
 * checked. Node 20 can not read types itself.
 *
 * One file means: it may import Node's own modules (`node:...`) and types from anywhere, but no other file or package.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../base/index.ts';

/** @throws ConfigError for a syntax error (with its line), for an import of another file, and without TypeScript */
export async function importTypeScript(file: string): Promise<Record<string, unknown>> {
  const ts = await loadCompiler(file);
  const { outputText, diagnostics = [] } = ts.transpileModule(readFileSync(file, 'utf8'), {
    fileName: file,
    reportDiagnostics: true,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
    },
  });
  const [problem] = diagnostics;
  if (problem !== undefined) {
    const line =
      problem.file === undefined || problem.start === undefined
        ? ''
        : `:${problem.file.getLineAndCharacterOfPosition(problem.start).line + 1}`;
    throw new ConfigError(`${file}${line}: ${ts.flattenDiagnosticMessageText(problem.messageText, ' ')}`);
  }
  const strangers = ts
    .preProcessFile(outputText, true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => !name.startsWith('node:'));
  if (strangers.length > 0)
    throw new ConfigError(
      `${file} imports ${strangers.join(', ')}; a TypeScript reward module is one file and may import only node: modules`,
      { hint: 'write "import type" for types; compile modules of several files to JavaScript first' },
    );
  // A file of its own, so that stack traces name it; no import remains that would be sought beside it.
  const folder = mkdtempSync(join(tmpdir(), 'twgrpo-reward-'));
  const compiled = join(folder, `${basename(file, extname(file))}.mjs`);
  try {
    writeFileSync(compiled, outputText);
    return (await import(pathToFileURL(compiled).href)) as Record<string, unknown>;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function loadCompiler(file: string) {
  try {
    const { default: ts } = await import('typescript');
    return ts;
  } catch (cause) {
    throw new ConfigError(`${file}: the package "typescript" is needed to read it, and is not installed`, {
      hint: 'npm install typescript, or write the module as .mjs',
      cause,
    });
  }
}
