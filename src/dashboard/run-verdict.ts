/** The verdict on a run, from its folder. */
import type { Verdict } from './api.ts';
import type { RunData } from './run-data.ts';
import { verdict } from './verdict.ts';

/** Steps at each end whose completions are looked at. */
const VERDICT_STEPS = 3;

/** @throws DataError for a damaged file */
export function runVerdict(run: RunData): Verdict {
  const steps = run.steps();
  const recordsOf = (some: readonly number[]) => some.flatMap((step) => run.completions(step));
  return verdict({
    column: (key) => run.metrics.column(key),
    first: recordsOf(steps.slice(0, VERDICT_STEPS)),
    last: recordsOf(steps.slice(VERDICT_STEPS).slice(-VERDICT_STEPS)),
  });
}
