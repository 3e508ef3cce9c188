/** Evaluations: accuracies by dimension, two of them by McNemar's test, and the items that changed. */
import { useState } from 'preact/hooks';
import type { EvaluationItem, EvaluationRows, EvaluationView } from '../src/dashboard/api.ts';
import { visibleText } from '../src/dashboard/visible-text.ts';
import type { Comparison } from '../src/stats/index.ts';
import { AccuracyDots } from './accuracy-dots.tsx';
import type { PageProps } from './app.tsx';
import { ClipView } from './clip-view.tsx';
import { Letters } from './completion-card.tsx';
import { NamedSelect } from './named-select.tsx';
import { Pager } from './pager.tsx';
import { Failure } from './selection.tsx';
import { isReport } from './source.ts';
import { LongText } from './text.tsx';
import { useAnswer } from './use-answer.ts';

const PAGE = 30;
/** Values of a dimension shown before anybody asks for more. */
const SHOWN_VALUES = 10;

export function EvaluationPage({ listing, route, go }: PageProps) {
  const { evaluations } = listing;
  const chosen = evaluations.find(({ id }) => id === route.values['evaluation']) ?? evaluations.at(-1);
  const others = evaluations.filter(({ id }) => id !== chosen?.id);
  const against = others.find(({ id }) => id === route.values['against']);
  const view = useAnswer<EvaluationView>(
    chosen === undefined ? undefined : `/evaluations/${chosen.id}`,
    chosen?.revision,
  );
  if (chosen === undefined)
    return (
      <p class="empty">
        No evaluation in these folders.
        <small>twgrpo eval writes one; name its folder, or one above it and the run.</small>
      </p>
    );
  const accuracy = view.data?.accuracy;
  return (
    <>
      <section class="controls" aria-label="Which evaluations">
        <NamedSelect
          label="evaluation"
          value={chosen.id}
          options={evaluations}
          onChoice={(evaluation) => go({ evaluation })}
        />
        <NamedSelect
          label="against"
          value={against?.id}
          none="nothing"
          options={others}
          onChoice={(other) => go({ against: other, change: undefined })}
        />
      </section>
      {view.error !== undefined && <Failure error={view.error} />}
      {accuracy != null && (
        <>
          <h2>Accuracy</h2>
          <AccuracyDots
            label="Accuracy"
            rows={[
              { name: 'all', accuracy: accuracy.overall },
              ...Object.entries(accuracy.by_answers).map(([name, one]) => ({
                name: `${name} answer`,
                accuracy: one,
              })),
            ]}
          />
          {Object.entries(accuracy.by).map(([dimension, values]) => (
            <Dimension key={dimension} name={dimension} values={values} />
          ))}
        </>
      )}
      <Items
        key={`${chosen.id}/${against?.id}`}
        id={chosen.id}
        against={against?.id ?? ''}
        route={route}
        go={go}
      />
    </>
  );
}

function Dimension({
  name,
  values,
}: {
  readonly name: string;
  readonly values: NonNullable<EvaluationView['accuracy']>['by'][string];
}) {
  const [isOpen, setOpen] = useState(false);
  const rows = Object.entries(values).map(([value, accuracy]) => ({ name: value, accuracy }));
  return (
    <section>
      <h3>by {visibleText(name)}</h3>
      <AccuracyDots label={`by ${name}`} rows={isOpen ? rows : rows.slice(0, SHOWN_VALUES)} />
      {rows.length > SHOWN_VALUES && (
        <button type="button" class="link" onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'show less' : `show all ${rows.length}`}
        </button>
      )}
    </section>
  );
}

function ComparisonText({ comparison }: { readonly comparison: Comparison }) {
  const { second, n, strict_first, strict_second, only_first, only_second, p_exact } = comparison;
  if (strict_first === null || strict_second === null)
    return <p class="empty">The two have no item in common.</p>;
  const share = (value: number) => `${(100 * value).toFixed(1)} %`;
  const sure =
    p_exact < 0.01
      ? 'more than chance explains'
      : p_exact < 0.05
        ? 'probably more than chance'
        : 'within what chance explains';
  return (
    <p class="headline">
      {share(strict_first)} here, {share(strict_second)} in {second}, on {n} common items: {only_first} right
      only here, {only_second} only there. McNemar, exact, two-sided: p ={' '}
      {p_exact < 0.001 ? p_exact.toExponential(1) : p_exact.toFixed(3)}, {sure}.
    </p>
  );
}

function Items({
  id,
  against,
  route,
  go,
}: { readonly id: string; readonly against: string } & Pick<PageProps, 'route' | 'go'>) {
  const [q, setQ] = useState('');
  const [offset, setOffset] = useState(0);
  const change = route.values['change'] ?? '';
  const query = isReport
    ? ''
    : `&change=${encodeURIComponent(change)}&q=${encodeURIComponent(q)}&offset=${offset}&limit=${PAGE}`;
  const { data, error } = useAnswer<EvaluationRows>(`/evaluations/${id}/rows?against=${against}${query}`);
  if (error !== undefined) return <Failure error={error} />;
  if (data === undefined) return null;
  const items = isReport && change !== '' ? data.items.filter((item) => item.change === change) : data.items;
  return (
    <section>
      <h2>Items</h2>
      {data.comparison !== null && <ComparisonText comparison={data.comparison} />}
      <div class="controls">
        <fieldset class="segments">
          <legend class="sr-only">Which items</legend>
          {[['', 'all'] as const, ...Object.entries(data.counts)]
            .map(([name, count]) => (
              <label key={name}>
                <input
                  type="radio"
                  name="change"
                  checked={name === change}
                  onChange={() => {
                    setOffset(0);
                    go({ change: name });
                  }}
                />
                <span>
                  {name === '' ? 'all' : `${against === '' ? name.replace('stayed ', '') : name} ${count}`}
                </span>
              </label>
            ))
            .filter((_, i) => against !== '' || i === 0 || i > 2)}
        </fieldset>
        {!isReport && (
          <label class="field">
            <span>search</span>
            <input
              type="search"
              value={q}
              onInput={(event) => {
                setOffset(0);
                setQ(event.currentTarget.value);
              }}
            />
          </label>
        )}
      </div>
      <ul class="items">
        {items.map((item) => (
          <Item key={item.row.id} item={item} path={`/evaluations/${id}/rows/${item.at}`} />
        ))}
      </ul>
      {!isReport && <Pager offset={offset} size={PAGE} total={data.matches} go={setOffset} />}
    </section>
  );
}

function Item({ item, path }: { readonly item: EvaluationItem; readonly path: string }) {
  const [isOpen, setOpen] = useState(false);
  const { row, other, change } = item;
  const style = change.endsWith('right') ? 'right' : 'wrong';
  return (
    <li class={`card completion ${style}`}>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span class={`verdict-badge ${style}`}>
            {other === null ? change.replace('stayed ', '') : change}
          </span>
          <Letters answer={row.failed ? null : row.chosen} truth={row.truth} />
          <span class="one-line">{visibleText(row.problem.split('\n')[0] ?? '')}</span>
          <span class="soft">{visibleText(row.id)}</span>
        </summary>
        {isOpen && (
          <div class="beside">
            <aside>{isReport ? null : <ClipView path={path} />}</aside>
            <div>
              <LongText text={row.problem} />
              <h4>here</h4>
              <LongText text={row.completion} />
              {other !== null && (
                <>
                  <h4>there</h4>
                  <LongText text={other.completion} />
                </>
              )}
            </div>
          </div>
        )}
      </details>
    </li>
  );
}
