/**
 * What set-up found on this machine: engine.json, written by scripts/bootstrap.mjs. Where it lies, and the command that writes it,
 * depend on how this program was installed; set-up itself says so (`scripts/set-up/place.mjs`).
 */
import { readFileSync } from 'node:fs';
import { engineFile, setUpCommand } from '#set-up/place';
import { packageRoot } from './package-root.ts';

export interface EngineFile {
  readonly torch_dir: string;
  readonly torch_version: string;
  readonly torch_source: string;
  readonly cuda: boolean;
  readonly ffmpeg: string;
  readonly ffmpeg_source: string;
  /** Path of the native addon. */
  readonly addon: string;
  readonly python: string | null;
  readonly python_version: string | null;
}

/** Path of engine.json, whether it is there or not. */
export function engineFilePath(): string {
  return engineFile(packageRoot());
}

/** Undefined where set-up has not run. */
export function readEngineFile(): EngineFile | undefined {
  let text: string;
  try {
    text = readFileSync(engineFilePath(), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return JSON.parse(text) as EngineFile;
}

/** The command that sets up this machine, as the user would type it: `npm run bootstrap`, `npx twgrpo doctor`. */
export function setUpCommandLine(): string {
  return setUpCommand(packageRoot());
}
