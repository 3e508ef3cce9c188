/** The first page: does the run learn, in a sentence; what the evaluations say; and the curves. */
import { useMemo, useState } from 'preact/hooks';
import type { EvaluationView, Reason, Series, Verdict } from '../src/dashboard/api.ts';
import { AccuracyDots } from './accuracy-dots.tsx';
import type { PageProps, ShownRun } from './app.tsx';
import { Chart, type ChartView } from './chart.tsx';
import { keysOf, rewardChart, SECTIONS } from './chart-specs.ts';
import type { Axis, ChartSpec, RunSeries } from './curves.ts';
import { EvaluationCurves } from './evaluation-curves.tsx';
import { formatDuration, formatNumber } from './format.ts';
import { PhaseBar } from './phase-bar.tsx';
import { hrefOf, PAGES, type Route } from './route.ts';
import { isReport } from './source.ts';
import { useAnswer, useAnswers } from './use-answer.ts';

const ALL_CHARTS = SECTIONS.flatMap(({ charts }) => charts);
const POINTS = 600;
const AXES: Readonly<Record<Axis, string>> = { step: 'steps', hours: 'time', tokens: 'tokens' };

export function Overview({ listing, runs, route, go, theme }: PageProps) {
  const front = runs[0]!;
  const { data: verdict } = useAnswer<Verdict>(`/runs/${front.id}/verdict`, front.revision);
  const [wished, setWished] = useState('');
  const { data: first } = useAnswer<Series>(`/runs/${front.id}/series?keys=step`, front.revision);
  const known = first?.known ?? [];
  const extra = useMemo(() => rewardChart(known), [known.join(' ')]);
  const own = useMemo(() => wishedCharts(wished, known), [wished, known.join(' ')]);
  const phases = known.filter((key) => key.startsWith('time/'));
  const keys = [...keysOf([...ALL_CHARTS, ...(extra === undefined ? [] : [extra]), ...own]), ...phases];
  const paths = runs.map(({ id }) =>
    isReport
      ? `/runs/${id}/series`
      : `/runs/${id}/series?buckets=${POINTS}&keys=${keys.map(encodeURIComponent).join(',')}`,
  );
  const answers = useAnswers<Series>(paths, runs.map(({ revision }) => revision).join(' '));
  const series = useMemo(
    () =>
      runs.flatMap(({ name, color }, i): RunSeries[] =>
        answers[i] === undefined ? [] : [{ name, color, series: answers[i] }],
      ),
    [runs.map(({ id, color }) => `${id}${color}`).join(' '), ...answers],
  );
  const view = viewOf(route, theme);
  const has = ({ keys }: ChartSpec) =>
    keys.some(({ key }) => series.some((run) => key in run.series.columns));
  return (
    <>
      {verdict !== undefined && <VerdictCard verdict={verdict} route={route} run={front} />}
      {series[0] !== undefined && <Figures run={front} series={series[0].series} />}
      <Evaluations listing={listing} runs={runs} theme={theme} />
      <Controls view={view} go={go} />
      {SECTIONS.map(({ title, charts }, i) => {
        const shown = [...charts, ...(i === 0 && extra !== undefined ? [extra] : [])].filter(has);
        if (shown.length === 0) return null;
        return (
          <section key={title}>
            <h2>{title}</h2>
            <div class="charts">
              {shown.map((spec) => (
                <Chart key={spec.title} spec={spec} runs={series} view={view} />
              ))}
              {title === 'The machine' && series[0] !== undefined && (
                <PhaseBar series={series[0].series} keys={phases} />
              )}
            </div>
          </section>
        );
      })}
      <section>
        <h2>Any other metric</h2>
        <label class="field">
          <span>keys that contain</span>
          <input
            type="search"
            value={wished}
            placeholder="for example answers/ or min_length"
            onInput={(event) => setWished(event.currentTarget.value)}
          />
        </label>
        <div class="charts">
          {own.filter(has).map((spec) => (
            <Chart key={spec.title} spec={spec} runs={series} view={view} />
          ))}
        </div>
      </section>
    </>
  );
}

const MOST_WISHED = 12;

function wishedCharts(part: string, known: readonly string[]): ChartSpec[] {
  if (part.trim() === '') return [];
  return known
    .filter((key) => key.includes(part.trim()) && key !== 'step')
    .slice(0, MOST_WISHED)
    .map((key) => ({ title: key, unit: 'number', keys: [{ key, label: key }] }));
}

function viewOf({ values }: Route, theme: PageProps['theme']): ChartView {
  const axis = (['step', 'hours', 'tokens'] as const).find((name) => name === values['x']) ?? 'step';
  const smoothing = Math.min(0.99, Math.max(0, Number(values['smooth'] ?? 0.8)));
  return { axis, smoothing: Number.isFinite(smoothing) ? smoothing : 0, isLog: values['log'] === '1', theme };
}

