/** What looked wrong while the run went on, newest first. */
import type { AlertList } from '../src/dashboard/api.ts';
import { visibleText } from '../src/dashboard/visible-text.ts';
import type { PageProps } from './app.tsx';
import { formatNumber } from './format.ts';
import { hrefOf } from './route.ts';
import { Failure } from './selection.tsx';
import { useAnswer } from './use-answer.ts';

export function AlertsPage({ runs, route }: PageProps) {
  const front = runs[0]!;
  const { data, error } = useAnswer<AlertList>(`/runs/${front.id}/alerts`, front.revision);
  if (error !== undefined) return <Failure error={error} />;
  if (data === undefined) return null;
  if (data.alerts.length === 0) return <p class="empty">Nothing looked wrong so far.</p>;
  return (
    <ul class="alerts">
      {[...data.alerts].reverse().map(({ step, rule, message, value, limit }) => (
        <li key={`${step}/${rule}`} class="card">
          <p>
            <a href={hrefOf('groups', { ...route.values, step })}>step {step}</a>{' '}
            <span class="tag">{visibleText(rule)}</span>{' '}
            <span class="soft num">
              {formatNumber(value)} against a limit of {formatNumber(limit)}
            </span>
          </p>
          <p>{visibleText(message)}</p>
        </li>
      ))}
    </ul>
  );
}
