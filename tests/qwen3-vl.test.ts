/** @file A small Qwen3-VL folder through what the program does with a model: save, inspect, adapters, thinking templates, positions of LoRA. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatAuthors, parseAnswer } from '../src/answers/index.ts';
import { openSafetensors } from '../src/io/index.ts';
import { parseModelConfig, readModelConfig } from '../src/models/families.ts';
import {
  createLora,
  createTinyCheckpoint,
  inspectFolder,
  loadLora,
  loadModel,
  loadProcessor,
  type TinyCheckpointOptions,
  writeLoraFiles,
} from '../src/models/index.ts';
import { readCompletion } from '../src/rollout/index.ts';
import { dispose, noGrad, ones, scope, type Tensor } from '../src/tensor/index.ts';
import { targetText } from '../src/train/sft/sft-packs.ts';
import { videoSettings } from '../src/video/index.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const root = scratchFolder();
let made = 0;
function tiny(options: TinyCheckpointOptions = {}): string {
  const dir = join(root, `model-${made++}`);
  createTinyCheckpoint(dir, { model_type: 'qwen3_vl', head_dim: 32, num_hidden_layers: 4, ...options });
  return dir;
}
const keysOf = (file: string): string[] => {
  const files = openSafetensors(file);
  const keys = [...files.keys()];
  files.close();
  return keys;
};

describe('a saved folder', () => {
  it.each([true, false])('has the published names and the same weights, tied: %s', (tie_word_embeddings) => {
    const dir = tiny({ tie_word_embeddings });
    const model = loadModel(dir);
    const saved = join(root, `saved-${made++}`);
    model.save(saved);
    const keys = keysOf(join(saved, 'model.safetensors'));
    expect(keys.sort()).toEqual(keysOf(join(dir, 'model.safetensors')).sort());
    expect(keys).toContain('model.language_model.layers.3.self_attn.q_norm.weight');
    expect(keys).toContain('model.visual.deepstack_merger_list.1.linear_fc2.bias');
    expect(keys.includes('lm_head.weight')).toBe(!tie_word_embeddings);
    expect(readModelConfig(saved)).toEqual(readModelConfig(dir));
    const again = loadModel(saved);
    for (const [name, stored] of model.weights)
      expect(again.weights.get(name)!.equal(stored), name).toBe(true);
    model.dispose();
    again.dispose();
  });

  it('is told by inspect, mergers of the blocks in the middle among the mergers', () => {
    const report = inspectFolder(tiny());
    expect(report).toMatchObject({ kind: 'model', problems: [], notices: [] });
    const merger = report.parts.find(({ part }) => part === 'merger')!;
    expect(merger.tensors).toBe(6 + 2 * 6);
  });
});

describe('adapters', () => {
  it('have the names of PEFT, and leave mergers alone as they are frozen', () => {
    const model = loadModel(tiny());
    const config = { r: 2, lora_alpha: 4, use_rslora: false };
    const targets = ['q_proj', 'linear_fc1', 'pos_embed'];
    const of = (frozen: { vision: boolean; merger: boolean }) => {
      const lora = createLora(
        model,
        { ...config, target_modules: targets.slice(0, 2), exclude_modules: model.excludedModules(frozen) },
        { seed: 1 },
      );
      const names = [...lora.pairs.keys()];
      dispose(lora.weights);
      return names;
    };
    const count = (names: string[], part: RegExp) => names.filter((name) => part.test(name)).length;
    const both = of({ vision: false, merger: false });
    expect([count(both, /blocks/), count(both, /merger/), count(both, /q_proj/)]).toEqual([4, 3, 4]);
    expect(of({ vision: true, merger: true }).every((name) => name.startsWith('model.layers.'))).toBe(true);
    expect(count(of({ vision: true, merger: false }), /blocks/)).toBe(0);
    expect(count(of({ vision: true, merger: false }), /merger/)).toBe(3);
    expect(count(of({ vision: false, merger: true }), /merger/)).toBe(0);
    // The table of positions is no linear layer.
    expect(() =>
      createLora(
        model,
        { ...config, target_modules: ['pos_embed'], exclude_modules: undefined },
        { seed: 1 },
      ),
    ).toThrow(/no adapter can be put on pos_embed/);

    const lora = createLora(
      model,
      { ...config, target_modules: targets.slice(0, 2), exclude_modules: undefined },
      { seed: 1 },
    );
    const folder = join(root, `lora-${made++}`);
    mkdirSync(folder);
    writeLoraFiles(folder, model, lora);
    const keys = keysOf(join(folder, 'adapter_model.safetensors'));
    expect(keys).toContain('base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight');
    expect(keys).toContain('base_model.model.model.visual.deepstack_merger_list.0.linear_fc1.lora_B.weight');
    const again = loadLora(folder, model);
    expect([...again.pairs.keys()].sort()).toEqual([...lora.pairs.keys()].sort());
    dispose([lora.weights, again.weights]);
    model.dispose();
  });
});

describe('a prompt shared by completions', () => {
  it('equals the prompt repeated for each, features of the tower in its layers', () => {
    const dir = tiny();
    const model = loadModel(dir);
    const processor = loadProcessor(dir);
    scope(() =>
      noGrad(() => {
        const frames = ones([5, 3, 64, 96], { dtype: 'uint8' }).mul(40).to({ dtype: 'uint8' });
        const inputs = processor.prepareFrames({
          text: 'Which cube moves?',
          videos: [{ frames, statedS: [0, 0.5, 1, 1.5, 2] }],
        });
        expect(processor.tokenizer.decode(inputs.input_ids)).toContain('<1.2 seconds><|vision_start|>');
        const prompt = model.encodePrompt(inputs);
        expect(prompt.vision!.deepstack.length).toBe(2);
        const rows = [[5, 6, 7], [8], [9, 10, 11, 12]];
        const together = model.completionLogps(prompt, rows);
        rows.forEach((row, index) => {
          const [alone] = model.completionLogps(prompt, [row]);
          expect(together[index]).toBeAllclose(alone, { rtol: 0, atol: 1e-5 });
        });
        // What is added after the first layers is read: without it the numbers are others.
        const without = { ...prompt, vision: { ...prompt.vision!, deepstack: [] as Tensor[] } };
        const [other] = model.completionLogps(without, [rows[0]!]);
        expect(Math.abs(other![0]! - together[0]![0]!)).toBeGreaterThan(1e-4);
      }),
    );
    model.dispose();
  });
});

describe('a template that opens the thinking', () => {
  it('begins every answer: for the format, for the parser, for what is taught', () => {
    const dir = tiny({ chat_template: 'thinking' });
    const processor = loadProcessor(dir);
    expect(processor.opening).toBe('<think>\n');
    expect(loadProcessor(tiny()).opening).toBe('');
    const { tokenizer, opening } = processor;
    const ids = tokenizer.encode('red moves</think>\n<answer>B</answer>');
    const question = { options: ['A. no', 'B. yes'] } as never;
    const read = readCompletion({ ids }, question, { tokenizer, answer_parser: 'tolerant', opening });
    expect(read.text).toBe('<think>\nred moves</think>\n<answer>B</answer>');
    expect(formatAuthors(read.text)).toBe(1);
    expect(read.answer.letters).toEqual(['B']);
    expect(read.text_ends.at(-1)).toBe(read.text.length);
    expect(formatAuthors(tokenizer.decode(ids))).toBe(0);
    expect(parseAnswer(read.text, { parser: 'authors' }).failed).toBe(false);

    const item = { answer: ['B'], solution: undefined } as never;
    const taught = { answer: ['B'], process: '<think>red moves</think>' } as never;
    expect(targetText(taught, '')).toBe('<think>red moves</think>\n<answer>B</answer>');
    expect(targetText(taught, opening)).toBe('red moves</think>\n<answer>B</answer>');
    expect(targetText(item, opening)).toBe('</think>\n<answer>B</answer>');
    expect(targetText(item, '')).toBe('<answer>B</answer>');
  });
});

describe('a fine-tune that calls itself qwen2_5_vl', () => {
  it('is read with the sizes it states', () => {
    const sizes = { hidden_size: 96, num_attention_heads: 6, num_key_value_heads: 3, num_hidden_layers: 5 };
    const dir = tiny({
      ...sizes,
      model_type: 'qwen2_5_vl',
      head_dim: 16,
      rope_theta: 640_000,
      tie_word_embeddings: false,
    });
    const model = loadModel(dir);
    expect(model.config.text_config).toMatchObject({ ...sizes, head_dim: 16, rope_theta: 640_000 });
    model.dispose();
  });

  it('is refused by the names of the layers that the family does not have', () => {
    const dir = tiny({ head_dim: 16 });
    const config = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'));
    const { vision_config: vision } = config;
    const given = {
      ...config,
      model_type: 'qwen2_5_vl',
      vision_config: {
        ...vision,
        hidden_act: 'silu',
        window_size: 64,
        fullatt_block_indexes: [3],
        tokens_per_second: 2,
      },
      text_config: { ...config.text_config, rope_scaling: { type: 'mrope', mrope_section: [2, 3, 3] } },
    };
    writeFileSync(join(dir, 'config.json'), JSON.stringify(given));
    expect(() => loadModel(dir)).toThrow(/unknown: .*q_norm|unknown: model.layers|unknown: visual/);
    const { problems } = inspectFolder(dir) as { problems: readonly { message: string }[] };
    expect(problems[0]!.message).toMatch(/do not fit config.json/);
  });
});

describe('config.json', () => {
  const raw = () => JSON.parse(readFileSync(join(tiny(), 'config.json'), 'utf8'));
  it.each([
    [{ text_config: { attention_bias: true } }, /attention_bias: biases in the attention are not supported/],
    [{ text_config: { rope_scaling: { mrope_interleaved: false } } }, /no other than interleaved sections/],
    [{ text_config: { rope_scaling: { rope_type: 'yarn' } } }, /rope_scaling.rope_type is "yarn"/],
    [{ vision_config: { deepstack_visual_indexes: [0, 4] } }, /\[4\] lie beyond the last block, 3/],
    [{ vision_config: { deepstack_visual_indexes: [1, 1] } }, /stand twice/],
    [{ vision_config: { num_position_embeddings: 63 } }, /63 is no square number/],
    [{ vision_config: { hidden_act: 'silu' } }, /vision_config.hidden_act/],
    [{ model_type: 'qwen3_vl_moe' }, /"qwen3_vl_moe" is no family known here/],
  ] as const)('%j is refused by name', (change, message) => {
    const given = raw();
    for (const [key, value] of Object.entries(change))
      given[key] = typeof value === 'object' ? { ...given[key], ...(value as object) } : value;
    expect(() => parseModelConfig(given)).toThrow(message);
  });

  it('of a folder that leaves the rotary base out is filled in with the published one, and said', () => {
    const given = raw();
    delete given.text_config.rope_theta;
    const notices: string[] = [];
    expect(parseModelConfig(given, 'config.json', (text) => notices.push(text)).text_config.rope_theta).toBe(
      5_000_000,
    );
    expect(notices[0]).toMatch(/text_config.rope_theta 5000000/);
  });
});

it.each([
  [{ fps: null }, /video_preprocessor_config.json: fps is null; frames are chosen by a rate only/],
  [{ num_frames: 6 }, /num_frames is 6/],
  [{ do_sample_frames: false }, /do_sample_frames is false/],
])(
  'frames chosen by %j are refused by the presets that follow the folder, and by no other',
  (keys, message) => {
    const dir = tiny();
    const file = join(dir, 'video_preprocessor_config.json');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...keys }));
    const { limits } = loadProcessor(dir);
    expect(() => videoSettings({ video: 'transformers' }, 32, limits)).toThrow(message);
    expect(videoSettings({ video: 'transformers', fps: 3 }, 32, limits).fps).toBe(3);
    expect(videoSettings({ video: 'correct' }, 32, limits).fps).toBe(2);
  },
);

it('areas as `min_pixels` and `max_pixels` win over a `size` beside them for images, not for videos', () => {
  const dir = tiny();
  const areas = { size: { shortest_edge: 2048, longest_edge: 40960 }, min_pixels: 4096, max_pixels: 8000 };
  for (const name of ['preprocessor_config.json', 'video_preprocessor_config.json']) {
    const file = join(dir, name);
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...areas }));
  }
  expect(loadProcessor(dir).limits).toMatchObject({
    image: { shortest_edge: 4096, longest_edge: 8000 },
    video: areas.size,
  });
});
