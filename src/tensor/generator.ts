/** Seeded random generators whose state can be saved. Every random stream of a run has its own. */
import { kindOf, NativeError } from './errors.ts';
import { type NativeGenerator, type NativeHandle, native } from './native.ts';

export class Generator {
  /** The addon's generator, for the operators only. */
  readonly native: NativeGenerator;
  readonly device: string;

  /** @param seed a whole number from 0 to 2^63 - 1 */
  constructor(seed: number | bigint, device = 'cpu') {
    this.device = device;
    this.native = native.newGenerator(device, checkedSeed(seed));
  }

  manualSeed(seed: number | bigint): this {
    native.seedGenerator(this.native, checkedSeed(seed));
    return this;
  }

  /** The whole state as bytes (about 5 kB for a CPU generator). */
  getState(): Uint8Array {
    const handle: NativeHandle = native.generatorState(this.native);
    try {
      const bytes = new Uint8Array(native.shape(handle)[0] ?? 0);
      native.copyOut(handle, bytes);
      return bytes;
    } finally {
      native.release(handle);
    }
  }

  /** Restores what `getState` gave. Throws `NativeError` for bytes of another kind of generator. */
  setState(state: Uint8Array): this {
    const handle = native.fromBytes(state, [state.length], 'uint8', true, 'cpu');
    try {
      native.setGeneratorState(this.native, handle);
    } finally {
      native.release(handle);
    }
    return this;
  }
}

function checkedSeed(seed: number | bigint): bigint {
  if (typeof seed !== 'bigint' && !Number.isSafeInteger(seed))
    throw new NativeError('Generator', '', `expected a whole number as seed, got ${kindOf(seed)}`);
  const value = BigInt(seed);
  if (value < 0n || value >= 1n << 63n)
    throw new NativeError('Generator', '', `expected a seed from 0 to 2^63 - 1, got ${seed}`);
  return value;
}
