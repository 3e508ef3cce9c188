/** The same GRPO and supervised runs on the CPU and on the strict device. */
import { setNumThreads } from '../../../src/tensor/index.ts';
import { answer, argument, STRICT, strict } from './strict.ts';
import { distance, type GrpoCase, type RunNumbers, trainGrpo, trainSft } from './training.ts';

export interface TrainingTask {
  readonly grpo: readonly (GrpoCase & { readonly attention?: 'math' | 'flash' | 'cudnn' })[];
  readonly sft: readonly ('adamw' | 'muon')[];
}

export interface Compared {
  readonly name: string;
  readonly cpu: RunNumbers;
  readonly strict: RunNumbers;
  /** Of the last weights, as a share of the way that training moved them. */
  readonly distance: number;
}

setNumThreads(1);
const { grpo, sft } = argument<TrainingTask>();
const results: Compared[] = [];
for (const { attention = 'math', ...one } of grpo) {
  strict.configure(-1, attention);
  const [cpu, own] = [await trainGrpo(one, 'cpu'), await trainGrpo(one, STRICT)];
  results.push({ name: one.name, cpu, strict: own, distance: distance(own.checkpoint, cpu.checkpoint) });
}
strict.configure(-1, 'math');
for (const optimizer of sft) {
  const [cpu, own] = [await trainSft(optimizer, 'cpu'), await trainSft(optimizer, STRICT)];
  results.push({
    name: `sft ${optimizer}`,
    cpu,
    strict: own,
    distance: distance(own.checkpoint, cpu.checkpoint),
  });
}
answer(results);
