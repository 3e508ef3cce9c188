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

describe('a config that cannot be right is refused with file and key', () => {
  const cases: [string, Json, RegExp][] = [
    ['another family', changed('qwen2-5-vl', (c) => (c['model_type'] = 'llava')), /config\.json: model_type/],
    [
      'missing key',
      changed('qwen2-5-vl', (c) => delete c.text_config['vocab_size']),
      /text_config\.vocab_size/,
    ],
    ['missing flat key', changed('qwen2-5-vl-flat', (c) => delete c['rope_theta']), /rope_theta: missing/],
    [
      'no mrope',
      changed('qwen2-5-vl-flat', (c) => delete (c as Partial<Json>).rope_scaling),
      /rope_scaling: missing/,
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
