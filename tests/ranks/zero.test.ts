/** @file State that lies on the ranks in parts (`zero_stage`) against the run in one process; checkpoints on another number of ranks. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/index.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { hasTime, type TrainRanks, trainer } from './train-ranks.ts';

const folder = scratchFolder();
const { train, numbersOf, weightsApart } = trainer(folder);

/** Bytes of all tensors of a rank once everything is in memory. */
function bytesOf(run: string, rank: number): number {
  const lines = readFileSync(join(run, 'logs', `rank-${rank}.jsonl`), 'utf8')
    .trim()
    .split('\n');
  const facts = lines.map((line) => JSON.parse(line) as { live_bytes?: number });
  return facts.find(({ live_bytes }) => live_bytes !== undefined)!.live_bytes!;
}

/** Four steps, the tower too, with everything that an update can have. */
const KEYS = {
  gradient_accumulation_steps: 2,
  max_steps: 4,
  freeze_vision: false,
  freeze_merger: false,
  weight_decay: 0.1,
};

const CASES: readonly (readonly [string, number, JsonObject])[] = [
  ['stage 1 on 3 ranks', 3, { zero_stage: 1, num_iterations: 2 }],
  [
    'stage 1, optimizer on the host',
    2,
    { zero_stage: 1, offload_optimizer: true, gradient_checkpointing: false },
  ],
  ['stage 2 on 3 ranks', 3, { zero_stage: 2, num_iterations: 2 }],
  [
    'stage 2, optimizer on the host, without checkpointing',
    2,
    { zero_stage: 2, offload_optimizer: true, gradient_checkpointing: false },
  ],
  [
    'stage 3 on 3 ranks, optimizer on the host',
    3,
    { zero_stage: 3, num_iterations: 2, offload_optimizer: true },
  ],
  [
    'stage 3 under an adapter with KL, in bfloat16',
    2,
    { zero_stage: 3, lora_r: 2, beta: 0.1, dtype: 'bfloat16' },
  ],
  ['stage 2 in bfloat16', 2, { zero_stage: 2, dtype: 'bfloat16', learning_rate: 1e-5 }],
];

/** Every case takes five processes: half of them wait. */
describe('a run whose state lies on the ranks in parts', { timeout: 300_000 }, () => {
  it.each(CASES.filter((_, i) => hasTime || i % 2 === 0))(
    'equals the run in one process: %s',
    async (name, numRanks, keys) => {
      const own = { ...KEYS, ...keys };
      const [one, many] = [
        await train(`${name} plain`, 1, { ...own, zero_stage: 0 }),
        await train(name, numRanks, own),
      ];
      const isNarrow = keys['dtype'] === 'bfloat16';
      // Gradients in bfloat16 are summed in another order.
      const tolerance = isNarrow ? { rtol: 2e-2, atol: 2e-3 } : { rtol: 5e-6, atol: 1e-6 };
      expect(numbersOf(many)).toBeAllclose(numbersOf(one), tolerance);
      const apart = weightsApart(join(many, 'checkpoint-4'), join(one, 'checkpoint-4'));
      expect(apart).toBeLessThan(isNarrow ? 2e-3 : 1e-5);
    },
  );

  it('holds fewer bytes a rank from stage to stage', async () => {
    const runs: TrainRanks[] = [];
    for (const zero_stage of [0, 1, 2, 3])
      runs.push(await train(`bytes ${zero_stage}`, 2, { ...KEYS, max_steps: 1, zero_stage }));
    const [whole, first, second, third] = runs.map((run) => bytesOf(run, 0)) as [
      number,
      number,
      number,
      number,
    ];
    const weights = 4 * runs.map(() => numWeights()).at(0)!;
    // Of weights, gradients and two moments of one size each, in float32: half of what is divided is gone.
    expect(whole - first).toBeAllclose(2 * (weights / 2) - weights / 2, { rtol: 0.03, atol: 0 });
    expect(first - second).toBeAllclose(weights, { rtol: 0.03, atol: 0 });
    expect(second - third).toBeAllclose(weights / 2, { rtol: 0.03, atol: 0 });

    function numWeights(): number {
      const header = readFileSync(join(folder, 'model', 'model.safetensors'));
      const length = Number(header.readBigUInt64LE(0));
      return (header.length - 8 - length) / 4;
    }
  });
});

describe('a checkpoint', { timeout: 300_000 }, () => {
  it('saved by 2 ranks goes on with 1 and with 3, whatever the stages: as the run that was never stopped', async () => {
    const keys = { ...KEYS, save_steps: 4, lr_scheduler_type: 'constant' };
    const saved = await train('saved', 2, { ...keys, zero_stage: 2 });
    const whole = await train('whole', 1, { ...keys, max_steps: 8 });
    for (const [numRanks, zero_stage] of [
      [1, 0],
      [3, 3],
      [2, 0],
    ] as const) {
      const name = `resumed ${numRanks} ${zero_stage}`;
      cpSync(saved, join(folder, `${name}-${numRanks}`), { recursive: true });
      const resumed = await train(name, numRanks, { ...keys, zero_stage, max_steps: 8 }, [
        '--resume',
        'auto',
      ]);
      const isNorm = (key: string) => key === 'grad_norm';
      const others = (run: TrainRanks) => numbersOf(run, (key) => !isNorm(key));
      expect(others(resumed)).toBeAllclose(others(whole), { rtol: 1e-6, atol: 1e-7 });
      // A sum over all weights: what rounding adds up to shows here first.
      expect(numbersOf(resumed, isNorm)).toBeAllclose(numbersOf(whole, isNorm), { rtol: 2e-6, atol: 0 });
      expect(weightsApart(join(resumed, 'checkpoint-8'), join(whole, 'checkpoint-8'))).toBeLessThan(1e-5);
    }
  });
});
