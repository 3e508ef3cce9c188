/** Which step and which group is looked at: a slider over every step that has completions, and the groups of that step. */
import { useEffect } from 'preact/hooks';
import type { GroupView, StepList, StepView } from '../src/dashboard/api.ts';
import type { PageProps } from './app.tsx';
import { formatNumber } from './format.ts';
import { type Answer, useAnswer } from './use-answer.ts';

export interface Selection {
  readonly run: string;
  readonly steps: readonly number[];
  readonly step: number | undefined;
  readonly groups: readonly GroupView[];
  readonly group: GroupView | undefined;
  readonly error: Answer<StepView>['error'];
  /** Path of the group in the API. */
  readonly path: string | undefined;
}

/** The step and group that the route names; the newest step and its first group with a signal where it names none. */
export function useSelection({ runs, route }: PageProps): Selection {
  const run = runs[0]!;
  const list = useAnswer<StepList>(`/runs/${run.id}/steps`, run.revision);
  const steps = list.data?.steps ?? [];
  const wished = Number(route.values['step'] ?? Number.NaN);
  const step = steps.includes(wished) ? wished : nearest(steps, wished);
  const view = useAnswer<StepView>(step === undefined ? undefined : `/runs/${run.id}/steps/${step}`);
  const groups = view.data?.groups ?? [];
  const named = groups.find(({ group }) => String(group) === route.values['group']);
  const group = named ?? groups.find(({ has_signal }) => has_signal) ?? groups[0];
  return {
    run: run.id,
    steps,
    step,
    groups,
    group,
    error: list.error ?? view.error,
    path: group === undefined ? undefined : `/runs/${run.id}/steps/${group.step}/groups/${group.group}`,
  };
}

function nearest(steps: readonly number[], wished: number): number | undefined {
  if (Number.isNaN(wished)) return steps.at(-1);
  return steps.findLast((step) => step <= wished) ?? steps[0];
}

export function SelectionBar({
  selection,
  go,
}: {
  readonly selection: Selection;
  readonly go: PageProps['go'];
}) {
  const { steps, step, groups, group } = selection;
  const at = step === undefined ? -1 : steps.indexOf(step);
  const move = (place: number) => {
    const next = steps[Math.max(0, Math.min(steps.length - 1, place))];
    if (next !== undefined) go({ step: next, row: undefined });
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLElement && /^(?:INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName))
        return;
      if (event.key === '[') move(at - 1);
      if (event.key === ']') move(at + 1);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });
  if (steps.length === 0) return null;
  return (
    <section class="selection card" aria-label="Step and group">
      <div class="slider">
        <button
          type="button"
          class="icon"
          onClick={() => move(at - 1)}
          disabled={at <= 0}
          aria-label="Step before (key [)"
        >
          ‹
        </button>
        <input
          type="range"
          min="0"
          max={steps.length - 1}
          value={at}
          aria-label="Step"
          aria-valuetext={`step ${step}`}
          onInput={(event) => move(Number(event.currentTarget.value))}
        />
        <button
          type="button"
          class="icon"
          onClick={() => move(at + 1)}
          disabled={at >= steps.length - 1}
          aria-label="Next step (key ])"
        >
          ›
        </button>
        <label>
          step{' '}
          <input
            type="number"
            class="step"
            min={steps[0]}
            max={steps.at(-1)}
            value={step}
            onChange={(event) => go({ step: event.currentTarget.value, row: undefined })}
          />{' '}
          <span class="soft">of {steps.at(-1)}</span>
        </label>
      </div>
      <fieldset class="group-tabs">
        <legend class="sr-only">Groups of this step</legend>
        {groups.map((one) => (
          <label
            key={one.group}
            class={one.has_signal ? '' : 'dull'}
            title={one.has_signal ? one.item : `${one.item}: all rewards equal, no signal`}
          >
            <input
              type="radio"
              name="group"
              checked={one.group === group?.group}
              onChange={() => go({ group: one.group, row: undefined })}
            />
            <span>
              {one.group} <small>{formatNumber(meanReward(one))}</small>
            </span>
          </label>
        ))}
      </fieldset>
    </section>
  );
}

function meanReward({ completions }: GroupView): number | null {
  const rewards = completions.flatMap(({ reward }) => (reward === null ? [] : [reward]));
  return rewards.length === 0 ? null : rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
}

/** Why there is nothing to see. */
export function NothingHere({ selection }: { readonly selection: Selection }) {
  const { error, steps } = selection;
  if (error !== undefined) return <Failure error={error} />;
  return steps.length > 0 ? null : (
    <p class="empty">
      No completions are recorded: the run has not finished a step, or was made with log_completions: false.
    </p>
  );
}

export function Failure({ error }: { readonly error: NonNullable<Answer<unknown>['error']> }) {
  return (
    <p class="empty">
      {error.message}
      {error.hint !== undefined && <small>{error.hint}</small>}
    </p>
  );
}
