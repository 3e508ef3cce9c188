/** A tensor's values on their way to the host, which goes on meanwhile. */
import type { DType } from './dtype.ts';
import { type NativeDownload, native } from './native.ts';
import * as operators from './operators.generated.ts';
import { Tensor } from './tensor.ts';

export class Download {
  readonly #native: NativeDownload;

  /** Starts copying: what is asked of the device later changes nothing of the values. On the processor they are there at once. */
  constructor(tensor: Tensor) {
    this.#native = native.startDownload(tensor.handle);
  }

  /** Waits for the copy, not for what the device was asked for after it. @returns the values on the processor */
  finish(): Tensor {
    return new Tensor(native.finishDownload(this.#native));
  }
}

/** Page-locked memory of the host, without content: a device copies from it by itself. Needs a device. */
export function emptyPinned(shape: readonly number[], dtype: DType): Tensor {
  return operators.empty(shape, { dtype, device: 'cpu', pin_memory: true });
}
