import { describe, expect, it } from 'vitest';
import { ConfigError } from '../base/index.ts';
import { engineInfo } from './engine.ts';
import { resolveDevice } from './resolve-device.ts';

describe('resolveDevice', () => {
  it('takes the first GPU, or the processor where there is none', () => {
    const first = engineInfo().cuda_device_count > 0 ? 'cuda:0' : 'cpu';
    expect(resolveDevice('auto', 'device')).toBe(first);
    expect(resolveDevice('cpu', 'device')).toBe('cpu');
  });

  it.each(['cuda:63', 'gpu', 'cuda:x', '', 'CPU'])('refuses %j and names the key', (device) => {
    expect(() => resolveDevice(device, '--device')).toThrow(ConfigError);
    expect(() => resolveDevice(device, '--device')).toThrow(/^--device /);
  });
});
