/**
 * @file Every shape of Qwen3-VL against transformers, several seeds each, from both styles of config: positions, features, decoder,
 * greedy tokens, and the gradient of a GRPO step over completions that share their prompt. Weights come from a hash
 * (goldens/qwen3_vl/make_shapes.py).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DECODERS, type DecoderName, openSession } from '../src/models/decoder/session.ts';
import { familyOf, parseModelConfig } from '../src/models/families.ts';
import { indexTensor } from '../src/models/layers.ts';
import { Transformer } from '../src/models/transformer.ts';
import {
  dispose,
  fromTypedArray,
  keep,
  liveTensors,
  noGrad,
  scope,
  type Tensor,
} from '../src/tensor/index.ts';
import { resolveGrpoConfig } from '../src/train/config/config.ts';
import { accumulateGroupGradient } from '../src/train/grpo/policy-update.ts';
import { hashedWeights } from './support/hashed-weights.ts';
import { hashedNoise, type Packed, promptInputs, type ShapeGolden, unpack } from './support/model-goldens.ts';

interface GroupGolden {
  readonly completions: readonly (readonly number[])[];
  readonly advantages: readonly number[];
  readonly epsilon: number;
  readonly beta: number;
  readonly old_logps: readonly (readonly number[])[];
  readonly ref_logps: readonly (readonly number[])[];
  readonly loss: number;
  /** Norm, and product with hashed noise, by name. */
  readonly gradients: Readonly<Record<string, readonly [norm: number, product: number]>>;
}

interface Qwen3Golden extends ShapeGolden {
  readonly deepstack: readonly Packed[];
  readonly group: GroupGolden;
}

const ATOL = 1e-5;
const goldens: Qwen3Golden[] = JSON.parse(
  readFileSync(join(import.meta.dirname, 'goldens/qwen3_vl/shapes.json'), 'utf8'),
);
const BANNED = [489, 490, 491, 492, 493];

/** A model whose weights are kept until `dispose`. */
function hashedModel(golden: ShapeGolden): Transformer {
  const config = parseModelConfig(golden.flat);
  return new Transformer(
    config,
    keep(scope(() => hashedWeights(familyOf(config).weightShapes(config), golden.seed))),
  );
}

function everyFifth(rows: Tensor): Tensor {
  const picked = Array.from({ length: Math.ceil(rows.shape[0]! / 5) }, (_, i) => 5 * i);
  return rows.index_select(0, indexTensor(picked, 'cpu'));
}

/** (G, T) of ragged rows, padded with 0. */
function padded(rows: readonly (readonly number[])[]): Tensor {
  const longest = Math.max(...rows.map((row) => row.length));
  const values = rows.flatMap((row) => [...row, ...Array<number>(longest - row.length).fill(0)]);
  return fromTypedArray(Float32Array.from(values), [rows.length, longest]);
}

