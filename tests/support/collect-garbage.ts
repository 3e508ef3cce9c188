/** @file Garbage collection on request, and the end of what earlier test files of this process left to it. */
import { createRequire } from 'node:module';
import { setImmediate as nextTask } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const addonPath = fileURLToPath(new URL('../../build/native/twgrpo.node', import.meta.url));

/** One full collection; finalizers run in the task after it. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  await nextTask();
}

/**
 * Collects until no tensor is live. Costs nothing in a process that has not loaded the engine, and does not load it.
 *
 * @throws when tensors stay live that no JavaScript object refers to any more
 */
export async function collectLeftTensors(): Promise<void> {
  const addon = createRequire(import.meta.url).cache[addonPath]?.exports as
    | { liveTensors(): number }
    | undefined;
  if (addon === undefined) return;
  for (let i = 0; i < 10 && addon.liveTensors() > 0; i++) await collectGarbage();
  const left = addon.liveTensors();
  if (left > 0) throw new Error(`internal: earlier test files of this process leave ${left} tensors live`);
}
