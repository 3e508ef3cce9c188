/** Weight by position: of a group with the number of completions still going on, and of the whole run as a map with a row a step. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { WeightSummary } from '../src/dashboard/api.ts';
import { Dot } from './chart.tsx';
import { formatNumber } from './format.ts';
import type { Theme } from './theme.ts';
import type { TokenValues } from './token-values.ts';

const HEIGHT = 190;

export function PositionChart({
  rows,
  theme,
}: {
  readonly rows: readonly TokenValues[];
  readonly theme: Theme;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const [line, fill] = theme === 'dark' ? ['#f0925a', '#56b4e9'] : ['#c75000', '#0072b2'];
  useEffect(() => {
    const element = holder.current!;
    const length = Math.max(...rows.map(({ ids }) => ids.length));
    const positions = Array.from({ length }, (_, t) => t);
    const alive = positions.map((t) => rows.filter(({ ids }) => ids.length > t).length);
    const mean = positions.map((t) => {
      const weights = rows.flatMap((row) => (row.ids.length > t ? [row.weights[t]!] : []));
      return weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    });
    const ink = theme === 'dark' ? '#a0a6ad' : '#5b6168';
    const grid = { stroke: theme === 'dark' ? '#ffffff14' : '#00000012', width: 1 };
    const font = '11px system-ui, sans-serif';
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        scales: { x: { time: false }, alive: { range: [0, rows.length] } },
        series: [
          {},
          {
            scale: 'alive',
            stroke: `${fill}88`,
            fill: `${fill}22`,
            paths: uPlot.paths.stepped!({ align: 1 }),
            points: { show: false },
          },
          { stroke: line, width: 2 },
          { stroke: ink, width: 1.5, dash: [5, 4], points: { show: false } },
        ],
        axes: [
          { stroke: ink, grid, font, size: 28, ticks: { show: false } },
          { stroke: ink, grid, font, size: 48, ticks: { show: false } },
          {
            scale: 'alive',
            side: 1,
            stroke: ink,
            font,
            size: 30,
            grid: { show: false },
            ticks: { show: false },
          },
        ],
      },
      [positions, alive, mean, positions.map(() => 1)],
      element,
    );
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [rows, theme]);
  return (
    <figure class="card chart wide">
      <figcaption>
        <h3>Weight by position in this group</h3>
      </figcaption>
      <div
        class="plot"
        ref={holder}
        role="img"
        aria-label="Mean weight at each position, and how many completions reach it"
      />
      <dl class="legend">
        <div>
          <dt>
            <Dot color={line} />
            mean weight (left)
          </dt>
          <dd />
        </div>
        <div>
          <dt>
            <Dot color={theme === 'dark' ? '#a0a6ad' : '#5b6168'} />
            plain GRPO: 1 everywhere
          </dt>
          <dd />
        </div>
        <div>
          <dt>
            <Dot color={fill} />
            completions still going on (right)
          </dt>
          <dd />
        </div>
      </dl>
    </figure>
  );
}

/** Pixels of a cell of the map. */
const CELL = { width: 8, height: 5 };

export function PositionMap({ summary, theme }: { readonly summary: WeightSummary; readonly theme: Theme }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { by_position, steps, positions_per_bucket } = summary;
  const columns = by_position[0]?.length ?? 0;
  const values = by_position.flat().filter((value) => value !== null);
  const most = values.reduce((a, b) => Math.max(a, b), 1);
  useEffect(() => {
    const context = canvas.current!.getContext('2d')!;
    context.clearRect(0, 0, canvas.current!.width, canvas.current!.height);
    for (const [y, row] of by_position.entries())
      for (const [x, weight] of row.entries()) {
        if (weight === null) continue;
        const strength = most > 1 ? Math.max(0, (weight - 1) / (most - 1)) : 0;
        context.fillStyle =
          theme === 'dark'
            ? `rgba(255,150,60,${0.1 + 0.9 * strength})`
            : `rgba(214,90,0,${0.08 + 0.92 * strength})`;
        context.fillRect(x * CELL.width, y * CELL.height, CELL.width, CELL.height);
      }
  }, [by_position, theme, most]);
  if (columns === 0) return null;
  return (
    <figure class="card chart wide">
      <figcaption>
        <h3>Mean weight by position, step by step</h3>
      </figcaption>
      <p class="note">
        From step {steps[0]} above to step {steps.at(-1)} below; from position 0 on the left to{' '}
        {columns * positions_per_bucket - 1} on the right. Strongest colour: weight {formatNumber(most)}; no
        colour: no completion was that long.
      </p>
      <canvas
        ref={canvas}
        class="map"
        width={columns * CELL.width}
        height={by_position.length * CELL.height}
        role="img"
        aria-label="Mean weight of each position, one line a step"
      />
    </figure>
  );
}
