/**
 * @file Files that survive an interrupt, and the fingerprints by which a step knows that it is done.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';

/** @param {...(string | Uint8Array)} parts */
export const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
};

/**
 * @param {string} file
 * @returns {any} its value, which only the file's writer knows the type of; undefined when it is absent or torn
 */
export function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined; // the step that writes it runs again
  }
}

/**
 * Written beside and renamed, so that no reader ever sees half a file.
 * @param {string} file
 * @param {string} text
 */
export function writeAtomic(file, text) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  fs.writeFileSync(temporary, text);
  fs.renameSync(temporary, file);
}

/**
 * @param {string} file
 * @param {object} value
 */
export const writeJson = (file, value) => writeAtomic(file, `${JSON.stringify(value, null, 2)}\n`);

/** `ENOENT` and its like, out of anything thrown. @param {unknown} error */
export const codeOf = (error) => /** @type {NodeJS.ErrnoException} */ (error).code;

/** Size and time of one file as text; '' when absent. Changes whenever the file is replaced. @param {string} file */
export function fingerprint(file) {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.size}:${stat.mtimeMs}` : '';
}

/**
 * All files under a folder, in a fixed order.
 * @param {string} folder
 * @returns {Generator<string, void>}
 */
export function* walk(folder) {
  if (!fs.existsSync(folder)) return;
  const entries = fs.readdirSync(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(full);
    else yield full;
  }
}
