/** A check that this machine has a device, made before anything is put on it. */
import { ConfigError } from '../base/index.ts';
import { engineInfo } from './engine.ts';
import { NativeError } from './errors.ts';
import { scope } from './handle.ts';
import { ones } from './tensor.ts';

/**
 * @param device `cpu`, `cuda` or `cuda:N`, or the device of a library that is loaded
 * @param key what names it: a key or an option
 * @throws ConfigError when it is none of these, or the machine has no such device
 */
export function checkDevice(device: string, key: string): void {
  if (device === 'cpu') return;
  const index = /^cuda(?::(\d+))?$/.exec(device);
  if (index === null) {
    if (isAnswering(device)) return;
    throw new ConfigError(`${key} ${device}: expected cpu, cuda or cuda:N`);
  }
  const { cuda_available, cuda_device_count } = engineInfo();
  if (!cuda_available || Number(index[1] ?? 0) >= cuda_device_count)
    throw new ConfigError(`${key} ${device}: this machine offers ${cuda_device_count} CUDA devices`, {
      hint: 'twgrpo doctor says what the engine can use',
    });
}

/** True when the device computes a sum: a library that is loaded beside libtorch may bring a device of its own. */
function isAnswering(device: string): boolean {
  try {
    return scope(() => ones([1], { device }).sum().item() === 1);
  } catch (error) {
    if (error instanceof NativeError) return false;
    throw error;
  }
}
