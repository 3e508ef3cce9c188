/** Memory of a device, as its allocator counts it. */
import type { Device } from './dtype.ts';
import { type NativeDeviceMemory, native } from './native.ts';

/** Bytes that tensors hold on a device; undefined on the processor, and where PyTorch keeps no account (before 2.9). */
export function deviceMemory(device: Device): NativeDeviceMemory | undefined {
  return native.deviceMemory(device) ?? undefined;
}

/** Lets the peak of `deviceMemory` start again from what is allocated now. */
export function resetPeakMemory(device: Device): void {
  native.resetPeakMemory(device);
}

/** Gives memory that no tensor uses back to the device, where others and larger tensors can have it. */
export function emptyCache(device: Device): void {
  native.emptyCache(device);
}

/** Returns when all that was asked of the device is done; at once on the processor. */
export function synchronize(device: Device): void {
  native.synchronize(device);
}
