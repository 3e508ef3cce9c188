import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../base/index.ts';
import { readGenerationConfig } from './config.ts';
import { familyOf, parseModelConfig, readModelConfig } from './families.ts';

const CHECKPOINTS = fileURLToPath(new URL('../../tests/goldens/checkpoints/', import.meta.url));
const FOLDERS = ['qwen2-5-vl', 'qwen2-5-vl-flat', 'qwen2-5-vl-tied', 'qwen2-vl'];

type Json = Record<string, unknown> & { text_config: Json; vision_config: Json; rope_scaling: Json };
const raw = (folder: string): Json => JSON.parse(readFileSync(`${CHECKPOINTS}${folder}/config.json`, 'utf8'));
const changed = (folder: string, change: (json: Json) => void): Json => {
  const json = raw(folder);
  change(json);
  return json;
};

describe('readModelConfig', () => {
  it('reads the nested style of transformers 5', () => {
    const config = readModelConfig(`${CHECKPOINTS}qwen2-5-vl`);
    expect(config.text_config).toMatchObject({ head_dim: 16, mrope_section: [2, 3, 3], rope_theta: 1e6 });
    expect(config.vision_config).toMatchObject({
      window_size: 56,
      fullatt_block_indexes: [1, 3],
      in_channels: 3,
    });
    expect(config).toMatchObject({ tie_word_embeddings: false, dtype: 'float32', video_token_id: 493 });
  });

  it('reads the published flat style to the same config', () => {
    const flat = readModelConfig(`${CHECKPOINTS}qwen2-5-vl-flat`);
    const nested = readModelConfig(`${CHECKPOINTS}qwen2-5-vl`);
    expect(flat).toEqual({ ...nested, dtype: 'bfloat16' });
  });

  it('reads tied embeddings, and Qwen2-VL with its other names', () => {
    expect(readModelConfig(`${CHECKPOINTS}qwen2-5-vl-tied`).tie_word_embeddings).toBe(true);
    const { model_type, vision_config } = readModelConfig(`${CHECKPOINTS}qwen2-vl`);
    expect(model_type).toBe('qwen2_vl');
    expect(vision_config).toMatchObject({ hidden_size: 32, intermediate_size: 64, out_hidden_size: 64 });
    expect(vision_config).toMatchObject({ window_size: undefined, hidden_act: 'quick_gelu' });
    expect(vision_config.fullatt_block_indexes).toEqual([0, 1, 2]);
  });

  it.each(FOLDERS)('writes the published style and reads it back: %s', (folder) => {
    const config = readModelConfig(`${CHECKPOINTS}${folder}`);
    expect(parseModelConfig(familyOf(config).writeConfig(config))).toEqual(config);
    expect(familyOf(config).writeConfig(config)).not.toHaveProperty('text_config');
  });

  it('accepts the mixed style of transformers 4.5x where both places agree', () => {
    const both = { ...raw('qwen2-5-vl-flat'), text_config: raw('qwen2-5-vl').text_config };
    expect(parseModelConfig(both)).toEqual(readModelConfig(`${CHECKPOINTS}qwen2-5-vl-flat`));
  });

  it('accepts the published 7B values', () => {
    const published = {
      model_type: 'qwen2_5_vl',
      bos_token_id: 151643,
      eos_token_id: 151645,
      vision_start_token_id: 151652,
      vision_end_token_id: 151653,
      vision_token_id: 151654,
      image_token_id: 151655,
      video_token_id: 151656,
      hidden_act: 'silu',
      hidden_size: 3584,
      intermediate_size: 18944,
      max_position_embeddings: 128000,
      max_window_layers: 28,
      num_attention_heads: 28,
      num_hidden_layers: 28,
      num_key_value_heads: 4,
      rms_norm_eps: 1e-6,
      rope_theta: 1000000.0,
      sliding_window: 32768,
      tie_word_embeddings: false,
      torch_dtype: 'bfloat16',
      use_sliding_window: false,
      vision_config: {
        depth: 32,
        hidden_act: 'silu',
        hidden_size: 1280,
        intermediate_size: 3420,
        num_heads: 16,
        in_chans: 3,
        out_hidden_size: 3584,
        patch_size: 14,
        spatial_merge_size: 2,
        spatial_patch_size: 14,
        window_size: 112,
        fullatt_block_indexes: [7, 15, 23, 31],
        tokens_per_second: 2,
        temporal_patch_size: 2,
      },
      rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
      vocab_size: 152064,
    };
    expect(parseModelConfig(published).text_config.head_dim).toBe(128);
  });
});

/** Parsed, and what was said. */
function parsed(json: unknown) {
  const notices: string[] = [];
  const config = parseModelConfig(json, 'c.json', (text) => notices.push(text));
  return { config, notices };
}
const LEFT_OUT = (what: string) =>
  `c.json leaves out ${what}: taken from the class defaults of transformers; the shapes of the weights are held against them`;

