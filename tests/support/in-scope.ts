/** @file Tests of tensors that leave none behind. */
import { expect, it } from 'vitest';
import { liveTensors, scope } from '../../src/tensor/index.ts';

/** Runs a test in a scope and sees that nothing is left behind. */
export function inScope(name: string, body: () => void): void {
  it(name, () => {
    const before = liveTensors();
    scope(name, body);
    expect(liveTensors()).toBe(before);
  });
}
