/** A completion token by token, each with the colour of its value; the token under the pointer or the cursor keys is told in full. */
import { useMemo, useState } from 'preact/hooks';
import { visibleText } from '../src/dashboard/visible-text.ts';
import { formatNumber } from './format.ts';
import {
  type Heat,
  type HeatScale,
  heatColor,
  heatStrength,
  heatValue,
  type TokenValues,
} from './token-values.ts';

/** Tokens shown before anybody asks for more: each is an element of the page. */
const SHOWN = 1500;

export interface HeatTextProps {
  readonly text: string;
  readonly tokens: TokenValues;
  readonly advantage: number | null;
  readonly heat: Heat;
  readonly scale: HeatScale;
  readonly theme: 'light' | 'dark';
}

export function HeatText({ text, tokens, advantage, heat, scale, theme }: HeatTextProps) {
  const [at, setAt] = useState<number | undefined>(undefined);
  const [limit, setLimit] = useState(SHOWN);
  const count = Math.min(limit, tokens.ids.length);
  const spans = useMemo(
    () =>
      Array.from({ length: count }, (_, t) => {
        const value = heatValue(heat, tokens, t, { advantage, mean_weight: scale.mean_weight });
        const color = heatColor(heat, heatStrength(heat, value, scale), theme);
        return (
          <span
            key={t}
            data-token={t}
            data-value={String(value)}
            style={color === undefined ? {} : { background: color }}
          >
            {shownText(text, tokens.ends, t)}
          </span>
        );
      }),
    [text, tokens, advantage, heat, scale, theme, count],
  );
  const point = (target: EventTarget | null) => {
    const token = target instanceof HTMLElement ? target.dataset['token'] : undefined;
    if (token !== undefined) setAt(Number(token));
  };
  const move = (event: KeyboardEvent) => {
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      PageDown: 20,
      PageUp: -20,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    setAt((now) => Math.max(0, Math.min(count - 1, now === undefined ? 0 : now + step)));
  };
  return (
    <div class="heat">
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would frame it */}
      <div
        class="heat-text"
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys walk from token to token
        tabIndex={0}
        aria-label="Tokens; the arrow keys go from one to the next"
        onMouseOver={(event) => point(event.target)}
        onFocus={() => setAt((now) => now ?? 0)}
        onKeyDown={move}
      >
        <bdi class="model-text" dir="ltr">
          {spans}
        </bdi>
      </div>
      {count < tokens.ids.length && (
        <button type="button" class="link" onClick={() => setLimit(limit + 10 * SHOWN)}>
          show more of {tokens.ids.length.toLocaleString('en')} tokens
        </button>
      )}
      <p class="token-facts num" role="status">
        {at === undefined || at >= tokens.ids.length ? (
          <span class="soft">point at a token, or walk with the arrow keys</span>
        ) : (
          <TokenFacts text={text} tokens={tokens} advantage={advantage} scale={scale} at={at} />
        )}
      </p>
    </div>
  );
}

/** A token's own text; special tokens have none. */
function shownText(text: string, ends: Int32Array, t: number): string {
  const own = text.slice(t === 0 ? 0 : ends[t - 1], ends[t]);
  return own === '' ? '■' : visibleText(own).replaceAll('\n', '⏎\n');
}

function TokenFacts({
  text,
  tokens,
  advantage,
  scale,
  at,
}: { readonly at: number } & Pick<HeatTextProps, 'text' | 'tokens' | 'advantage' | 'scale'>) {
  const context = { advantage, mean_weight: scale.mean_weight };
  const facts: readonly (readonly [string, number | null])[] = [
    ['weight', tokens.weights[at]!],
    ['against alpha 1', heatValue('against alpha 1', tokens, at, context)],
    ['entropy', tokens.entropy[at]!],
    ['log-probability', tokens.logps[at]!],
    ['probability', Math.exp(tokens.logps[at]!)],
    ['ratio', heatValue('ratio', tokens, at, context)],
    ['advantage', advantage],
  ];
  return (
    <>
      <code>{shownText(text, tokens.ends, at)}</code>
      <span class="soft">
        position {at}, id {tokens.ids[at]}
      </span>
      {facts.map(([name, value]) => (
        <span key={name}>
          {name}{' '}
          <b>
            {value === null
              ? '–'
              : name === 'probability'
                ? formatNumber(value, 'percent')
                : value.toFixed(4)}
          </b>
        </span>
      ))}
    </>
  );
}
