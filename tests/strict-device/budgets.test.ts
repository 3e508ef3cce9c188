/**
 * @file What a GPU is asked for, as numbers that may only fall: launches and waits of a decoded token and a training step.
 *
 * Counted for narrow models of one and two decoder layers, which gives the cost of a layer, and from it that of the 28 layers of
 * Qwen2.5-VL-7B. The counts are those of the strict device; none has been compared with a GPU's profile.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { BudgetNumbers, Figures } from './processes/budget-run.ts';
import type { DryCase } from './processes/dry-run.ts';
import type { Phase } from './processes/made-model.ts';
import { BUILD_TIMEOUT_MS, runOnDevice, skipReason, titled } from './strict-device.ts';

interface Cost {
  /** Launches outside the decoder's layers. */
  readonly fixed: number;
  readonly per_layer: number;
  /** With two layers. */
  readonly waits: number;
}

/** Lower these when the code gets better. A copy from pinned memory is a launch; one from other host memory would be a wait. */
const DECODE: Readonly<Record<string, Cost>> = {
  'one prompt': { fixed: 23, per_layer: 16, waits: 1 },
  'one prompt, top_k 50': { fixed: 27, per_layer: 16, waits: 1 },
  'one prompt, LoRA': { fixed: 23, per_layer: 24, waits: 1 },
  // Sampling, the ids' way, and one launch for all layers.
  'one prompt, captured': { fixed: 15, per_layer: 0, waits: 1 },
  'one prompt, LoRA, captured': { fixed: 15, per_layer: 0, waits: 1 },
  '4 prompts': { fixed: 23, per_layer: 16, waits: 1 },
  '8 prompts, one row each': { fixed: 23, per_layer: 16, waits: 1 },
};
const TRAIN: Readonly<Record<string, Cost>> = {
  // 17 of the fixed ones are the extremes of clipping over completions.
  'full weights': { fixed: 293, per_layer: 194, waits: 11 },
  LoRA: { fixed: 259, per_layer: 287, waits: 11 },
};

/** The loss of a group of 8 completions of 512 tokens, with the vocabulary of the 7B; layers have no part in it. */
const LOSS: Readonly<Record<string, Figures & { readonly lora_r?: number }>> = {
  'full weights': { launches: 1314, waits: 9 },
  LoRA: { launches: 826, waits: 9, lora_r: 16 },
};

const NUM_LAYERS = 28;
const at28 = ({ fixed, per_layer }: Cost): number => fixed + NUM_LAYERS * per_layer;

function costOf([one, two]: readonly [Figures, Figures]): Cost {
  const per_layer = two.launches - one.launches;
  return { fixed: one.launches - per_layer, per_layer, waits: two.waits };
}

function table(title: string, costs: Readonly<Record<string, Cost>>): string {
  const rows = Object.entries(costs).map(([name, cost]) =>
    [
      name.padEnd(26),
      ...[cost.fixed, cost.per_layer, at28(cost), cost.waits].map((value) => String(value).padStart(9)),
    ].join(' '),
  );
  const head = [
    title.padEnd(26),
    ...['fixed', 'a layer', '28 layers', 'waits'].map((name) => name.padStart(9)),
  ];
  return [head.join(' '), ...rows].join('\n');
}

describe.skipIf(skipReason)(titled('budgets on the strict device'), () => {
  let numbers: BudgetNumbers;
  let decode: Readonly<Record<string, Cost>>;
  let train: Readonly<Record<string, Cost>>;
  beforeAll(async () => {
    numbers = await runOnDevice<BudgetNumbers>('budget-run.ts');
    const costs = (figures: BudgetNumbers['decode']) =>
      Object.fromEntries(Object.entries(figures).map(([name, pair]) => [name, costOf(pair)]));
    decode = costs(numbers.decode);
    train = costs(numbers.train);
    process.stdout.write(`${table('launches, a token', decode)}\n${table('launches, a step', train)}\n`);
  }, BUILD_TIMEOUT_MS);

  it('has a budget for every case', () => {
    expect(Object.keys(decode)).toEqual(Object.keys(DECODE));
    expect(Object.keys(train)).toEqual(Object.keys(TRAIN));
  });

  it.each(Object.entries(DECODE))('a decoded token: %s', (name, budget) => {
    expect(at28(decode[name]!)).toBeLessThanOrEqual(at28(budget));
    expect(decode[name]!.waits).toBeLessThanOrEqual(budget.waits);
  });

  it.each(Object.entries(TRAIN))('a training step: %s', (name, budget) => {
    expect(at28(train[name]!)).toBeLessThanOrEqual(at28(budget));
    expect(train[name]!.waits).toBeLessThanOrEqual(budget.waits);
  });

  it.each(Object.entries(LOSS))('the loss of the 7B: %s', async (name, { launches, waits, ...lora }) => {
    const one: DryCase = { name, length: 512, layers: 1, attention: 'flash', ...lora };
    const phases = await runOnDevice<Phase[]>('dry-run.ts', one);
    const loss = phases.find(({ phase }) => phase === 'loss')!;
    process.stdout.write(`loss of the 7B, ${name}: ${loss.launches} launches, ${loss.waits} waits\n`);
    expect(loss.launches).toBeLessThanOrEqual(launches);
    expect(loss.waits).toBeLessThanOrEqual(waits);
  });

  it('a step leaves as many bytes on the device as it found', () => {
    for (const [before, after] of numbers.live) {
      expect(before).toBeGreaterThan(0);
      expect(after).toBe(before);
    }
  });
});
