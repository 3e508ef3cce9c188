/** One of several ranks whose tensors lie on the strict device: a reduction of gradients and what it asks of the device, or a training run. */
import { createLogger, type JsonObject } from '../../../src/base/index.ts';
import { inProcessGroup } from '../../../src/dist/index.ts';
import { keep, liveTensors, noGrad, scope, setNumThreads, zeros } from '../../../src/tensor/index.ts';
import { resolveGrpoConfig, runGrpo } from '../../../src/train/index.ts';
import { ReducedGradients } from '../../../src/train/shard/gradients.ts';
import { answer, argument, type Counts, counted, STRICT, strict } from './strict.ts';

export type RanksTask =
  | { readonly kind: 'reduction' }
  | { readonly kind: 'training'; readonly values: JsonObject };

export interface Reduction {
  readonly counts: Counts;
  /** The first number of each summed gradient. */
  readonly sums: readonly number[];
  /** Tensors that the reduction left behind. */
  readonly numLeft: number;
}

const NUM_LAYERS = 3;

setNumThreads(1);
strict.configure(-1, 'math');
const task = argument<RanksTask>();
if (task.kind === 'reduction') answer(await reduce());
else {
  const { stopped } = await runGrpo({
    resolved: resolveGrpoConfig([{ source: 'test', values: task.values }]),
    logger: createLogger({ quiet: true, fd: 2 }),
  });
  answer({ stopped });
}

/** Gradients of three layers and of what lies outside, summed as their layers come back. */
async function reduce(): Promise<Reduction> {
  return await inProcessGroup({ device: STRICT, dist_timeout: 120 }, async ({ processes }) => {
    const names = [
      ...Array.from({ length: NUM_LAYERS }, (_, i) => `model.layers.${i}.weight`),
      'model.norm.weight',
    ];
    const params = new Map(names.map((name) => [name, keep(scope(() => zeros([1000], { device: STRICT })))]));
    const gradients = new ReducedGradients(params, processes.tensors!);
    gradients.zero();
    noGrad(() => {
      for (const [i, { grad }] of [...params.values()].entries()) grad!.fill_((i + 1) * 10 ** processes.rank);
    });
    const before = liveTensors();
    const counts = await counted(async () => {
      await gradients.round(true, () => {
        for (let layer = NUM_LAYERS - 1; layer >= 0; layer--) {
          gradients.gate.enter(layer, true);
          gradients.gate.leave(layer, true);
        }
      });
      await gradients.finish();
    });
    const numLeft = liveTensors() - before;
    const sums = [...params.values()].map(({ grad }) =>
      scope(() => grad!.to({ device: 'cpu' }).toTypedArray()[0]),
    );
    return { counts, sums: sums.map(Number), numLeft };
  });
}
