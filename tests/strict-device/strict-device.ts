/**
 * The strict device from a test's side: builds it, and runs scripts that use it in processes of their own, because a device
 * that is registered stays for the whole process.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** A build on a busy machine; a run takes seconds. */
export const BUILD_TIMEOUT_MS = 900_000;

/** The first PyTorch whose headers the device is written against (its graph interface). */
const OLDEST = [2, 13] as const;

/** Why the device can't be used with this PyTorch; undefined: it can. */
export const skipReason: string | undefined = (() => {
  const engine = JSON.parse(readFileSync(file('../../build/engine.json'), 'utf8')) as {
    torch_version: string;
    cuda: boolean;
  };
  if (engine.cuda) return 'a CUDA build of PyTorch has an accelerator of its own';
  const [major = 0, minor = 0] = engine.torch_version.split('.').map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    return `needs the headers of PyTorch ${OLDEST.join('.')}, this is ${engine.torch_version}`;
  return undefined;
})();

/** A test's title, with the reason where it is skipped. */
export const titled = (title: string): string =>
  skipReason === undefined ? title : `${title} (skipped: ${skipReason})`;

let library: Promise<string> | undefined;

/** Builds the device once a process, where its sources changed. @returns path of the library */
export function buildDevice(): Promise<string> {
  library ??= run(process.execPath, [file('build-device.mjs')], { maxBuffer: 1 << 26 }).then(
    ({ stdout }) => stdout,
  );
  return library;
}

/**
 * What a script in `processes/` prints as JSON.
 * @param argument is its only argument, as JSON
 * @param variables of its environment
 */
export async function runOnDevice<T>(
  script: string,
  argument: unknown = {},
  variables: Readonly<Record<string, string>> = {},
): Promise<T> {
  const loader = file('../../scripts/typescript/loader.mjs');
  const args = ['--import', loader, file(`processes/${script}`), JSON.stringify(argument)];
  const { stdout } = await run(process.execPath, args, {
    env: { ...process.env, ...variables, STRICT_DEVICE: await buildDevice() },
    maxBuffer: 1 << 26,
  });
  return JSON.parse(stdout) as T;
}
