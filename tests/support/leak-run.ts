/**
 * @file Trains the tiny network and prints what stays behind: one JSON line with the live tensors and the resident
 * memory after every step.
 *
 *   node --expose-gc --import ./scripts/typescript/loader.mjs tests/support/leak-run.ts STEPS
 */
import { liveBytes, liveTensors, scope, setNumThreads } from '../../src/tensor/index.ts';
import { AdamW } from '../../src/train/optim/adamw.ts';
import { clipGradNorm } from '../../src/train/optim/grad-norm.ts';
import { lossOf, makeParams, tokens } from './tiny-network.ts';

const numSteps = Number(process.argv[2]);
setNumThreads(1);
const params = makeParams('float32');
const optimizer = new AdamW(params, {
  learning_rate: 1e-3,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0.01,
});
const rows: { tensors: number; bytes: number; rssMib: number; loss: number }[] = [];
for (let step = 0; step < numSteps; step++) {
  optimizer.zeroGrad();
  const loss = scope('step', () => {
    const made = lossOf(params, tokens(step % 3));
    made.backward();
    return made.item();
  });
  clipGradNorm(params.values(), 1);
  optimizer.step();
  if (step % 10 === 9) (globalThis as { gc?: () => void }).gc?.(); // JavaScript's own garbage is not what is measured
  rows.push({
    tensors: liveTensors(),
    bytes: liveBytes(),
    rssMib: process.memoryUsage.rss() / 2 ** 20,
    loss,
  });
}
process.stdout.write(`${JSON.stringify(rows)}\n`);
