/**
 * @file Makes 200 tensors of 16 MiB outside any scope and prints the most bytes that were live at once. A process of
 * its own, because when V8 collects depends on the size of its heap and on how large that may become.
 *
 *   node --max-old-space-size=512 --import ./scripts/typescript/loader.mjs tests/support/collection-run.ts
 */
import { setImmediate as nextTask } from 'node:timers/promises';
import { empty, liveBytes } from '../../src/tensor/index.ts';

// Living JavaScript objects: what V8 has to mark in a real program.
const heap = Array.from({ length: 200_000 }, (_, i) => ({ i }));
let peak = 0;
for (let i = 0; i < 200; i++) {
  empty([4 << 20]);
  peak = Math.max(peak, liveBytes());
  await nextTask();
}
process.stdout.write(JSON.stringify({ peak, numObjects: heap.length }));
