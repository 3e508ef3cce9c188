/** What the host is told of a device's memory. */
import { setImmediate } from 'node:timers/promises';
import {
  type DeviceMemory,
  deviceMemory,
  empty,
  liveTensors,
  resetPeakMemory,
  scope,
  synchronize,
} from '../../../src/tensor/index.ts';
import { answer, STRICT, strict } from './strict.ts';

export interface MemoryNumbers {
  /** With one tensor of 64 MiB; after a second came and went; after the peak was reset. */
  readonly account: readonly DeviceMemory[];
  readonly cpu: boolean;
  /** Tensors of 16 MiB, made outside any scope, that V8 has not collected after the last of them. */
  readonly left: { readonly device: number; readonly host: number };
}

const NUM_TENSORS = 100;

const SIZE = 64 * 2 ** 20;
const make = (device: string) => empty([SIZE], { dtype: 'uint8', device });
/** Lets others run now and then, as a run does: V8's finalizers come between two turns. */
async function left(device: string): Promise<number> {
  const before = liveTensors();
  for (let i = 0; i < NUM_TENSORS; i++) {
    empty([2 ** 24], { dtype: 'uint8', device });
    await setImmediate();
  }
  return liveTensors() - before;
}

const account: DeviceMemory[] = [];
const note = () => account.push(deviceMemory(STRICT)!);
make(STRICT);
note();
scope(() => {
  make(STRICT);
});
note();
resetPeakMemory(STRICT);
note();
synchronize(STRICT);
synchronize('cpu');
const cpu = deviceMemory('cpu') === undefined;
strict.configure(2 ** 20, 'math'); // what nobody computes with takes no memory of the machine
const onDevice = await left(STRICT);
answer({
  account,
  cpu,
  left: { device: onDevice, host: await left('cpu') },
} satisfies MemoryNumbers);
