import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import type { JsonObject } from '../../base/index.ts';
import { liveTensors } from '../../tensor/index.ts';
import { metricsOf, quickKeys, train, trainUntil, writeModel, writeQuestions } from '../test-support.ts';

const folder = scratchFolder();
beforeAll(() => {
  writeModel(folder);
  writeQuestions(folder);
});

/** Every file a run leaves of its steps, and its last checkpoint, byte for byte. */
function filesOf(outputDir: string, step: number): Map<string, string> {
  const checkpoint = `checkpoint-${step}`;
  const files = ['completions', 'tokens', checkpoint, join(checkpoint, 'training_state')].flatMap((dir) =>
    readdirSync(join(outputDir, dir), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => join(dir, name)),
  );
  return new Map(files.sort().map((file) => [file, readFileSync(join(outputDir, file), 'base64')]));
}

// Three runs a test: on a busy machine they take minutes, and one that goes on after its time is up would disturb the next.
describe('a run that was stopped and resumed equals one that was not, bit for bit', {
  timeout: 600_000,
}, () => {
  const variants: Record<string, { readonly stop?: number } & Record<string, unknown>> = {
    'stopped after step 7 of 12: momentum, a schedule, the authors\u2019 weights': {
      max_steps: 12,
      stop: 7,
      lr_scheduler_type: 'cosine',
      warmup_ratio: 0.25,
      weight_decay: 0.01,
      entropy_coef: 0.01,
      token_weight: 'authors',
      token_weight_detach: false,
    },
    'several updates a step, sampled anew where a group has no signal, bfloat16 weights': {
      num_iterations: 2,
      dynamic_sampling: true,
      reward_funcs: ['accuracy', 'format', join(folder, 'dense.mjs')],
      reward_weights: [1, 1, 0.01],
      dtype: 'bfloat16',
    },
    'an adapter, the reference policy, shuffled frames, accumulation': {
      lora_r: 2,
      beta: 0.05,
      temporal_contrast: true,
      prompts_per_micro_batch: 1,
      gradient_accumulation_steps: 2,
    },
    'a vision tower that trains': { freeze_vision: false, freeze_merger: false },
  };

  it.each(Object.keys(variants))('%s', async (name) => {
    const { stop = 2, ...changes } = variants[name]!;
    const keys: JsonObject = { ...quickKeys(folder), ...changes };
    const maxSteps = Number(keys['max_steps']);
    const at = (label: string) => join(folder, `${Object.keys(variants).indexOf(name)}-${label}`);
    const before = liveTensors();
    const whole = await train({ ...keys, output_dir: at('whole') });
    const stopped = await trainUntil(stop, { ...keys, output_dir: at('stopped') });
    expect(stopped).toMatchObject({
      step: stop,
      stopped: true,
      checkpoint: join(at('stopped'), `checkpoint-${stop}`),
    });
    const resumed = await train({ ...keys, output_dir: at('stopped') }, { resume: 'auto' });
    expect([whole.step, resumed.step]).toEqual([maxSteps, maxSteps]);

    const rows = metricsOf(at('whole'));
    expect(rows.map(({ step }) => step)).toEqual(Array.from({ length: maxSteps }, (_, i) => i + 1));
    expect(metricsOf(at('stopped'))).toEqual(rows);
    const files = filesOf(at('whole'), maxSteps);
    expect([...files.keys()].filter((file) => file.endsWith('.safetensors')).length).toBe(2);
    expect(filesOf(at('stopped'), maxSteps)).toEqual(files);
    // It learned something to compare: neither gradients nor weights stood still.
    expect(rows.every(({ grad_norm }) => Number(grad_norm) > 0)).toBe(true);
    expect(liveTensors()).toBe(before);
  });
});
