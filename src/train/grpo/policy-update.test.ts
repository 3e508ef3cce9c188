import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { loadModel, type VideoLanguageModel, visionTokenIds } from '../../models/index.ts';
import { type Completion, generateGroups } from '../../rollout/index.ts';
import { dispose, Generator, liveTensors, noGrad, scope, setNumThreads } from '../../tensor/index.ts';
import { type GrpoConfig, resolveGrpoConfig } from '../config/config.ts';
import { quickKeys, writeModel } from '../test-support.ts';
import { accumulateGroupGradient, scoreCompletions } from './policy-update.ts';

/** What an update reads of a group. */
type Group = Parameters<typeof accumulateGroupGradient>[1];

const folder = scratchFolder();
let model: VideoLanguageModel;
let config: GrpoConfig;
beforeAll(() => {
  setNumThreads(1);
  model = loadModel(writeModel(folder));
  model.freeze({ vision: true, merger: true });
  config = resolveGrpoConfig([
    { source: 'test', values: { ...quickKeys(folder), output_dir: '-', loss_type: 'tw_grpo' } },
  ]).config;
});
afterAll(() => {
  model.dispose();
});

/** A prompt of text alone with G completions that the model itself drew, ragged. */
async function group(
  seed: number,
  numRows: number,
): Promise<Group & { readonly drawn: readonly Completion[] }> {
  const inputs = { input_ids: Array.from({ length: 9 + seed }, (_, i) => (37 * i + 11 * seed) % 250) };
  const encoded = noGrad(() => model.encodePrompt(inputs));
  const [completions = []] = await generateGroups(model, [encoded], {
    num_generations: numRows,
    max_completion_length: 12,
    temperature: 1.3,
    top_k: 50,
    stop_token_ids: Array.from({ length: 20 }, (_, i) => i),
    banned_token_ids: visionTokenIds(model.config),
    generators: [new Generator(seed)],
  });
  return {
    prompt: { inputs, encoded },
    drawn: completions,
    rollouts: completions.map((one, g) => ({ ...one, advantage: Math.cos(3 * g + seed) })),
  };
}

/** Loss and gradients of groups taken one after the other, gradients as plain numbers by weight. */
function update(groups: readonly Group[], changes: Partial<GrpoConfig> = {}) {
  const own = { ...config, ...changes };
  const rows = groups.flatMap(({ rollouts }) => rollouts);
  const scale = {
    num_sequences: rows.length,
    num_tokens: rows.reduce((sum, { ids }) => sum + ids.length, 0),
    max_completion_length: own.max_completion_length,
  };
  for (const weight of model.parameters().values()) weight.grad = undefined;
  let loss = 0;
  for (const one of groups) {
    const {
      loss: part,
      logps_GT,
      weights_GT,
      entropy_GT,
    } = accumulateGroupGradient(model, one, {}, own, scale);
    loss += part;
    dispose([logps_GT, weights_GT, entropy_GT]);
  }
  const gradients = new Map<string, Float32Array>();
  for (const [name, weight] of model.parameters()) {
    const values = scope(() => weight.grad?.toTypedArray());
    if (values !== undefined) gradients.set(name, values as Float32Array);
  }
  return { loss, gradients };
}

/** Largest difference of two gradients over their largest entry. */
function distance(a: ReadonlyMap<string, Float32Array>, b: ReadonlyMap<string, Float32Array>): number {
  expect([...a.keys()]).toEqual([...b.keys()]);
  let [largest, difference] = [0, 0];
  for (const [name, values] of a) {
    const other = b.get(name)!;
    values.forEach((value, i) => {
      largest = Math.max(largest, Math.abs(value));
      difference = Math.max(difference, Math.abs(value - other[i]!));
    });
  }
  expect(largest).toBeGreaterThan(0);
  return difference / largest;
}

