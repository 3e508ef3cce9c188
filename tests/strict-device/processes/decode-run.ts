/** Decoding sessions on the strict device, asked kernel by kernel and captured, and on the CPU. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type DecoderName, openSession } from '../../../src/models/decoder/session.ts';
import { familyOf } from '../../../src/models/families.ts';
import {
  createLora,
  type EncodedPrompt,
  indexTensor,
  openModelFolder,
  parseModelConfig,
  type VideoLanguageModel,
} from '../../../src/models/index.ts';
import { Transformer } from '../../../src/models/transformer.ts';
import {
  Generator,
  keep,
  liveTensors,
  noGrad,
  randn,
  scope,
  setNumThreads,
} from '../../../src/tensor/index.ts';
import { LANGUAGE_LORA } from '../../support/language-lora.ts';
import { answer, argument, type Counts, STRICT, strict } from './strict.ts';

export interface DecodeTask {
  /** Folders of `tests/goldens/checkpoints`, or qwen3-vl. */
  readonly checkpoints: readonly string[];
  /** Steps, at least 4. */
  readonly steps: number;
}

export interface DecodeNumbers {
  readonly checkpoint: string;
  readonly isAdapted: boolean;
  /** Logits of the first row at each step: of single operators on the CPU, and on the device step by step and captured. */
  readonly cpu: readonly (readonly number[])[];
  readonly eager: readonly (readonly number[])[];
  readonly captured: readonly (readonly number[])[];
  /** What the last step cost. */
  readonly costs: Readonly<Record<'eager' | 'captured', Pick<Counts, 'launches' | 'waits'>>>;
  /** Tensors that the sessions left. */
  readonly left: number;
}

export interface DecodeAnswer {
  readonly results: readonly DecodeNumbers[];
  /** Pieces of memory that weights were moved into: of a model as it is loaded, and of one whose weights are placed by another. */
  readonly fused: { readonly loaded: number; readonly placed: number };
}

/** Of Qwen3-VL there is a configuration alone; its weights are drawn. */
function load(checkpoint: string, device: string): VideoLanguageModel {
  if (checkpoint !== 'qwen3-vl')
    return openModelFolder(folder(checkpoint)).loadModel({ device, dtype: 'float32' });
  const file = fileURLToPath(new URL('../../goldens/qwen3_vl/shapes.json', import.meta.url));
  const [{ flat }] = JSON.parse(readFileSync(file, 'utf8')) as [{ flat: unknown }];
  const config = parseModelConfig(flat);
  const generator = new Generator(1);
  const weights = [...familyOf(config).weightShapes(config)].map(([name, shape]) => {
    const drawn = keep(
      scope(() => {
        const noise = randn(shape, { generator });
        // Norms near 1, so that a missing one shows.
        const value = shape.length === 1 ? noise.mul(0.2).add(1) : noise.mul(shape.at(-1)! ** -0.5);
        return value.toCopy({ device });
      }),
    );
    return [name, drawn] as const;
  });
  return new Transformer(config, new Map(weights));
}

const ROWS = 4;
const folder = (name: string) => fileURLToPath(new URL(`../../goldens/checkpoints/${name}`, import.meta.url));

/** Prompts of unequal length, whose text goes on at unequal places, as after a video. */
const prompts: readonly EncodedPrompt[] = [5, 9, 7].map((length, p) => {
  const places = Int32Array.from({ length }, (_, i) => i);
  return {
    input_ids: Array.from({ length }, (_, i) => 20 + 3 * i + p),
    positions: { axes: [places, places, places], next: length + 4 * p, rope_delta: 4 * p },
    vision: undefined,
    dispose: () => {},
  };
});

/** Rows leave one by one, then most of them, then all of the first prompt. */
const LEAVING: Readonly<Record<number, (row: number) => boolean>> = {
  3: (row) => row === 1,
  6: (row) => row % 3 === 0,
  9: (row) => row < 2,
};

function decode(model: VideoLanguageModel, steps: number, decoder: DecoderName) {
  const { config, device } = model;
  const params = (model as unknown as { readonly params: Parameters<typeof openSession>[0]['params'] })
    .params;
  return scope(() =>
    noGrad(() => {
      const session = openSession({ params, config, device, prompts, rows: ROWS }, [decoder]);
      let rows = prompts.length * ROWS;
      const logits = [session.logits.select(0, rows - 1).tolist() as number[]];
      let cost: Pick<Counts, 'launches' | 'waits'> = { launches: 0, waits: 0 };
      for (let step = 0; step < steps; step++) {
        const leaves = LEAVING[step];
        if (leaves !== undefined) {
          const staying = Array.from({ length: rows }, (_, row) => row).filter((row) => !leaves(row));
          session.keep(staying);
          rows = staying.length;
        }
        scope(() => {
          const ids = indexTensor(
            // The last row has the same ids whichever others run.
            Array.from({ length: rows }, (_, i) => 3 + ((7 * (rows - i) + 11 * step) % 200)),
            device,
          );
          if (device === STRICT) strict.reset();
          session.step(ids);
          if (device === STRICT) cost = strict.counts();
        });
        logits.push(session.logits.select(0, rows - 1).tolist() as number[]);
      }
      session.dispose();
      return { logits, cost: { launches: cost.launches, waits: cost.waits } };
    }),
  );
}

function numbers(checkpoint: string, isAdapted: boolean, steps: number): DecodeNumbers {
  const before = liveTensors();
  const on = (device: string, decoder: DecoderName, graphs: readonly string[]) => {
    const model = load(checkpoint, device);
    if (isAdapted) {
      model.adapter = createLora(model, LANGUAGE_LORA, { seed: 1 });
      // A fresh B is zero, which would hide a wrong path.
      for (const [name, weight] of model.adapter.weights)
        if (name.includes('lora_B')) scope(() => noGrad(() => weight.fill_(0.01)));
    }
    const found = graphs.map((value) => {
      process.env['TWGRPO_CUDA_GRAPHS'] = value;
      return decode(model, steps, decoder);
    });
    model.dispose();
    return found;
  };
  const [cpu] = on('cpu', 'plain', ['1']) as [ReturnType<typeof decode>];
  const [eager, captured] = on(STRICT, 'flash', ['0', '1']) as [
    ReturnType<typeof decode>,
    ReturnType<typeof decode>,
  ];
  return {
    checkpoint,
    isAdapted,
    cpu: cpu.logits,
    eager: eager.logits,
    captured: captured.logits,
    costs: { eager: eager.cost, captured: captured.cost },
    left: liveTensors() - before,
  };
}

setNumThreads(1);
strict.configure(-1, 'flash');
const { checkpoints, steps } = argument<DecodeTask>();
/** Pieces of memory that the weights of a loaded model were moved into. */
function numFused(place?: (weights: VideoLanguageModel['weights']) => VideoLanguageModel['weights']): number {
  const model = openModelFolder(folder('qwen2-5-vl')).loadModel({ device: STRICT, place }) as Transformer;
  const { size } = model.params.fused!;
  model.dispose();
  return size;
}

answer({
  results: checkpoints.flatMap((checkpoint) =>
    [false, true].map((isAdapted) => numbers(checkpoint, isAdapted, steps)),
  ),
  fused: { loaded: numFused(), placed: numFused((weights) => weights) },
} satisfies DecodeAnswer);
