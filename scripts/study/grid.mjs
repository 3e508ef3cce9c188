/** @file The cells of the study, read from recipes/study. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const recipe = (name) =>
  parse(readFileSync(fileURLToPath(new URL(`../../recipes/study/${name}.yaml`, import.meta.url)), 'utf8'));

/**
 * @returns {{ base: object, seeds: number[], centre: string, factors: Record<string, string[]>,
 *   cells: { name: string, levels?: Record<string, string>, data: string, values: object }[] }}
 *   `levels` of the core's cells: which level of each factor; `values`: keys of the run that differ from `base`
 */
export function readGrid() {
  const { seeds, core, centre, one_change } = recipe('grid');
  const combined = Object.entries(core).reduce(
    (cells, [factor, levels]) =>
      cells.flatMap((cell) =>
        Object.entries(levels).map(([level, values]) => ({
          levels: { ...cell.levels, [factor]: level },
          values: { ...cell.values, ...values },
        })),
      ),
    [{ levels: {}, values: {} }],
  );
  const cells = [
    ...combined.map(({ levels, values }) => ({
      name: Object.values(levels).join('-'),
      levels,
      data: 'mixed',
      values,
    })),
    ...Object.entries(one_change).map(([name, { data = 'mixed', ...values }]) => ({ name, data, values })),
  ];
  const factors = Object.fromEntries(
    Object.entries(core).map(([factor, levels]) => [factor, Object.keys(levels)]),
  );
  return { base: recipe('base'), seeds, centre, factors, cells };
}