describe('what config.json leaves out is what transformers takes for it, and said', () => {
  const TEXT = {
    vocab_size: 152064,
    hidden_size: 3584,
    intermediate_size: 18944,
    num_attention_heads: 28,
    num_hidden_layers: 28,
    num_key_value_heads: 4,
    max_position_embeddings: 128000,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
    rope_scaling: { mrope_section: [16, 24, 24], rope_type: 'default', type: 'default' },
  };
  const IDS = {
    image_token_id: 151655,
    video_token_id: 151656,
    vision_start_token_id: 151652,
    vision_end_token_id: 151653,
  };

  it('a vision_config of transformers 4.45 to 4.50: only what differs', () => {
    const { config, notices } = parsed({
      model_type: 'qwen2_5_vl',
      ...TEXT,
      ...IDS,
      vision_config: {
        hidden_size: 1280,
        in_chans: 3,
        model_type: 'qwen2_5_vl',
        spatial_patch_size: 14,
        tokens_per_second: 2,
        torch_dtype: 'float32',
      },
    });
    expect(config.vision_config).toEqual({
      depth: 32,
      hidden_size: 1280,
      intermediate_size: 3420,
      num_heads: 16,
      in_channels: 3,
      out_hidden_size: 3584,
      patch_size: 14,
      spatial_merge_size: 2,
      temporal_patch_size: 2,
      hidden_act: 'silu',
      window_size: 112,
      fullatt_block_indexes: [7, 15, 23, 31],
      tokens_per_second: 2,
      num_position_embeddings: undefined,
      deepstack_visual_indexes: [],
    });
    const filled = [
      ...['depth 32', 'intermediate_size 3420', 'num_heads 16', 'patch_size 14', 'spatial_merge_size 2'],
      ...['temporal_patch_size 2', 'window_size 112', 'out_hidden_size 3584'],
      'fullatt_block_indexes [7,15,23,31]',
    ].map((key) => `vision_config.${key}`);
    expect(notices).toEqual([LEFT_OUT(filled.join(', '))]);
  });

  it('the same of Qwen2-VL, whose width has another name', () => {
    const { config, notices } = parsed({
      model_type: 'qwen2_vl',
      ...TEXT,
      ...IDS,
      vision_config: { in_chans: 3, model_type: 'qwen2_vl', spatial_patch_size: 14 },
    });
    expect(config.vision_config).toMatchObject({
      depth: 32,
      hidden_size: 1280,
      intermediate_size: 5120,
      out_hidden_size: 3584,
      patch_size: 14,
    });
    expect(notices.join()).toContain('vision_config.embed_dim 1280');
  });

  it('a text_config of later versions, keys at the top taken first', () => {
    const { vocab_size: _, rms_norm_eps: eps, max_position_embeddings: __, ...text_config } = TEXT;
    const { rope_scaling: ___, rope_theta: ____, ...bare } = text_config;
    const vision_config = { hidden_size: 1280, in_channels: 3 };
    const { config, notices } = parsed({
      model_type: 'qwen2_5_vl',
      rms_norm_eps: eps,
      text_config: { ...bare, rope_parameters: null },
      vision_config: { ...vision_config, ...{ depth: 32, num_heads: 16, patch_size: 14 } },
    });
    expect(config.text_config).toMatchObject({
      vocab_size: 152064,
      max_position_embeddings: 32768,
      rms_norm_eps: 1e-6,
      rope_theta: 1e6,
      mrope_section: [16, 24, 24],
    });
    expect(config).toMatchObject(IDS);
    expect(notices).toHaveLength(1);
    for (const key of [
      'image_token_id 151655',
      'text_config.vocab_size 152064',
      'text_config.max_position_embeddings 32768',
      'text_config.rope_scaling.mrope_section [16,24,24]',
      'text_config.rope_theta 1000000',
      'vision_config.tokens_per_second 4',
    ]) {
      expect(notices[0]).toContain(key);
    }
    expect(notices[0]).not.toContain('rms_norm_eps');
  });

  it('what a published file leaves out of use is not missed: no notice', () => {
    for (const folder of FOLDERS) expect(parsed(raw(folder)).notices).toEqual([]);
    const withNull = changed('qwen2-5-vl-flat', (c) => (c['quantization_config'] = null));
    expect(parsed(withNull)).toEqual(parsed(raw('qwen2-5-vl-flat')));
  });

  it('num_key_value_heads null is as many as there are heads', () => {
    const many = changed('qwen2-5-vl-flat', (c) => (c['num_key_value_heads'] = null));
    expect(parsed(many).config.text_config.num_key_value_heads).toBe(4);
  });

  it.each([
    [{ type: 'mrope', mrope_section: [2, 3, 3] }],
    [{ type: 'default', rope_type: 'default', mrope_section: [2, 3, 3] }],
    [{ rope_type: 'mrope', mrope_section: [2, 3, 3] }],
    [{ mrope_section: [2, 3, 3], rope_theta: 1e6 }],
  ])('rope_scaling as %j', (rope_scaling) => {
    const json = changed('qwen2-5-vl-flat', (c) => Object.assign(c, { rope_scaling }));
    expect(parsed(json)).toEqual(parsed(raw('qwen2-5-vl-flat')));
  });

  it.each([
    ['torch.bfloat16', 'bfloat16'],
    ['auto', undefined],
    [null, undefined],
  ])('torch_dtype %j', (torch_dtype, dtype) => {
    const json = changed('qwen2-5-vl-flat', (c) => (c['torch_dtype'] = torch_dtype));
    expect(parsed(json).config.dtype).toBe(dtype);
  });
});

