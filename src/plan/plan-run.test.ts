/**
 * @file The plan against the dry device, which runs the real code at the real sizes of published models without computing:
 * `tests/goldens/plan`. Bytes of tensors on both sides; nothing here has been measured on a GPU.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configOf, QWEN_3B, QWEN_7B, QWEN_72B, QWEN3_4B } from '../../tests/support/published-sizes.ts';
import { resolveGrpoConfig } from '../train/index.ts';
import { changeThatFits, longestPrompt, onDevice, planRun } from './plan-run.ts';

/** What the dry device saw, in bytes. */
interface Seen {
  readonly size: keyof typeof SIZES;
  readonly lora_r?: number;
  readonly length: number;
  readonly group?: number;
  readonly grid?: readonly [number, number, number];
  readonly gradient_checkpointing?: boolean;
  readonly logits_chunk_mib?: number;
  readonly trains_vision?: boolean;
  readonly layers?: number;
  readonly vocab_size?: number;
  readonly offload_optimizer?: boolean;
  readonly rest: number;
  readonly encode: number;
  readonly generate: number;
  readonly update: number;
  readonly optimizer_step: number;
}

const SIZES = { '3B': QWEN_3B, '7B': QWEN_7B, '72B': QWEN_72B, 'Qwen3-VL-4B': QWEN3_4B } as const;
const SEEN = JSON.parse(
  readFileSync(new URL('../../tests/goldens/plan/dry-device.json', import.meta.url), 'utf8'),
) as readonly Seen[];
const TEXT_TOKENS = 85;

/** The keys of a run by default, with changes. */
const keys = (values: Record<string, unknown> = {}) =>
  resolveGrpoConfig([
    {
      source: 'test',
      values: {
        model_name_or_path: 'x',
        jsonl_path: 'x',
        output_dir: 'x',
        loss_type: 'grpo',
        ...values,
      } as never,
    },
  ]).config;

function planOf(seen: Seen) {
  const { size, grid: [t, h, w] = [8, 20, 26], trains_vision = false } = seen;
  const model = configOf({
    ...SIZES[size],
    ...(seen.layers === undefined ? {} : { num_hidden_layers: seen.layers }),
    ...(seen.vocab_size === undefined ? {} : { vocab_size: seen.vocab_size }),
  });
  const config = keys({
    num_generations: seen.group ?? 8,
    // The device generated four tokens and trained on completions of full length.
    max_completion_length: seen.length,
    gradient_checkpointing: seen.gradient_checkpointing ?? true,
    freeze_vision: !trains_vision,
    freeze_merger: !trains_vision,
    offload_optimizer: seen.offload_optimizer ?? false,
    save_only_model: false,
    ...(seen.lora_r === undefined ? {} : { lora_r: seen.lora_r }),
    ...(seen.logits_chunk_mib === undefined ? {} : { logits_chunk_mib: seen.logits_chunk_mib }),
  });
  // Eight words and two markers a slice of Qwen3-VL; one pair of markers stands among the tokens of text.
  const words = model.model_type === 'qwen3_vl' ? 10 * t - 2 : 0;
  const prompt = { tokens: (t * h * w) / 4 + words + TEXT_TOKENS, patches: t * h * w };
  const short = planRun({ ...config, max_completion_length: 4 }, model, prompt);
  return { ...planRun(config, model, prompt), generate: short.peaks.generate };
}

const title = ({ rest, encode, generate, update, optimizer_step, ...seen }: Seen): string =>
  JSON.stringify(seen);

describe('the plan of a run', () => {
  it('is held against at least 12 runs', () => expect(SEEN.length).toBeGreaterThanOrEqual(12));

  it.each(SEEN.map((seen) => [title(seen), seen] as const))('%s', (_, seen) => {
    const plan = planOf(seen);
    const found = [
      plan.rest,
      plan.peaks.encode,
      plan.generate,
      plan.peaks.update,
      plan.peaks['optimizer step'],
    ];
    const expected = [seen.rest, seen.encode, seen.generate, seen.update, seen.optimizer_step];
    expect(found).toBeAllclose(expected, { rtol: 0.05, atol: 0 });
    expect(plan.rest).toBeAllclose(seen.rest, { rtol: 0.005, atol: 0 });
    // What comes and goes is counted by few numbers.
    expect(plan.peaks.update - plan.rest).toBeAllclose(seen.update - seen.rest, { rtol: 0.1, atol: 0 });
  });

  it('puts all of the optimizer on the host, so that all of a 7B trains on a card of 48 GB', () => {
    const model = configOf(QWEN_7B);
    const [here, there] = [false, true].map((offload_optimizer) =>
      planRun(keys({ offload_optimizer }), model),
    ) as [ReturnType<typeof planRun>, ReturnType<typeof planRun>];
    expect(here.rest - there.rest).toBe(12 * here.num_trained);
    expect([here.host, there.host]).toEqual([0, 12 * here.num_trained]);
    const [whole, model_only] = [false, true].map(
      (save_only_model) => planRun(keys({ save_only_model }), model).snapshot,
    );
    expect(model_only).toBe(here.items.find(({ name }) => name === 'weights')?.bytes);
    expect(whole! - model_only!).toBe(12 * here.num_trained);
    expect(onDevice(there)).toBeLessThan(48e9);
    expect(onDevice(here)).toBeGreaterThan(80e9);
  });

  it('names the smallest change that makes a run fit', () => {
    const model = configOf(QWEN_7B);
    expect(changeThatFits(keys(), model, 80e9)?.keys).toEqual({ offload_optimizer: true });
    expect(changeThatFits(keys(), model, 24e9)?.keys).toEqual({ lora_r: 16 });
    expect(changeThatFits(keys(), model, 8e9)).toBeUndefined();
    const change = changeThatFits(keys({ lora_r: 16, max_completion_length: 4096 }), model, 32e9);
    expect(change?.keys).toEqual({ max_completion_length: 2048 });
    expect(onDevice(change!.plan)).toBeLessThan(32e9);
    // Half of an odd group is a whole number.
    const odd = keys({ lora_r: 16, num_generations: 9, max_completion_length: 300 });
    const enough = onDevice(planRun({ ...odd, num_generations: 4 }, model));
    expect(changeThatFits(odd, model, enough)?.keys).toEqual({ num_generations: 4 });
  });

  it('takes the longest prompt that frames and pixels allow, within the limit', () => {
    const model = configOf(QWEN_7B);
    // 16 frames of 196 features of a pair.
    expect(longestPrompt(keys(), model)).toEqual({ tokens: 8 * 196 + 200, patches: 4 * 8 * 196 });
    expect(longestPrompt(keys({ max_frames: 64, max_prompt_length: 2048 }), model).tokens).toBe(2048);
    expect(longestPrompt(keys({ max_prompt_length: 100 }), model)).toEqual({ tokens: 100, patches: 0 });
  });
});
