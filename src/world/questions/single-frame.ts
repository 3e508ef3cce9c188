/**
 * How far one frame gets perfect perception: a logistic regression per kind of question, from what can be measured in the frame to the
 * truth of an option, learned on one half of the questions and asked on the other. A lower bound of what one frame tells.
 */
import { mean, variance } from '../../base/index.ts';
import type { Guesses } from './shortcuts.ts';

/** Strength of the pull towards 0 of a weight, in squared standard deviations. */
const RIDGE = 1;
const NUM_STEPS = 8;

type Predict = (features: readonly number[]) => number;

/** For each question, true when the frame's oracle finds the exact set; one half is answered by what the other half taught. */
export function singleFrameRight(questions: readonly Guesses[], frame: number): boolean[] {
  const models = [0, 1].map((fold) =>
    learn(
      questions.filter((_, at) => at % 2 !== fold),
      frame,
    ),
  );
  return questions.map((question, at) => guess(question, frame, models[at % 2]!) === question.answer);
}

/** The likeliest set of right options, neither empty nor all of them. */
function guess({ numOptions, isNegated, frames }: Guesses, frame: number, predict: Predict): number {
  const chances = frames[frame]!.map(predict);
  let [best, bestChance] = [0, -1];
  for (let truths = 1; truths < 2 ** numOptions - 1; truths++) {
    const chance = chances.reduce((all, one, at) => all * (isSet(truths, at) ? one : 1 - one), 1);
    if (chance > bestChance) [best, bestChance] = [truths, chance];
  }
  return isNegated ? 2 ** numOptions - 1 - best : best;
}

const isSet = (mask: number, at: number): boolean => ((mask >> at) & 1) === 1;

/** Newton's method on the penalised likelihood. */
function learn(questions: readonly Guesses[], frame: number): Predict {
  const rows: number[][] = [];
  const truths: number[] = [];
  for (const { frames, answer, isNegated } of questions) {
    for (const [at, features] of frames[frame]!.entries()) {
      rows.push([...features]);
      truths.push(Number(isSet(answer, at) !== isNegated));
    }
  }
  if (rows.length === 0) return () => 0.5;
  const widths = rows[0]!.flatMap((_, at) => {
    const [mean, sd] = moments(rows.map((row) => row[at]!));
    return sd < 1e-9 ? [] : [{ at, mean, sd }];
  });
  const design = (features: readonly number[]): number[] => {
    const values = widths.map(({ at, mean, sd }) => (features[at]! - mean) / sd);
    return [1, ...values, ...values.map((value) => value * value)];
  };
  const inputs = rows.map(design);
  let weights = inputs[0]!.map(() => 0);
  for (let step = 0; step < NUM_STEPS; step++) {
    const gradient = weights.map((weight, at) => (at === 0 ? 0 : -RIDGE * weight));
    const hessian = weights.map((_, i) => weights.map((_, j) => (i === j ? (i === 0 ? 1e-6 : RIDGE) : 0)));
    for (const [row, input] of inputs.entries()) {
      const chance = logistic(dot(weights, input));
      const slope = chance * (1 - chance);
      for (let i = 0; i < input.length; i++) {
        gradient[i]! += (truths[row]! - chance) * input[i]!;
        for (let j = 0; j < input.length; j++) hessian[i]![j]! += slope * input[i]! * input[j]!;
      }
    }
    const change = solve(hessian, gradient);
    weights = weights.map((weight, at) => weight + change[at]!);
  }
  return (features) => logistic(dot(weights, design(features)));
}

function moments(values: readonly number[]): [mean: number, sd: number] {
  return [mean(values), Math.sqrt(variance(values))];
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, at) => sum + value * b[at]!, 0);
const logistic = (value: number): number => 1 / (1 + Math.exp(-value));

/** Solves a symmetric positive definite system by elimination. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, at) => [...row, right[at]!]);
  for (let i = 0; i < rows.length; i++) {
    for (let below = i + 1; below < rows.length; below++) {
      const factor = rows[below]![i]! / rows[i]![i]!;
      for (let j = i; j <= rows.length; j++) rows[below]![j]! -= factor * rows[i]![j]!;
    }
  }
  const solution = new Array<number>(rows.length).fill(0);
  for (let i = rows.length - 1; i >= 0; i--) {
    let rest = rows[i]![rows.length]!;
    for (let j = i + 1; j < rows.length; j++) rest -= rows[i]![j]! * solution[j]!;
    solution[i] = rest / rows[i]![i]!;
  }
  return solution;
}