function Controls({ view, go }: { readonly view: ChartView; readonly go: PageProps['go'] }) {
  return (
    <section class="controls" aria-label="How curves are drawn">
      <label>
        smoothing{' '}
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={view.smoothing}
          onInput={(event) => go({ smooth: event.currentTarget.value })}
        />{' '}
        <output class="num">{view.smoothing.toFixed(2)}</output>
      </label>
      <fieldset class="segments">
        <legend class="sr-only">Horizontal axis</legend>
        {(Object.keys(AXES) as Axis[]).map((axis) => (
          <label key={axis}>
            <input type="radio" name="axis" checked={view.axis === axis} onChange={() => go({ x: axis })} />
            <span>{AXES[axis]}</span>
          </label>
        ))}
      </fieldset>
      <label>
        <input
          type="checkbox"
          checked={view.isLog}
          onChange={(event) => go({ log: event.currentTarget.checked ? 1 : undefined })}
        />{' '}
        logarithmic
      </label>
      <span class="soft hint">drag to zoom, double-click to see all</span>
    </section>
  );
}

const MARKS: Readonly<Record<Verdict['state'], string>> = {
  learning: '↗',
  flat: '→',
  falling: '↘',
  suspect: '!',
  early: '…',
  broken: '✕',
};

function VerdictCard({
  verdict,
  route,
  run,
}: {
  readonly verdict: Verdict;
  readonly route: Route;
  readonly run: ShownRun;
}) {
  const { state, headline, reasons } = verdict;
  return (
    <section class={`card verdict ${state}`} aria-label="Does it learn?">
      <span class="mark" aria-hidden="true">
        {MARKS[state]}
      </span>
      <div>
        <p class="headline">{headline}</p>
        {reasons.length > 0 && (
          <ul>
            {reasons.map((reason) => (
              <li key={reason.rule}>
                <ReasonText reason={reason} route={route} run={run} />
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function ReasonText({
  reason,
  route,
  run,
}: {
  readonly reason: Reason;
  readonly route: Route;
  readonly run: ShownRun;
}) {
  const page = PAGES.find((name) => name === reason.key);
  return (
    <>
      {capital(reason.text)}. <strong>{capital(reason.advice)}.</strong>{' '}
      <a href={hrefOf(page ?? 'groups', { ...route.values, run: run.id })}>look at the completions</a>
    </>
  );
}

const capital = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** The numbers of the last rows. */
function Figures({ run, series }: { readonly run: ShownRun; readonly series: Series }) {
  const last = (key: string) => series.columns[key]?.mean.findLast((value) => value !== null);
  const seconds = last('step_time');
  const left =
    run.max_steps === null || seconds == null ? undefined : (run.max_steps - run.last_step) * seconds;
  const figures: readonly (readonly [string, string])[] = [
    ['reward', formatNumber(last('reward'))],
    ['accuracy', formatNumber(last('rewards/accuracy/mean'), 'percent')],
    ['without signal', formatNumber(last('frac_reward_zero_std'), 'percent')],
    ['tokens', formatNumber(last('completions/mean_length'))],
    ['cut off', formatNumber(last('completions/clipped_ratio'), 'percent')],
    ['entropy', formatNumber(last('entropy'))],
    ['KL', formatNumber(last('kl'))],
    ['gradient', formatNumber(last('grad_norm'))],
    ['memory', formatNumber(last('memory/peak_bytes') ?? last('memory/host_rss_bytes'), 'bytes')],
    ['a step takes', formatNumber(seconds, 'seconds')],
    ['trained for', series.hours.at(-1) == null ? '–' : formatDuration(3600 * series.hours.at(-1)!)],
    ...(run.is_live && left !== undefined ? [['still to go', formatDuration(left)] as const] : []),
  ];
  return (
    <dl class="figures" aria-label="The last rows">
      {figures
        .filter(([, value]) => value !== '–')
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** Accuracies of evaluations beside the run, with their intervals. */
function Evaluations({ listing, runs, theme }: Pick<PageProps, 'listing' | 'runs' | 'theme'>) {
  const views = useAnswers<EvaluationView>(
    listing.evaluations.map(({ id }) => `/evaluations/${id}`),
    listing.evaluations.map(({ revision }) => revision).join(' '),
  );
  const known = useMemo(() => views.filter((view) => view !== undefined), [...views]);
  const rows = known.flatMap((view) =>
    view.accuracy == null
      ? []
      : [{ name: view.entry.name, id: view.entry.id, accuracy: view.accuracy.overall }],
  );
  if (rows.length === 0) return null;
  return (
    <section>
      <h2>Evaluations</h2>
      <AccuracyDots label="Evaluations" rows={rows} />
      <EvaluationCurves views={known} runs={runs} theme={theme} />
    </section>
  );
}
