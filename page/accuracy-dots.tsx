/** Strict accuracies as marks on their 95 % intervals, soft ones as thin marks, one row each. */
import type { Accuracy } from '../src/stats/index.ts';
import { hrefOf } from './route.ts';
import { Scroll } from './scroll.tsx';

export interface AccuracyRow {
  readonly name: string;
  /** The evaluation that the name leads to. */
  readonly id?: string;
  readonly accuracy: Accuracy;
}

const share = (value: number) => `${(100 * value).toFixed(1)} %`;

export function AccuracyDots({
  label,
  rows,
}: {
  readonly label: string;
  readonly rows: readonly AccuracyRow[];
}) {
  return (
    <Scroll label={label}>
      <table class="dots">
        <thead>
          <tr>
            <th scope="col">set</th>
            <th scope="col" class="num">
              items
            </th>
            <th scope="col" class="num">
              strict
            </th>
            <th scope="col" class="num">
              95 %
            </th>
            <th scope="col" class="num">
              soft
            </th>
            <th scope="col" class="axis">
              <span>0</span>
              <span>50</span>
              <span>100 %</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, id, accuracy }) => (
            <tr key={name}>
              <th scope="row">
                {id === undefined ? name : <a href={hrefOf('evaluation', { evaluation: id })}>{name}</a>}
              </th>
              <td class="num">{accuracy.n}</td>
              <td class="num strong">{share(accuracy.strict)}</td>
              <td class="num soft">
                {share(accuracy.strict_interval.low).replace(' %', '')}–{share(accuracy.strict_interval.high)}
              </td>
              <td class="num">{share(accuracy.soft)}</td>
              <td>
                <Line accuracy={accuracy} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Line({ accuracy }: { readonly accuracy: Accuracy }) {
  const { low, high } = accuracy.strict_interval;
  return (
    <svg viewBox="0 0 200 16" class="dot-line" preserveAspectRatio="none" aria-hidden="true">
      {[0, 50, 100, 150, 200].map((x) => (
        <line key={x} x1={x} x2={x} y1="0" y2="16" class="grid" />
      ))}
      <line x1={200 * low} x2={200 * high} y1="8" y2="8" class="interval" />
      <rect x={200 * accuracy.strict - 1.5} y="2" width="3" height="12" class="strict" />
      <rect x={200 * accuracy.soft - 0.5} y="4" width="1" height="8" class="soft-mark" />
    </svg>
  );
}
