import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { DataError } from '../../base/index.ts';
import { readModelConfig } from '../families.ts';
import { loadProcessor } from '../model-folder.ts';
import { readProcessorConfig } from '../qwen2_vl/processor-config.ts';
import { createTinyCheckpoint } from './tiny-checkpoint.ts';

const root = scratchFolder();

describe('createTinyCheckpoint', () => {
  it('makes a folder whose config is the one returned', () => {
    const config = createTinyCheckpoint(join(root, 'a'));
    expect(readModelConfig(join(root, 'a'))).toEqual(config);
  });

  it('is the same bits for the same seed, others for another', () => {
    const weights = (seed: number, name: string) => {
      createTinyCheckpoint(join(root, name), { seed });
      return readFileSync(join(root, name, 'model.safetensors'));
    };
    const first = weights(7, 'b');
    expect(weights(7, 'c').equals(first)).toBe(true);
    expect(weights(8, 'd').equals(first)).toBe(false);
  });

  it('refuses to overwrite unless told', () => {
    createTinyCheckpoint(join(root, 'e'));
    expect(() => createTinyCheckpoint(join(root, 'e'))).toThrow(DataError);
    expect(() =>
      createTinyCheckpoint(join(root, 'e'), { replace: true, model_type: 'qwen2_vl' }),
    ).not.toThrow();
    expect(readModelConfig(join(root, 'e')).model_type).toBe('qwen2_vl');
  });

  it('takes its own rotary sections, pixel statistics and chat form, as the processor then reads them', () => {
    const dir = join(root, 'f');
    createTinyCheckpoint(dir, {
      rope_theta: 1000,
      mrope_section: [1, 2, 5],
      pixels: { mean: 0.6, std: 0.2 },
      chat_template: 'short',
    });
    const { config, template } = loadProcessor(dir);
    const settings = readProcessorConfig(dir, config);
    expect(config.text_config.mrope_section).toEqual([1, 2, 5]);
    expect(settings.video).toMatchObject({ image_mean: [0.6, 0.6, 0.6], image_std: [0.2, 0.2, 0.2] });
    const messages = [{ role: 'user', content: 'Hello' }] as const;
    expect(template.render(messages, { add_generation_prompt: true })).toBe(
      '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(() => createTinyCheckpoint(join(root, 'g'), { mrope_section: [1, 2, 3] })).toThrow(
      /mrope_section/,
    );
  });
});
