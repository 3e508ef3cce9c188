import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DataError } from '../../run/index.ts';
import { readModelConfig } from './config.ts';
import { createTinyCheckpoint } from './tiny-checkpoint.ts';

const root = mkdtempSync(join(tmpdir(), 'twgrpo-tiny-'));
afterAll(() => rmSync(root, { recursive: true }));

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
});