describe('every shape of Qwen3-VL equals transformers', () => {
  const before = liveTensors();
  afterAll(() => expect(liveTensors()).toBe(before));

  it.each(goldens)('$title, seed $seed', (golden) => {
    const model = hashedModel(golden);
    const { config } = model;
    expect({ ...parseModelConfig(golden.nested), dtype: undefined }).toEqual(config);
    scope(() =>
      noGrad(() => {
        const prompt = model.encodePrompt(promptInputs(golden, config));
        const { axes, rope_delta, next } = prompt.positions;
        expect(axes.map((axis) => [...axis])).toEqual(
          golden.position_ids.map((axis) => axis.slice(0, golden.input_ids.length)),
        );
        expect([rope_delta, next]).toEqual([
          golden.rope_delta,
          golden.position_ids[0]![golden.input_ids.length],
        ]);
        const numImages = golden.image_grid_thw.reduce((sum, [t, h, w]) => sum + (t * h * w) / 4, 0);
        const { features, deepstack } = prompt.vision!;
        const ofVideos = (rows: Tensor) => everyFifth(rows.narrow(0, numImages, rows.shape[0]! - numImages));
        expect(ofVideos(features)).toBeAllclose(unpack(golden.video_features), { rtol: 0, atol: ATOL });
        expect(deepstack.length).toBe(golden.deepstack.length);
        for (const [layer, rows] of deepstack.entries())
          expect(ofVideos(rows)).toBeAllclose(unpack(golden.deepstack[layer]!), { rtol: 0, atol: ATOL });
        const [logps] = model.completionLogps(prompt, [golden.completion_ids]);
        expect(logps).toBeAllclose(unpack(golden.logps), { rtol: 0, atol: ATOL });
        const { hidden_GCD } = model.completionHidden(prompt, [[...golden.completion_ids, 0]]);
        const last = hidden_GCD.select(0, 0).select(0, golden.completion_ids.length);
        expect(model.logits(last)).toBeAllclose(unpack(golden.logits_last), { rtol: 0, atol: 3 * ATOL });
      }),
    );
    model.dispose();
  });

  it.each(goldens)('greedy tokens by every decoder: $title, seed $seed', (golden) => {
    const model = hashedModel(golden);
    const prompt = scope(() => model.encode(promptInputs(golden, model.config)));
    const { params, config, device } = model;
    for (const name of Object.keys(DECODERS) as DecoderName[]) {
      // The packed decoder wants heads of a multiple of 16.
      if (name === 'packed' && config.text_config.head_dim % 16 !== 0) continue;
      const session = openSession({ params, config, device, prompts: [prompt], rows: 2 }, [name]);
      const ids = golden.greedy_ids.map(() => {
        const drawn = scope(() =>
          session.logits
            .clone()
            .index_fill_(1, indexTensor(BANNED, 'cpu'), Number.NEGATIVE_INFINITY)
            .argmax(-1)
            .tolist(),
        ) as number[];
        scope(() => session.step(indexTensor(drawn, 'cpu')));
        expect(drawn[1]).toBe(drawn[0]);
        return drawn[0];
      });
      session.dispose();
      expect(ids, name).toEqual(golden.greedy_ids);
    }
    prompt.dispose();
    model.dispose();
  });

  it.each(
    goldens.flatMap((golden) =>
      [false, true].map((gradient_checkpointing) => ({ ...golden, gradient_checkpointing })),
    ),
  )('gradient of a GRPO step: $title, seed $seed, checkpointing $gradient_checkpointing', (golden) => {
    const { group, gradient_checkpointing } = golden;
    const model = hashedModel(golden);
    model.freeze({});
    const { config } = resolveGrpoConfig([
      {
        source: 'test',
        values: {
          ...{ model_name_or_path: '-', jsonl_path: '-', output_dir: '-', loss_type: 'grpo' },
          ...{ epsilon: group.epsilon, epsilon_high: group.epsilon, beta: group.beta },
          gradient_checkpointing,
        },
      },
    ]);
    scope(() => {
      const inputs = promptInputs(golden, model.config);
      const result = accumulateGroupGradient(
        model,
        {
          prompt: { inputs, encoded: undefined as never },
          rollouts: group.completions.map((ids, g) => ({
            ids: [...ids],
            finish_reason: 'stop',
            advantage: group.advantages[g]!,
          })),
        },
        { old_logps_GT: padded(group.old_logps), ref_logps_GT: padded(group.ref_logps) },
        config,
        { num_sequences: group.completions.length },
      );
      expect(result.loss).toBeAllclose(group.loss, { rtol: 0, atol: ATOL });
      dispose(result);
    });
    const names = [...model.weights.keys()].sort();
    expect(names).toEqual(Object.keys(group.gradients));
    const all = Math.hypot(...Object.values(group.gradients).map(([norm]) => norm));
    names.forEach((name, index) => {
      const [norm, product] = group.gradients[name]!;
      const stored = model.weights.get(name)!;
      const grad = Float64Array.from(
        scope(() => (stored.grad?.flatten(0, -1).toTypedArray() ?? []) as Float32Array),
      );
      const noise = hashedNoise(5000 + index, stored.numel());
      const ours = [Math.hypot(...grad), grad.reduce((sum, value, i) => sum + value * noise[i]!, 0)];
      // Relative to the weight's own gradient, or to a thousandth of the whole one where rounding decides.
      const tolerance = { rtol: 0, atol: 2e-5 * Math.max(norm, 1e-3 * all) };
      expect(ours, name).toBeAllclose([norm, product], tolerance);
      stored.grad = undefined;
    });
    model.dispose();
  });
});
