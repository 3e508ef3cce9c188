/** @file Random streams: the same seed is the same stream, streams do not touch each other, states can be saved. */
import { describe, expect, it } from 'vitest';
import { NativeError } from './errors.ts';
import { Generator } from './generator.ts';
import { liveTensors, scope } from './handle.ts';
import { empty, ones, rand, randn, randperm } from './tensor.ts';

const draw = (generator: Generator, count = 4): unknown => scope(() => rand([count], { generator }).tolist());

describe('Generator', () => {
  it("is PyTorch's: torch.rand(3, generator=torch.Generator().manual_seed(42))", () => {
    const values = scope(() => rand([3], { generator: new Generator(42) }).toTypedArray());
    expect(values).toBeAllclose([0.8822692632675171, 0.9150039553642273, 0.38286375999450684], {
      rtol: 0,
      atol: 1e-12,
    });
  });

  it('gives the same stream for the same seed, and starts over with manualSeed', () => {
    const a = new Generator(42);
    const b = new Generator(42n);
    const first = draw(a);
    expect(draw(b)).toEqual(first);
    expect(draw(a)).not.toEqual(first);
    expect(draw(a.manualSeed(42))).toEqual(first);
    expect(draw(new Generator(43))).not.toEqual(first);
  });

  it('keeps streams apart', () => {
    const alone = new Generator(1);
    const expected = [draw(alone), draw(alone)];
    const mixed = new Generator(1);
    const other = new Generator(2);
    const first = draw(mixed);
    draw(other, 100);
    scope(() => void empty([100]).normal_()); // the global stream
    expect([first, draw(mixed)]).toEqual(expected);
  });

  it('saves and restores its state in the middle of a stream, for every kind of draw', () => {
    const generator = new Generator(9);
    draw(generator, 3);
    scope(() => void randn([3], { generator })); // leaves half a pair of normals behind
    const state = generator.getState();
    expect(state).toBeInstanceOf(Uint8Array);
    expect(state.length).toBeGreaterThan(5000);
    const draws = (): unknown =>
      scope(() => [
        rand([3], { generator }).tolist(),
        randn([3], { generator }).tolist(),
        randn([32], { generator, dtype: 'float64' }).tolist(),
        randperm(9, { generator }).tolist(),
        ones([4, 5]).multinomial(2, false, { generator }).tolist(),
        empty([3]).bernoulli_(0.5, { generator }).tolist(),
        empty([3]).exponential_(1, { generator }).tolist(),
      ]);
    const expected = draws();
    expect(draws()).not.toEqual(expected);
    expect(generator.setState(state)).toBe(generator);
    expect(draws()).toEqual(expected);
    expect(new Generator(0).setState(state).getState()).toEqual(state);
  });

  it('refuses wrong seeds, devices and states, and stays as it was', () => {
    for (const seed of [-1, 1.5, Number.NaN, 2 ** 60, -1n, 2n ** 63n])
      expect(() => new Generator(seed)).toThrow(NativeError);
    expect(() => new Generator('1' as never)).toThrow(NativeError);
    expect(() => new Generator(undefined as never)).toThrow(NativeError);
    expect(() => new Generator(1, 'toaster')).toThrow(NativeError);
    expect(() => new Generator(1, 'meta')).toThrow(NativeError);
    expect(draw(new Generator(2n ** 63n - 1n))).toHaveLength(4);

    const generator = new Generator(5);
    const state = generator.getState();
    for (const wrong of [new Uint8Array(0), new Uint8Array(7), new Uint8Array(state.length), state.slice(1)])
      expect(() => generator.setState(wrong)).toThrow(NativeError);
    expect(() => generator.setState('state' as never)).toThrow(NativeError);
    expect(generator.getState()).toEqual(state);
  });

  it('makes and loses no tensors', () => {
    const before = liveTensors();
    const generator = new Generator(1);
    generator.setState(generator.getState());
    expect(() => generator.setState(new Uint8Array(3))).toThrow(NativeError);
    expect(liveTensors()).toBe(before);
  });
});
