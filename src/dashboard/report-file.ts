/**
 * A run as one HTML file: the page itself with the answers of the API that it will ask for, for the whole run's curves and some of its
 * groups.
 */
import { DataError } from '../base/index.ts';
import type { Clip, EvaluationRows, StepList } from './api.ts';
import { standalonePage } from './page-files.ts';
import { apiRoutes } from './routes.ts';
import type { RunData } from './run-data.ts';
import type { Workspace } from './workspace.ts';

export interface ReportFileOptions {
  /** Steps whose completions stand in the file, spread evenly over the run. @default 8 */
  readonly steps?: number;
  /** Told of the steps that are read, and how many will be. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Points of a curve. */
const BUCKETS = 600;
/** Groups of a step that are shown. */
const GROUPS_A_STEP = 4;
/** Items of an evaluation that are shown, those that changed first. */
const NUM_ITEMS = 60;

/**
 * @returns the document
 * @throws DataError when the folder holds no run and no evaluation, or a file in it is damaged
 */
export async function reportFile(
  workspace: Workspace,
  { steps: numSteps = 8, onProgress = () => {} }: ReportFileOptions = {},
): Promise<string> {
  const api = apiRoutes(workspace);
  const answers: Record<string, unknown> = {};
  const ask = async <T>(path: string): Promise<T> => {
    const response = await api.request(path);
    const answer: unknown = await response.json();
    if (!response.ok) throw new DataError(`internal: ${path}: ${JSON.stringify(answer)}`);
    return answer as T;
  };
  const keep = async <T>(path: string, change: (answer: T) => T = (answer) => answer): Promise<T> => {
    const answer = change(await ask<T>(path));
    answers[path] = answer;
    return answer;
  };
  const listing = workspace.listing();
  const total = listing.runs.reduce(
    (sum, { id }) => sum + Math.min(numSteps, workspace.run(id).steps().length),
    0,
  );
  let done = 0;
  answers['/listing'] = { ...listing, runs: listing.runs.map((run) => ({ ...run, is_live: false })) };
  for (const { id } of listing.runs) {
    const run = workspace.run(id);
    const keys = run.metrics.keys.map(encodeURIComponent).join(',');
    answers[`/runs/${id}/series`] = await ask(`/runs/${id}/series?keys=${keys}&buckets=${BUCKETS}`);
    for (const name of ['verdict', 'alerts', 'about', 'weights']) await keep(`/runs/${id}/${name}`);
    const { steps } = await keep<StepList>(`/runs/${id}/steps`, ({ steps }) => ({
      steps: spread(steps, numSteps),
    }));
    for (const step of steps) {
      await keepStep(run, step, answers, keep, api);
      onProgress(++done, total);
    }
  }
  for (const { id } of listing.evaluations) {
    await keep(`/evaluations/${id}`);
    for (const other of [{ id: '' }, ...listing.evaluations]) {
      if (other.id === id) continue;
      const path = `/evaluations/${id}/rows?against=${other.id}`;
      const rows = await ask<EvaluationRows>(`${path}&limit=200`);
      const changed = rows.items.filter(({ change }) => change.startsWith('became'));
      const rest = rows.items.filter(({ change }) => change.startsWith('stayed'));
      answers[path] = { ...rows, items: [...changed, ...rest].slice(0, NUM_ITEMS) };
    }
  }
  const [first] = listing.runs;
  return standalonePage(`twgrpo: ${first?.name ?? listing.evaluations[0]?.name ?? 'report'}`, answers);
}

/** The groups of a step with the most varied rewards come first; they are those that teach. */
async function keepStep(
  run: RunData,
  step: number,
  answers: Record<string, unknown>,
  keep: (path: string) => Promise<unknown>,
  api: ReturnType<typeof apiRoutes>,
): Promise<void> {
  const view = run.step(step);
  const ordered = [...view.groups].sort((a, b) => Number(b.has_signal) - Number(a.has_signal));
  const groups = ordered.slice(0, GROUPS_A_STEP).sort((a, b) => a.group - b.group);
  answers[`/runs/${run.id}/steps/${step}`] = JSON.parse(JSON.stringify({ ...view, groups }));
  for (const { group } of groups) {
    const path = `/runs/${run.id}/steps/${step}/groups/${group}`;
    await keep(path);
    for (let [medium, count] = [0, 1]; medium < count; medium++) {
      const wish = medium === 0 ? '' : `?medium=${medium}`;
      const clip = await api.request(`${path}/clip${wish}`);
      const facts = (await clip.json()) as Clip;
      if (!clip.ok) {
        answers[`${path}/clip${wish}`] = { failed: facts };
        continue;
      }
      count = facts.num_media;
      answers[`${path}/clip${wish}`] = { ...facts, is_playable: false };
      const sheet = await api.request(`${path}/sheet.png${wish}`);
      const png = Buffer.from(await sheet.arrayBuffer()).toString('base64');
      answers[`${path}/sheet.png${wish}`] = `data:image/png;base64,${png}`;
    }
  }
}

function spread(steps: readonly number[], count: number): number[] {
  const places = Math.min(count, steps.length);
  return Array.from(
    { length: places },
    (_, i) => steps[places === 1 ? steps.length - 1 : Math.round((i * (steps.length - 1)) / (places - 1))]!,
  );
}
