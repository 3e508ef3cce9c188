/** Where the time of a step goes: each phase's share, averaged over the last rows. */
import type { Series } from '../src/dashboard/api.ts';
import { formatNumber } from './format.ts';

const RECENT = 20;
const COLORS = [
  '#0072b2',
  '#56b4e9',
  '#009e73',
  '#c75000',
  '#cc79a7',
  '#8a6d00',
  '#7f8fa9',
  '#5b6168',
  '#9b2226',
  '#3a5a40',
];

export function PhaseBar({ series, keys }: { readonly series: Series; readonly keys: readonly string[] }) {
  const phases = keys
    .map((key) => ({ name: key.slice('time/'.length), seconds: recentMean(series, key) }))
    .filter(({ seconds }) => seconds > 0)
    .sort((a, b) => b.seconds - a.seconds);
  const total = phases.reduce((sum, { seconds }) => sum + seconds, 0);
  if (total === 0) return null;
  return (
    <figure class="card chart">
      <figcaption>
        <h3>Where the time of a step goes</h3>
      </figcaption>
      <div class="phases" aria-hidden="true">
        {phases.map(({ name, seconds }, i) => (
          <span key={name} style={{ flexGrow: seconds, background: COLORS[i % COLORS.length] }} />
        ))}
      </div>
      <table class="plain">
        <tbody>
          {phases.map(({ name, seconds }, i) => (
            <tr key={name}>
              <th scope="row">
                <span class="dot" style={{ background: COLORS[i % COLORS.length] }} aria-hidden="true" />
                {name}
              </th>
              <td class="num">{formatNumber(seconds, 'seconds')}</td>
              <td class="num soft">{formatNumber(seconds / total, 'percent')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

function recentMean({ columns }: Series, key: string): number {
  const values = (columns[key]?.mean ?? []).slice(-RECENT).filter((value) => value !== null);
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
