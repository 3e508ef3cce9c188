/** @file The engine's settings and facts. */
import { describe, expect, it } from 'vitest';
import { benchDirectAdd, engineInfo, getNumThreads, setNumThreads } from './engine.ts';
import { NativeError } from './errors.ts';
import { Generator } from './generator.ts';
import { scope } from './handle.ts';
import { randn } from './tensor.ts';

describe('threads', () => {
  it('are set and read back; a product over them is the same number', () => {
    const before = getNumThreads();
    const product = (): unknown =>
      scope(() => {
        const x = randn([64, 64], { generator: new Generator(1), dtype: 'float64' });
        return x.matmul(x).tolist();
      });
    try {
      setNumThreads(1);
      expect(getNumThreads()).toBe(1);
      const one = product();
      setNumThreads(2);
      expect(getNumThreads()).toBe(2);
      expect(product()).toBeAllclose(one, { rtol: 1e-12, atol: 1e-12 });
    } finally {
      setNumThreads(before);
    }
  });

  it.each([0, -1, 1.5, Number.NaN, 100_000, '2', undefined, null])('refuses %s', (count) => {
    const before = getNumThreads();
    expect(() => setNumThreads(count as never)).toThrow(NativeError);
    expect(getNumThreads()).toBe(before);
  });
});

describe('engineInfo', () => {
  it('names the libtorch in use', () => {
    const info = engineInfo();
    expect(info.torch_version).toMatch(/^\d+\.\d+\.\d+/);
    const [major, minor] = info.torch_version.split('.').map(Number) as [number, number];
    expect(major > 2 || (major === 2 && minor >= 7)).toBe(true);
    expect(info.num_threads).toBe(getNumThreads());
    expect(info.cuda_device_count > 0).toBe(info.cuda_available);
    expect(info.config).toContain('PyTorch built with');
  });
});

describe('benchDirectAdd', () => {
  it('gives nanoseconds a call', () => {
    expect(benchDirectAdd(4, 100)).toBeGreaterThan(0);
    expect(() => benchDirectAdd(-4, 100)).toThrow(NativeError);
  });
});