describe('one group', () => {
  it.each([1, 2, 8])(
    'of %i: log-probabilities of sampling are those of scoring and of training',
    async (numRows) => {
      const one = await group(3, numRows);
      const scored = scope(() =>
        scoreCompletions(
          model,
          one.prompt.encoded,
          one.drawn.map(({ ids }) => ids),
          config,
        ).tolist(),
      ) as number[][];
      one.drawn.forEach(({ logps }, g) => {
        logps.forEach((logp, t) => {
          expect(Math.abs(logp - scored[g]![t]!)).toBeLessThan(1e-5);
        });
      });
    },
  );

  it.each([1, 2, 8])(
    'of %i: the shared prompt gives loss and gradients of rows that each carry it',
    async (numRows) => {
      const before = liveTensors();
      const one = await group(4, numRows);
      const changes = { token_weight: 'none', loss_norm: 'token_global' } as const;
      const shared = update([one], changes);
      const alone = one.rollouts.map((row): Group => ({ ...one, rollouts: [row] }));
      const repeated = update(alone, changes);
      expect(Math.abs(shared.loss - repeated.loss)).toBeLessThan(1e-6 * Math.max(1, Math.abs(repeated.loss)));
      expect(distance(shared.gradients, repeated.gradients)).toBeLessThan(1e-5);
      update([]);
      expect(liveTensors()).toBe(before);
    },
  );

  it('gives the same with and without recomputation', async () => {
    const one = await group(5, 4);
    const kept = update([one], { gradient_checkpointing: false });
    const recomputed = update([one], { gradient_checkpointing: true });
    expect(recomputed.loss).toBe(kept.loss);
    expect(distance(kept.gradients, recomputed.gradients)).toBeLessThan(1e-6);
  });

  it('weights of at most 1 are no weights', async () => {
    const one = await group(6, 4);
    const plain = update([one], { token_weight: 'none' });
    for (const token_weight of ['js', 'authors', 'entropy', 'std'] as const) {
      const weighted = update([one], { token_weight, token_weight_max: 1 });
      expect(weighted.loss).toBe(plain.loss);
      expect(distance(plain.gradients, weighted.gradients)).toBe(0);
    }
  });
});

describe('a batch', () => {
  it.each(['sequence', 'token_global', 'constant'] as const)(
    'of two groups is two single groups (%s)',
    async (loss_norm) => {
      const [first, second] = [await group(1, 4), await group(2, 4)];
      const both = update([first, second], { loss_norm });
      // Alone, each is divided by its own counts; the batch's share of it is known.
      const count = ({ rollouts }: Group) => rollouts.reduce((sum, { ids }) => sum + ids.length, 0);
      const share = (one: Group) =>
        loss_norm === 'token_global' ? count(one) / (count(first) + count(second)) : 1 / 2;
      const parts = [first, second].map((one) => ({ ...update([one], { loss_norm }), share: share(one) }));
      const loss = parts.reduce((sum, part) => sum + part.share * part.loss, 0);
      expect(Math.abs(both.loss - loss)).toBeLessThan(1e-6);
      const joined = new Map(
        [...both.gradients].map(([name, values]) => [
          name,
          values.map((_, i) =>
            parts.reduce((sum, part) => sum + part.share * part.gradients.get(name)![i]!, 0),
          ),
        ]),
      );
      expect(distance(both.gradients, joined)).toBeLessThan(1e-6);
    },
  );

  it('of prompts that roll out together draws what each draws alone', async () => {
    const prompts = [9, 14].map((length) =>
      noGrad(() => model.encodePrompt({ input_ids: Array.from({ length }, (_, i) => (53 * i) % 250) })),
    );
    const options = {
      num_generations: 4,
      max_completion_length: 12,
      stop_token_ids: [1, 2, 3, 4, 5, 6],
      banned_token_ids: [] as number[],
    };
    const generators = () => [new Generator(1), new Generator(2)];
    const together = await generateGroups(model, prompts, { ...options, generators: generators() });
    for (const [i, prompt] of prompts.entries()) {
      const [alone] = await generateGroups(model, [prompt], { ...options, generators: [generators()[i]!] });
      expect(together[i]!.map(({ ids }) => ids)).toEqual(alone!.map(({ ids }) => ids));
    }
  });
});
