import { describe, expect, it } from 'vitest';
import {
  freeAfterwards,
  loadGoldenModel,
  promptInputs,
  readPrompts,
} from '../../tests/support/model-goldens.ts';
import { createLogger } from '../base/index.ts';
import type { VideoLanguageModel } from '../models/index.ts';
import { liveTensors, NativeError, scope } from '../tensor/index.ts';
import { rollOut } from './roll-out.ts';
import type { RolloutPrompt } from './types.ts';

describe('prompts that do not fit together', () => {
  const model = loadGoldenModel('qwen2-5-vl');
  const goldens = readPrompts('qwen2-5-vl');
  const prompts = ['one video', 'text only'].map((title, stream) => {
    const encoded = scope(() => model.encode(promptInputs(goldens[title]!, model.config)));
    freeAfterwards(() => encoded.dispose());
    return { encoded, stream } as unknown as RolloutPrompt;
  });
  const options = {
    config: { num_generations: 3, max_completion_length: 8, temperature: 1.3, seed: 7 },
    stop_token_ids: [480],
    banned_token_ids: [],
    step: 2,
  };
  /** The model on a device that has memory for so many prompts at a time. */
  const withRoomFor = (count: number): VideoLanguageModel =>
    new Proxy(model, {
      get: (target, key) => {
        if (key === 'decodeSession')
          return (...[asked, rows]: Parameters<VideoLanguageModel['decodeSession']>) => {
            if (asked.length > count) throw new NativeError('aten::empty', '', 'CUDA out of memory');
            return target.decodeSession(asked, rows);
          };
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });

  it('are answered one by one, with the same completions', async () => {
    const before = liveTensors();
    const whole = await rollOut(model, prompts, options);
    const logger = createLogger({ quiet: true, fd: 2 });
    const single = await rollOut(withRoomFor(1), prompts, { ...options, logger });
    expect(single.map((group) => group.map(({ ids }) => ids))).toEqual(
      whole.map((group) => group.map(({ ids }) => ids)),
    );
    expect(liveTensors()).toBe(before);
  });

  it('are an error where one does not fit either', async () => {
    await expect(rollOut(withRoomFor(0), prompts, options)).rejects.toThrow('CUDA out of memory');
  });
});
