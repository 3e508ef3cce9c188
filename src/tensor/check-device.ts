/** Whether this machine has a device, found out before anything is put on it. */
import { ConfigError } from '../base/index.ts';
import { engineInfo } from './engine.ts';

/**
 * @param device `cpu`, `cuda` or `cuda:N`
 * @param key what names it: a key or an option
 * @throws ConfigError when it is none of these, or the machine has no such device
 */
export function checkDevice(device: string, key: string): void {
  if (device === 'cpu') return;
  const index = /^cuda(?::(\d+))?$/.exec(device);
  if (index === null) throw new ConfigError(`${key} ${device}: expected cpu, cuda or cuda:N`);
  const { cuda_available, cuda_device_count } = engineInfo();
  if (!cuda_available || Number(index[1] ?? 0) >= cuda_device_count)
    throw new ConfigError(`${key} ${device}: this machine offers ${cuda_device_count} CUDA devices`, {
      hint: 'twgrpo doctor says what the engine can use',
    });
}
