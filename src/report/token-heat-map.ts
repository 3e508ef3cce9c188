/** A group of completions with every token's weight in the loss as its background, as HTML. */
import type { TokenRecord } from '../run/index.ts';
import { escapeXml } from './xml.ts';

export interface HeatRow {
  readonly completion: string;
  readonly reward: number;
  readonly advantage: number;
  readonly tokens: Pick<TokenRecord, 'ends' | 'weights' | 'entropy' | 'logps'>;
}

/**
 * @param rows completions of one prompt
 * @param maxWeight weight of the strongest colour (`token_weight_max`); a weight of 1 has none
 */
export function tokenHeatMap(rows: readonly HeatRow[], maxWeight: number): string {
  const lines = rows.map(({ completion, reward, advantage, tokens }) => {
    const sign = advantage > 0 ? '+' : '';
    return `<tr><td class="num">${Number.isNaN(reward) ? '–' : reward.toFixed(2)}</td><td class="num ${advantage > 0 ? 'up' : 'down'}">${sign}${advantage.toFixed(2)}</td><td class="tokens">${tokenSpans(completion, tokens, maxWeight)}</td></tr>`;
  });
  return `<table class="heat"><tr><th>reward</th><th>advantage</th><th>completion</th></tr>${lines.join('')}</table>`;
}

function tokenSpans(
  completion: string,
  { ends, weights, entropy, logps }: HeatRow['tokens'],
  maxWeight: number,
): string {
  return Array.from(ends, (end, t) => {
    const text = completion.slice(t === 0 ? 0 : ends[t - 1], end);
    const weight = weights[t]!;
    const share = maxWeight > 1 ? Math.min(1, Math.max(0, (weight - 1) / (maxWeight - 1))) : 0;
    const facts = `weight ${weight.toFixed(2)} · entropy ${entropy[t]!.toFixed(2)} · log-prob ${logps[t]!.toFixed(2)}`;
    // A stop token has no text of its own.
    const shown = text === '' ? '■' : text.replace(/\n/g, '⏎');
    return `<span style="background:rgba(230,120,0,${(0.85 * share).toFixed(2)})" title="${facts}">${escapeXml(shown)}</span>`;
  }).join('');
}
