/** Training steps on a device with less memory than they need. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../../src/base/index.ts';
import { deviceMemory, setNumThreads } from '../../../src/tensor/index.ts';
import { answer, STRICT, strict } from './strict.ts';
import { type GrpoCase, type RunNumbers, trainGrpo } from './training.ts';

/** A run, and the same with less memory. */
export interface Squeezed {
  readonly whole: RunNumbers;
  readonly squeezed: RunNumbers;
  /** Times that the cache was emptied. */
  readonly emptied: number;
}

export interface OutOfMemoryNumbers {
  readonly update: Squeezed;
  readonly failed: {
    readonly message: string;
    readonly hint: string | undefined;
    readonly cause: string;
    readonly hasSaved: boolean;
  };
}

const emptied = (): number => strict.counts().byName['empty_cache'] ?? 0;

/** Trains with the peak of the same training as limit, less one byte in `share` of what comes and goes. */
async function squeeze(name: string, keys: JsonObject, share: number): Promise<Squeezed> {
  const one: GrpoCase = { name, keys: { ...keys, max_steps: 1 } };
  strict.limitMemory(-1);
  const whole = await trainGrpo(one, STRICT);
  const [{ 'memory/peak_bytes': peak, 'memory/allocated_bytes': rest }] = whole.memory as [
    Readonly<Record<string, number>>,
  ];
  strict.reset();
  strict.limitMemory(Math.floor(rest! + (peak! - rest!) * share));
  const squeezed = await trainGrpo({ ...one, name: `${name} squeezed` }, STRICT);
  return { whole, squeezed, emptied: emptied() };
}

setNumThreads(1);
strict.configure(-1, 'flash');
/** Long completions of one prompt: the update needs most. */
const update = await squeeze(
  'update',
  {
    loss_type: 'tw_grpo',
    num_generations: 8,
    max_completion_length: 256,
    prompts_per_micro_batch: 1,
    num_iterations: 2,
  },
  0.8,
);
strict.limitMemory(-1);
let failed: OutOfMemoryNumbers['failed'] | undefined;
let output = '';
try {
  await trainGrpo(
    {
      name: 'failed',
      keys: { loss_type: 'tw_grpo', max_completion_length: 64, max_steps: 3 },
      onStep: (folder) => {
        output = folder;
        strict.limitMemory(deviceMemory(STRICT)!.allocated + 2 ** 12);
      },
    },
    STRICT,
  );
} catch (error) {
  const { message, hint, cause } = error as Error & { readonly hint?: string };
  const hasSaved = existsSync(join(output, 'checkpoint-1', 'model.safetensors'));
  failed = { message, hint, cause: String(cause), hasSaved };
}
answer({ update, failed: failed! } satisfies OutOfMemoryNumbers);
