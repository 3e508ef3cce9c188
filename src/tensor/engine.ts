/** The engine's settings and facts. */
import { type NativeEngineInfo, native } from './native.ts';

/** Set the number of threads that one operator may use. Results depend on it in the last bits. */
export function setNumThreads(count: number): void {
  native.setNumThreads(count);
}

export function getNumThreads(): number {
  return native.getNumThreads();
}

/** Versions and abilities of the libtorch in use. */
export function engineInfo(): NativeEngineInfo {
  return native.engineInfo();
}

/** Nanoseconds a call of `a + b` (vectors of `size`) in plain C++: what the border is measured against. */
export function benchDirectAdd(size: number, count: number): number {
  return native.benchDirectAdd(size, count);
}
