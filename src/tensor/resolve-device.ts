/** The device a configuration asks for, checked before anything is put on it. */
import { ConfigError } from '../base/index.ts';
import { engineInfo } from './engine.ts';
import { NativeError } from './errors.ts';
import { scope } from './handle.ts';
import { ones } from './tensor.ts';

/**
 * @param device `auto`: the first GPU where the engine can use one, else the processor; `cpu`, `cuda`, `cuda:N`; or the device of a
 *   library that is loaded beside libtorch
 * @param key what names it: a key or an option
 * @returns the device by its full name: `cpu`, `cuda:N`
 * @throws ConfigError when it is none of these, or the machine has no such device
 */
export function resolveDevice(device: string, key: string): string {
  if (device === 'cpu') return device;
  const { cuda_available, cuda_device_count } = engineInfo();
  if (device === 'auto') return cuda_available && cuda_device_count > 0 ? 'cuda:0' : 'cpu';
  const index = /^cuda(?::(\d+))?$/.exec(device);
  if (index === null) {
    if (isAnswering(device)) return device;
    throw new ConfigError(`${key} ${device}: expected auto, cpu, cuda or cuda:N`);
  }
  const number = Number(index[1] ?? 0);
  if (!cuda_available || number >= cuda_device_count)
    throw new ConfigError(`${key} ${device}: this machine offers ${cuda_device_count} CUDA devices`, {
      hint: 'twgrpo doctor says what the engine can use',
    });
  return `cuda:${number}`;
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
