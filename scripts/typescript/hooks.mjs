/**
 * @file The loader hook behind `loader.mjs` and `run.mjs`: types are taken out of `.ts` files as they are imported. Results
 * are kept in node_modules/.cache by content, so that only the first process pays for the compiler.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const CACHE = new URL('../../node_modules/.cache/twgrpo-typescript/', import.meta.url);
/** @type {import('typescript') | undefined} */
let compiler;

/** @param {string} text @param {string} fileName */
async function transpile(text, fileName) {
  compiler ??= (await import('typescript')).default;
  const ts = compiler;
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    inlineSourceMap: true,
  };
  return ts.transpileModule(text, { fileName, compilerOptions }).outputText;
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  if (!url.endsWith('.ts')) return nextLoad(url, context);
  const fileName = fileURLToPath(url);
  const text = await readFile(fileName, 'utf8');
  // The name is part of the source map; the rule above is part of the result.
  const key = createHash('sha256').update(`1 ${fileName}\n${text}`).digest('hex');
  const kept = new URL(`${key}.js`, CACHE);
  let source = await readFile(kept, 'utf8').catch(() => undefined);
  if (source === undefined) {
    source = await transpile(text, fileName);
    const temporary = new URL(`${key}.${process.pid}.tmp`, CACHE);
    await mkdir(CACHE, { recursive: true });
    await writeFile(temporary, source);
    await rename(temporary, kept);
  }
  return { format: 'module', shortCircuit: true, source };
}
