/** Counts launches and waits of a decoded token and of a training step, for two depths of a narrow model. */

import { generateGroups } from '../../../src/rollout/index.ts';
import { Generator, keep, noGrad, scope, setNumThreads } from '../../../src/tensor/index.ts';
import { narrow } from '../../support/published-sizes.ts';
import {
  grpoConfig,
  makeModel,
  makeOptimizer,
  type Phase,
  Phases,
  trainOnGroup,
  videoPrompt,
} from './made-model.ts';
import { answer, type Counts, counted, strict } from './strict.ts';

export type Figures = Pick<Counts, 'launches' | 'waits'>;

/** By case, for one decoder layer and for two. */
export interface BudgetNumbers {
  readonly decode: Readonly<Record<string, readonly [Figures, Figures]>>;
  readonly train: Readonly<Record<string, readonly [Figures, Figures]>>;
  /** Live bytes before and after a step. */
  readonly live: readonly (readonly [number, number])[];
}

interface DecodeCase {
  readonly prompts: number;
  readonly rows: number;
  readonly lora_r?: number;
  readonly top_k?: number;
  /** As one captured graph. @default false */
  readonly isCaptured?: boolean;
}

const DECODE: Readonly<Record<string, DecodeCase>> = {
  'one prompt': { prompts: 1, rows: 8 },
  'one prompt, top_k 50': { prompts: 1, rows: 8, top_k: 50 },
  'one prompt, LoRA': { prompts: 1, rows: 8, lora_r: 2 },
  'one prompt, captured': { prompts: 1, rows: 8, isCaptured: true },
  'one prompt, LoRA, captured': { prompts: 1, rows: 8, lora_r: 2, isCaptured: true },
  '4 prompts': { prompts: 4, rows: 8 },
  '8 prompts, one row each': { prompts: 8, rows: 1 },
};

/** What one more token costs. */
async function decodeCost(
  layers: number,
  { prompts, rows, lora_r, top_k, isCaptured = false }: DecodeCase,
): Promise<Figures> {
  process.env['TWGRPO_CUDA_GRAPHS'] = isCaptured ? '1' : '0';
  const model = makeModel(narrow(layers), lora_r);
  const encoded = Array.from({ length: prompts }, (_, p) =>
    keep(
      scope(() =>
        noGrad(() => model.encodePrompt({ input_ids: Array.from({ length: 20 + p }, (_, i) => 10 + i) })),
      ),
    ),
  );
  const generate = (tokens: number) =>
    counted(() =>
      generateGroups(model, encoded, {
        num_generations: rows,
        max_completion_length: tokens,
        stop_token_ids: [],
        banned_token_ids: [1, 2, 3],
        generators: encoded.map((_, p) => new Generator(p)),
        ...(top_k === undefined ? {} : { top_k }),
      }),
    );
  await generate(5); // what is made once
  const [shorter, longer] = [await generate(5), await generate(6)];
  for (const one of encoded) one.dispose();
  model.dispose();
  return { launches: longer.launches - shorter.launches, waits: longer.waits - shorter.waits };
}

const TRAIN: Readonly<Record<string, { readonly lora_r?: number }>> = {
  'full weights': {},
  LoRA: { lora_r: 2 },
};

const live: [number, number][] = [];

/** The second of two steps: gradients and moments exist then. */
function stepCost(layers: number, lora_r: number | undefined): Figures {
  const config = grpoConfig({ num_generations: 4, max_completion_length: 8 });
  const model = makeModel(narrow(layers), lora_r);
  const optimizer = makeOptimizer(model, config);
  const inputs = videoPrompt(model, [1, 4, 4], 12);
  const phases: Phase[][] = [];
  const before: number[] = [];
  for (let step = 0; step < 2; step++) {
    const counts = new Phases();
    before.push(strict.counts().live);
    optimizer.zeroGrad();
    trainOnGroup(model, inputs, { config, length: 8, optimizer, phases: counts });
    phases.push(counts.all);
  }
  live.push([before[1]!, strict.counts().live]);
  const total = (key: 'launches' | 'waits') => phases[1]!.reduce((sum, one) => sum + one[key], 0);
  optimizer.dispose();
  model.dispose();
  return { launches: total('launches'), waits: total('waits') };
}

setNumThreads(1);
strict.configure(-1, 'flash');
const decode: Record<string, [Figures, Figures]> = {};
for (const [name, one] of Object.entries(DECODE))
  decode[name] = [await decodeCost(1, one), await decodeCost(2, one)];
const train: Record<string, [Figures, Figures]> = {};
for (const [name, { lora_r }] of Object.entries(TRAIN))
  train[name] = [stepCost(1, lora_r), stepCost(2, lora_r)];
answer({ decode, train, live } satisfies BudgetNumbers);
