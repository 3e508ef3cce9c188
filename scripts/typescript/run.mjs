/**
 * @file Runs a program of scripts/ or bench/ that is written in TypeScript: set-up first, because it needs the packages and
 * the engine, then the program in this process with types taken out as its files are imported.
 */
import { spawnSync } from 'node:child_process';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * @param {URL} program
 * @returns {Promise<void>} ends with it; exit code 1 without starting it when set-up fails
 */
export async function runTypeScript(program) {
  const bootstrap = fileURLToPath(new URL('../bootstrap.mjs', import.meta.url));
  const { status } = spawnSync(process.execPath, [bootstrap, '--quiet'], { stdio: 'inherit' });
  if (status !== 0) {
    process.exitCode = status ?? 1;
    return;
  }
  register('./hooks.mjs', import.meta.url);
  await import(program.href);
}
