/** Numbers of the tokens of a completion, read from the API's arrays, and the colours they are shown in. */
import type { TokenArrays } from '../src/dashboard/api.ts';

export const HEATS = [
  'weight',
  'against alpha 1',
  'entropy',
  'log-probability',
  'advantage',
  'ratio',
] as const;
export type Heat = (typeof HEATS)[number];

export const HEAT_WORDS: Readonly<Record<Heat, string>> = {
  weight: 'weight in the loss: none at 1, strongest at the greatest',
  'against alpha 1':
    'share of the weight of this group, over the share that plain GRPO (alpha = 1) gives every token: green more, orange less',
  entropy: 'entropy of the distribution the token was drawn from, in nats',
  'log-probability': 'log-probability of the token: the stronger, the less likely it was',
  advantage: 'advantage times weight: what the loss multiplies the token by; green up, orange down',
  ratio: 'probability in training over that in sampling: green above 1, orange below',
};

export interface TokenValues {
  readonly row: number;
  readonly ids: Int32Array;
  readonly ends: Int32Array;
  readonly weights: Float32Array;
  readonly entropy: Float32Array;
  readonly logps: Float32Array;
  readonly sampling_logps: Float32Array;
}

export function decodeTokens(arrays: TokenArrays): TokenValues {
  const bytes = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
  return {
    row: arrays.row,
    ids: new Int32Array(bytes(arrays.ids)),
    ends: new Int32Array(bytes(arrays.ends)),
    weights: new Float32Array(bytes(arrays.weights)),
    entropy: new Float32Array(bytes(arrays.entropy)),
    logps: new Float32Array(bytes(arrays.logps)),
    sampling_logps: new Float32Array(bytes(arrays.sampling_logps)),
  };
}

/** What a token's values are seen against: the advantage of its completion, the mean weight of the group's tokens. */
export interface HeatContext {
  readonly advantage: number | null;
  readonly mean_weight: number;
}

/** The value that a heat shows at a token. */
export function heatValue(
  heat: Heat,
  tokens: TokenValues,
  t: number,
  { advantage, mean_weight }: HeatContext,
): number {
  if (heat === 'against alpha 1') return tokens.weights[t]! / mean_weight;
  if (heat === 'weight') return tokens.weights[t]!;
  if (heat === 'entropy') return tokens.entropy[t]!;
  if (heat === 'log-probability') return tokens.logps[t]!;
  if (heat === 'advantage') return (advantage ?? 0) * tokens.weights[t]!;
  return Math.exp(tokens.logps[t]! - tokens.sampling_logps[t]!);
}

/** How strong a value is, in [-1, 1]; the sign chooses the colour. */
export function heatStrength(heat: Heat, value: number, scale: HeatScale): number {
  if (heat === 'weight') return scale.weight_max > 1 ? clamp((value - 1) / (scale.weight_max - 1)) : 0;
  if (heat === 'entropy') return clamp(value / scale.entropy);
  if (heat === 'log-probability') return clamp(-value / scale.surprise);
  if (heat === 'advantage') return scale.advantage === 0 ? 0 : clamp(value / scale.advantage);
  return clamp(Math.log(value) / Math.log(heat === 'ratio' ? 1.2 : scale.weight_max));
}

export interface HeatScale {
  /** Of all tokens of the group. */
  readonly mean_weight: number;
  readonly weight_max: number;
  readonly entropy: number;
  readonly surprise: number;
  readonly advantage: number;
}

/** One scale for all completions of a group. */
export function scaleOf(
  rows: readonly TokenValues[],
  weight_max: number,
  advantages: readonly (number | null)[],
): HeatScale {
  const most = (values: Iterable<number>, least: number) => {
    let greatest = least;
    for (const value of values) if (value > greatest) greatest = value;
    return greatest;
  };
  const strongest = most(
    advantages.map((advantage) => Math.abs(advantage ?? 0)),
    0,
  );
  const count = rows.reduce((sum, { weights }) => sum + weights.length, 0);
  const total = rows.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b, 0), 0);
  return {
    mean_weight: count === 0 ? 1 : total / count,
    weight_max: most(
      rows.map(({ weights }) => most(weights, 1)),
      weight_max,
    ),
    entropy: most(
      rows.map(({ entropy }) => most(entropy, 0.5)),
      0.5,
    ),
    surprise: most(
      rows.map(({ logps }) =>
        most(
          logps.map((value) => -value),
          1,
        ),
      ),
      1,
    ),
    advantage: strongest * weight_max,
  };
}

const clamp = (value: number) => (Number.isFinite(value) ? Math.max(-1, Math.min(1, value)) : 0);

/** Weakest value that is given a colour at all. */
const FAINT = 0.02;

/** Background of a token; kept so light that the text on it stays readable. */
export function heatColor(heat: Heat, strength: number, theme: 'light' | 'dark'): string | undefined {
  const size = Math.abs(strength);
  if (size < FAINT) return undefined;
  const isSigned = heat === 'advantage' || heat === 'ratio' || heat === 'against alpha 1';
  const hue = isSigned
    ? strength > 0
      ? '0,158,115'
      : '224,110,20'
    : heat === 'weight'
      ? '232,120,0'
      : heat === 'entropy'
        ? '40,130,220'
        : '160,90,200';
  const most = theme === 'dark' ? 0.55 : 0.6;
  return `rgba(${hue},${(most * size).toFixed(3)})`;
}
