/**
 * Memory of a training step as metrics: what tensors hold on the device, by its allocator, and what the process holds of the host.
 *
 * Rows that stand for several steps, or several processes, have the most of each.
 */
import { memoryUsage, resourceUsage } from 'node:process';
import { type MetricAccumulator, max } from '../../run/index.ts';
import { type Device, deviceMemory, resetPeakMemory } from '../../tensor/index.ts';

export class StepMemory {
  readonly #device: Device;

  /** Begins a step: the peak of its device is its own. */
  constructor(device: Device) {
    this.#device = device;
    resetPeakMemory(device);
  }

  /**
   * Adds `memory/host_rss_bytes` and `memory/host_peak_rss_bytes` (the most since the process began), and on a device
   * `memory/allocated_bytes` at the end of the step, `memory/peak_bytes` in it, and `memory/reserved_bytes`.
   */
  addTo(metrics: MetricAccumulator): void {
    metrics.add('memory/host_rss_bytes', max(memoryUsage.rss()));
    metrics.add('memory/host_peak_rss_bytes', max(resourceUsage().maxRSS * 1024));
    const memory = deviceMemory(this.#device);
    if (memory === undefined) return;
    metrics.add('memory/allocated_bytes', max(memory.allocated));
    metrics.add('memory/peak_bytes', max(memory.peak));
    metrics.add('memory/reserved_bytes', max(memory.reserved));
  }
}
