/** @file The cells of the study, read from recipes/study. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { packageRoot } from '../../src/base/index.ts';
import type { Values } from './runs.ts';

interface GridFile {
  readonly seeds: readonly number[];
  readonly core: Readonly<Record<string, Readonly<Record<string, Values>>>>;
  readonly centre: string;
  readonly one_change: Readonly<Record<string, Values & { readonly data?: string }>>;
}

export interface Cell {
  readonly name: string;
  /** Level of each factor, of the cells of the core. */
  readonly levels?: Readonly<Record<string, string>>;
  /** Name of the set of training questions. */
  readonly data: string;
  /** Keys of the run that differ from `base`. */
  readonly values: Values;
}

export interface Grid {
  readonly base: Values;
  readonly seeds: readonly number[];
  /** Name of the cell that single changes are held against. */
  readonly centre: string;
  /** Levels by factor. */
  readonly factors: Readonly<Record<string, readonly string[]>>;
  readonly cells: readonly Cell[];
}

const recipe = (name: string): unknown =>
  parse(readFileSync(join(packageRoot(), 'recipes', 'study', `${name}.yaml`), 'utf8'));

export function readGrid(): Grid {
  const { seeds, core, centre, one_change } = recipe('grid') as GridFile;
  const combined = Object.entries(core).reduce<
    readonly { readonly levels: Record<string, string>; readonly values: Values }[]
  >(
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
  return { base: recipe('base') as Values, seeds, centre, factors, cells };
}