describe('a config that cannot be right is refused with file and key', () => {
  const cases: [string, Json, RegExp][] = [
    ['another family', changed('qwen2-5-vl', (c) => (c['model_type'] = 'llava')), /config\.json: model_type/],
    [
      'left out, and the default contradicts',
      changed('qwen2-5-vl', (c) => delete c.text_config['hidden_size']),
      /mrope_section \[2,3,3\] sums to 8; expected half the head size, 1024/,
    ],
    [
      'no mrope, and another head size',
      changed('qwen2-5-vl-flat', (c) => delete (c as Partial<Json>).rope_scaling),
      /rope_scaling\.mrope_section \[16,24,24\] sums to 64; expected half the head size, 8/,
    ],
    [
      'yarn',
      changed('qwen2-5-vl-flat', (c) => (c.rope_scaling['type'] = 'yarn')),
      /rope_scaling\.type is "yarn"/,
    ],
    [
      'sections',
      changed('qwen2-5-vl-flat', (c) => (c.rope_scaling['mrope_section'] = [1, 1, 1])),
      /sums to 3/,
    ],
    ['kv heads', changed('qwen2-5-vl-flat', (c) => (c['num_key_value_heads'] = 3)), /num_key_value_heads 3/],
    ['sliding', changed('qwen2-5-vl-flat', (c) => (c['use_sliding_window'] = true)), /use_sliding_window/],
    [
      'quantized by name',
      changed('qwen2-5-vl-flat', (c) => (c['quantization_config'] = { quant_method: 'awq' })),
      /quantization_config: quantized checkpoints are not supported \("awq"\)/,
    ],
    [
      'sliding in layer_types',
      changed('qwen2-5-vl', (c) => (c.text_config['layer_types'] = ['full_attention', 'sliding_attention'])),
      /text_config\.layer_types\.1: only full_attention/,
    ],
    ['quantized', changed('qwen2-5-vl-flat', (c) => (c['quantization_config'] = {})), /quantization_config/],
    [
      'widths',
      changed('qwen2-5-vl', (c) => (c.vision_config['out_hidden_size'] = 65)),
      /out_hidden_size is 65/,
    ],
    ['channels', changed('qwen2-5-vl', (c) => (c.vision_config['in_chans'] = 1)), /in_chans is 1/],
    [
      'patch',
      changed('qwen2-5-vl-flat', (c) => (c.vision_config['spatial_patch_size'] = 16)),
      /spatial_patch_size/,
    ],
    ['window', changed('qwen2-5-vl', (c) => (c.vision_config['window_size'] = 50)), /window_size 50/],
    [
      'block',
      changed('qwen2-5-vl', (c) => (c.vision_config['fullatt_block_indexes'] = [9])),
      /\[9\] lie beyond/,
    ],
    ['id', changed('qwen2-5-vl', (c) => (c['video_token_id'] = 512)), /video_token_id 512/],
    ['same id', changed('qwen2-5-vl', (c) => (c['video_token_id'] = 492)), /are both 492/],
    ['dtype', changed('qwen2-5-vl', (c) => (c['dtype'] = 'float8')), /"float8"/],
    [
      'contradiction',
      {
        ...raw('qwen2-5-vl-flat'),
        text_config: { ...raw('qwen2-5-vl').text_config, hidden_size: 128 },
      } as Json,
      /hidden_size is 64, but text_config\.hidden_size is 128/,
    ],
  ];
  it.each(cases)('%s', (_name, json, message) => {
    expect(() => parseModelConfig(json, '/m/config.json')).toThrow(CheckpointError);
    expect(() => parseModelConfig(json, '/m/config.json')).toThrow(message);
  });

  it('no folder, broken JSON', () => {
    const dir = mkdtempSync(join(tmpdir(), 'twgrpo-config-'));
    writeFileSync(join(dir, 'config.json'), '{"model_type": ');
    expect(() => readModelConfig(dir)).toThrow(/config\.json: not valid JSON/);
    rmSync(dir, { recursive: true });
    expect(() => readModelConfig('/nowhere')).toThrow(/\/nowhere\/config\.json: cannot be read \(ENOENT\)/);
  });
});

describe('readGenerationConfig', () => {
  it('reads stop ids and sampling defaults', () => {
    const dir = `${CHECKPOINTS}qwen2-5-vl`;
    expect(readGenerationConfig(dir, readModelConfig(dir))).toEqual({
      eos_token_ids: [480, 481],
      pad_token_id: 481,
      do_sample: true,
      temperature: 0.1,
      top_k: 1,
      top_p: 0.001,
      repetition_penalty: 1.05,
    });
  });
});
