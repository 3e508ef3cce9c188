/**
 * @file A folder whose config.json is the text that transformers 4.49 saved: the tower's keys that equal its class defaults are left out.
 * It scores as 4.49 scores (goldens/qwen2_5_vl/make_minimal.py).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hashedWeights } from '../../tests/support/hashed-weights.ts';
import {
  type Packed,
  type PromptGolden,
  promptInputs,
  readGolden,
  unpack,
} from '../../tests/support/model-goldens.ts';
import { saveCheckpoint } from '../io/index.ts';
import { noGrad, scope } from '../tensor/index.ts';
import { familyOf, parseModelConfig } from './families.ts';
import { openModelFolder } from './model-folder.ts';

const golden = readGolden<PromptGolden & { seed: number; config: unknown; logps: Packed }>('minimal.json');
const dir = mkdtempSync(join(tmpdir(), 'twgrpo-minimal-'));
afterAll(() => rmSync(dir, { recursive: true }));

describe('a config.json of transformers 4.49', () => {
  it('is filled in, and the folder scores as transformers does, text after the video included', () => {
    writeFileSync(join(dir, 'config.json'), JSON.stringify(golden.config));
    scope(() => {
      const config = parseModelConfig(golden.config, 'config.json', () => {});
      saveCheckpoint(dir, hashedWeights(familyOf(config).weightShapes(config), golden.seed));
    });
    const notices: string[] = [];
    const model = openModelFolder(dir, { notice: (text) => notices.push(text) }).loadModel();
    try {
      expect(notices).toEqual([
        `${join(dir, 'config.json')} leaves out vision_config.intermediate_size 3420, vision_config.num_heads 16, vision_config.patch_size 14, vision_config.spatial_merge_size 2, vision_config.temporal_patch_size 2, vision_config.window_size 112: taken from the class defaults of transformers; the shapes of the weights are held against them`,
      ]);
      scope(() =>
        noGrad(() => {
          const prompt = model.encodePrompt(promptInputs(golden, model.config));
          const { axes, rope_delta, next } = prompt.positions;
          const length = golden.input_ids.length;
          expect(axes.map((axis) => [...axis])).toEqual(
            golden.position_ids.map((axis) => axis.slice(0, length)),
          );
          expect(next).toBe(golden.position_ids[0]![length]);
          expect(rope_delta).toBe(golden.rope_delta);
          const [logps] = model.completionLogps(prompt, [golden.completion_ids]);
          expect(logps).toBeAllclose(unpack(golden.logps), { rtol: 0, atol: 1e-5 });
        }),
      );
    } finally {
      model.dispose();
    }
  });
});
