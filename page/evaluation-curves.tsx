/** Accuracy of a run's checkpoints on each set of questions as a curve over its steps, with 95 % intervals. */
import { useMemo } from 'preact/hooks';
import type { EvaluationView } from '../src/dashboard/api.ts';
import type { ShownRun } from './app.tsx';
import { Chart } from './chart.tsx';
import { type ChartSpec, type RunSeries, seriesOf } from './curves.ts';
import type { Theme } from './theme.ts';

/** Fewer checkpoints are a list, not a curve. */
const LEAST_POINTS = 2;

export function EvaluationCurves({
  views,
  runs,
  theme,
}: {
  readonly views: readonly EvaluationView[];
  readonly runs: readonly ShownRun[];
  readonly theme: Theme;
}) {
  const charts = useMemo(
    () => chartsOf(views, runs),
    [views, runs.map(({ id, color }) => id + color).join(' ')],
  );
  if (charts.length === 0) return null;
  return (
    <div class="charts">
      {charts.map(({ spec, series }) => (
        <Chart
          key={spec.title}
          spec={spec}
          runs={series}
          view={{ axis: 'step', smoothing: 0, isLog: false, theme }}
        />
      ))}
    </div>
  );
}

function chartsOf(
  views: readonly EvaluationView[],
  runs: readonly ShownRun[],
): readonly { readonly spec: ChartSpec; readonly series: readonly RunSeries[] }[] {
  const sets = [...new Set(views.map(setOf))];
  return sets.flatMap((set) => {
    const own = views.filter((view) => setOf(view) === set);
    const series = runs.flatMap(({ id, name, color }): RunSeries[] => {
      const points = own
        .filter(({ entry, accuracy }) => entry.run === id && entry.step !== null && accuracy !== null)
        .sort((a, b) => a.entry.step! - b.entry.step!);
      return points.length < LEAST_POINTS ? [] : [{ name, color, series: curveOf(points) }];
    });
    const title = `Accuracy on ${own[0]!.entry.set ?? 'held-out questions'} over checkpoints`;
    const spec: ChartSpec = {
      title:
        sets.filter((one) => one.startsWith(`${own[0]!.entry.set} `)).length > 1
          ? `${title} (${protocolOf(own[0]!)})`
          : title,
      unit: 'percent',
      keys: [
        { key: 'strict', label: 'strict, with its 95 % interval', band: { low: 'low', high: 'high' } },
        { key: 'soft', label: 'soft' },
      ],
      about: 'Each point is an evaluation of a checkpoint; step 0 is the model that the run began with.',
    };
    return series.length === 0 ? [] : [{ spec, series }];
  });
}

/** Evaluations that may be compared: the same questions, asked the same way. */
const setOf = ({ entry, settings }: EvaluationView): string =>
  `${entry.set} ${String(settings['data_fingerprint'] ?? '')} ${protocolOf({ settings })}`;

const protocolOf = ({ settings }: Pick<EvaluationView, 'settings'>): string => {
  const { protocol, sampling } = settings as { readonly protocol?: unknown; readonly sampling?: unknown };
  const temperature = (sampling as { readonly temperature?: unknown } | undefined)?.temperature;
  return `${String(protocol ?? '')}${temperature === undefined ? '' : `, temperature ${String(temperature)}`}`;
};

type Accuracy = NonNullable<EvaluationView['accuracy']>['overall'];

function curveOf(points: readonly EvaluationView[]): RunSeries['series'] {
  const column = (value: (accuracy: Accuracy) => number) =>
    points.map(({ accuracy }) => value(accuracy!.overall));
  return seriesOf(
    points.map(({ entry }) => entry.step!),
    {
      strict: column(({ strict }) => strict),
      low: column(({ strict_interval }) => strict_interval.low),
      high: column(({ strict_interval }) => strict_interval.high),
      soft: column(({ soft }) => soft),
    },
  );
}
