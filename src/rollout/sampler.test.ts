import { describe, expect, it } from 'vitest';
import { type Packed, readGolden, unpack } from '../../tests/support/model-goldens.ts';
import { Generator, rand, scope, type Tensor, tensor, zeros } from '../tensor/index.ts';
import { checkSampling, drawTokens, type SamplingOptions, sampleScores } from './sampler.ts';

interface SamplerGolden {
  readonly scores: Packed;
  readonly seen: readonly (readonly number[])[];
  readonly cases: readonly { readonly options: SamplingOptions; readonly probabilities: Packed }[];
}

describe('sampleScores', () => {
  const golden = readGolden<SamplerGolden>('sampler.json');
  for (const { options, probabilities } of golden.cases) {
    it(`equals transformers' processors: ${JSON.stringify(options)}`, () => {
      scope(() => {
        const scores = unpack(golden.scores);
        const seen = zeros(scores.shape, { dtype: 'bool' });
        golden.seen.forEach((ids, row) => {
          for (const id of ids) seen.select(0, row).narrow(0, id, 1).fill_(true);
        });
        const untouched = scores.clone();
        const result = sampleScores(scores, options, seen, undefined).softmax(-1);
        expect(result).toBeAllclose(unpack(probabilities), { rtol: 1e-6, atol: 1e-7 });
        expect(scores).toBeAllclose(untouched, { rtol: 0, atol: 0 });
      });
    });
  }

  it('never leaves a banned token, greedy or not', () => {
    scope(() => {
      const scores = tensor([[1, 5, 3]]);
      const banned = tensor([1], { dtype: 'int64' });
      expect(sampleScores(scores, { greedy: true }, undefined, banned).argmax(-1).tolist()).toEqual([2]);
      expect(
        sampleScores(scores, { temperature: 2 }, undefined, banned).softmax(-1).select(1, 1).item(),
      ).toBe(0);
    });
  });
});

describe('drawTokens', () => {
  const draw = (probabilities: number[][], uniform: number[]) =>
    scope(() => drawTokens(tensor(probabilities).log(), tensor(uniform, { dtype: 'float64' })).tolist());

  it('never draws a token of probability 0, at the ends of the unit interval too', () => {
    const almostOne = 1 - 2 ** -53;
    expect(draw([[0, 0.5, 0, 0.5, 0]], [0])).toEqual([3]);
    expect(draw([[0, 0.5, 0, 0.5, 0]], [almostOne])).toEqual([1]);
    expect(draw([[0, 0, 1], [1, 0, 0]], [0, almostOne])).toEqual([2, 0]); // biome-ignore format: rows
  });

  it('draws by probability', () => {
    scope(() => {
      const wanted = [0.1, 0.2, 0.3, 0.4];
      const count = 20_000;
      const uniform = rand([count], { generator: new Generator(3), dtype: 'float64' });
      const drawn = drawTokens(tensor(wanted).log().expand([count, 4]), uniform);
      const shares = (drawn.bincount() as Tensor).to({ dtype: 'float64' }).div(count);
      // Four standard deviations of a share.
      expect(shares).toBeAllclose(wanted, { rtol: 0, atol: 4 * Math.sqrt(0.25 / count) });
    });
  });
});

describe('checkSampling', () => {
  it('names the option and its range', () => {
    expect(() => checkSampling({ temperature: 0 })).toThrow('temperature: expected a number above 0');
    expect(() => checkSampling({ top_p: 1.5 })).toThrow('top_p: expected a number in (0, 1], got 1.5');
    expect(() => checkSampling({ top_k: -1 })).toThrow('top_k');
    expect(() => checkSampling({ min_p: 2 })).toThrow('min_p');
    expect(() => checkSampling({ repetition_penalty: 0 })).toThrow('repetition_penalty');
    expect(() =>
      checkSampling({ temperature: 0.7, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1 }),
    ).not.toThrow();
  });
});
