/**
 * Every path under `/api`: reads, never writes. The same routes answer the page and, without a server, fill a report. What each
 * gives back stands in `api.ts`.
 */
import { type Context, Hono } from 'hono';
import { DataError, TwgrpoError } from '../base/index.ts';
import type { EvaluationEntry, EvaluationView } from './api.ts';
import {
  type ClipSource,
  type ClipWish,
  checkClip,
  clipOfGroup,
  clipOfRow,
  clipSheet,
  describeClip,
  mediaType,
} from './clips.ts';
import { CompletionIndex, type SearchQuery } from './completion-index.ts';
import { sendFile } from './media.ts';
import type { RunData } from './run-data.ts';
import { runVerdict } from './run-verdict.ts';
import { reduceSeries } from './series.ts';
import { weightSummary } from './weight-summary.ts';
import type { Workspace } from './workspace.ts';

/** Most points of a curve that may be asked for. */
const MAX_BUCKETS = 4000;
const MAX_PAGE = 200;

export function apiRoutes(workspace: Workspace): Hono {
  const api = new Hono();
  const indexes = new Map<string, CompletionIndex>();
  const summaries = new Map<
    string,
    { readonly mark: string; readonly summary: ReturnType<typeof weightSummary> }
  >();

  const runOf = (context: Context): RunData => {
    const run = workspace.run(context.req.param('run') ?? '');
    run.metrics.refresh();
    return run;
  };
  const groupOf = (context: Context): [run: RunData, step: number, group: number] => [
    runOf(context),
    wholeNumber(context, 'step'),
    wholeNumber(context, 'group'),
  ];
  const wishOf = (context: Context): ClipWish => ({
    medium: Math.trunc(queryNumber(context.req.query('medium'), 'medium') ?? 0),
    video_root: workspace.videoRoot,
  });
  const entryOf = (id: string): EvaluationEntry =>
    workspace.listing().evaluations.find((entry) => entry.id === id)!;

  api.get('/listing', (context) => context.json(workspace.listing()));

  api.get('/runs/:run/series', (context) => {
    const { keys = '', buckets, from, to } = context.req.query();
    const request = {
      keys: keys.split(',').filter((key) => key !== ''),
      buckets: Math.min(MAX_BUCKETS, queryNumber(buckets, 'buckets') ?? 600),
      from: queryNumber(from, 'from'),
      to: queryNumber(to, 'to'),
    };
    return context.json(reduceSeries(runOf(context).metrics, request));
  });
  api.get('/runs/:run/verdict', (context) => context.json(runVerdict(runOf(context))));
  api.get('/runs/:run/steps', (context) => context.json({ steps: runOf(context).steps() }));
  api.get('/runs/:run/alerts', (context) => context.json(runOf(context).alerts()));
  api.get('/runs/:run/about', (context) => context.json(runOf(context).about()));
  api.get('/runs/:run/weights', async (context) => {
    const run = runOf(context);
    const steps = run.steps();
    const mark = `${steps.length}/${steps.at(-1)}`;
    let known = summaries.get(run.id);
    if (known?.mark !== mark) {
      known = { mark, summary: weightSummary(run) };
      summaries.set(run.id, known);
    }
    return context.json(await known.summary);
  });
  api.get('/runs/:run/search', async (context) => {
    const run = runOf(context);
    const index = indexes.get(run.id) ?? new CompletionIndex(run);
    indexes.set(run.id, index);
    return context.json(await index.search(searchQuery(context)));
  });
  api.get('/runs/:run/steps/:step', (context) =>
    context.json(runOf(context).step(wholeNumber(context, 'step'))),
  );
  api.get('/runs/:run/steps/:step/groups/:group', (context) => {
    const [run, step, group] = groupOf(context);
    return context.json(run.groupTokens(step, group));
  });
  addClipRoutes(api, '/runs/:run/steps/:step/groups/:group', (context) =>
    clipOfGroup(...groupOf(context), wishOf(context)),
  );

  api.get('/evaluations/:evaluation', (context) => {
    const evaluation = workspace.evaluation(context.req.param('evaluation'));
    const view: EvaluationView = {
      entry: entryOf(evaluation.id),
      settings: evaluation.settings,
      accuracy: evaluation.accuracy(),
    };
    return context.json(view);
  });
  api.get('/evaluations/:evaluation/rows', (context) => {
    const evaluation = workspace.evaluation(context.req.param('evaluation'));
    const { against, change, q } = context.req.query();
    const other = against === undefined || against === '' ? undefined : workspace.evaluation(against);
    const named = other === undefined ? undefined : { name: entryOf(other.id).name, data: other };
    const query = { change: change === '' ? undefined : change, q, ...pageOf(context) };
    return context.json(evaluation.items(entryOf(evaluation.id).name, named, query));
  });
  addClipRoutes(api, '/evaluations/:evaluation/rows/:at', (context) => {
    const evaluation = workspace.evaluation(context.req.param('evaluation') ?? '');
    return clipOfRow(evaluation, wholeNumber(context, 'at'), workspace.runOf(evaluation), wishOf(context));
  });

  api.notFound((context) => context.json({ error: 'no such path' }, 404));
  api.onError((error, context) => {
    if (!(error instanceof TwgrpoError)) return context.json({ error: `internal: ${error.message}` }, 500);
    const { message, hint } = error;
    return context.json(
      hint === undefined ? { error: message } : { error: message, hint },
      error instanceof BadRequest ? 400 : 404,
    );
  });
  return api;
}

/** A request that no page of ours makes. */
class BadRequest extends DataError {}

/** Facts, file and contact sheet of the clip that `find` names; `?medium=1` is the second of a question. */
function addClipRoutes(api: Hono, path: string, find: (context: Context) => ClipSource): void {
  api.get(`${path}/clip`, async (context) => context.json(await describeClip(find(context))));
  api.get(`${path}/sheet.png`, async (context) => {
    const png = await clipSheet(find(context));
    return context.body(Uint8Array.from(png), 200, { 'content-type': 'image/png' });
  });
  api.get(`${path}/video`, (context) => {
    const file = checkClip(find(context));
    const type = mediaType(file);
    if (type === undefined) throw new DataError('this kind of file is not played by browsers');
    return sendFile(file, type, context.req.header('range'), context.req.method === 'HEAD');
  });
}

function wholeNumber(context: Context, name: string): number {
  const text = context.req.param(name) ?? '';
  if (!/^\d{1,9}$/.test(text)) throw new BadRequest(`${name}: expected a whole number`);
  return Number(text);
}

function queryNumber(text: string | undefined, name: string): number | undefined {
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new BadRequest(`${name}: expected a number from 0 on`);
  return value;
}

function pageOf(context: Context): { readonly offset: number; readonly limit: number } {
  const { offset, limit } = context.req.query();
  return {
    offset: queryNumber(offset, 'offset') ?? 0,
    limit: Math.min(MAX_PAGE, queryNumber(limit, 'limit') ?? 30),
  };
}

function searchQuery(context: Context): SearchQuery {
  const query = context.req.query();
  const oneOf = <T extends string>(name: string, values: readonly T[]): T | undefined => {
    const value = query[name];
    if (value === undefined || value === '') return undefined;
    const found = values.find((known) => known === value);
    if (found === undefined) throw new BadRequest(`${name}: expected one of ${values.join(', ')}`);
    return found;
  };
  const label = query['label'];
  return {
    q: query['q'] ?? '',
    sort: oneOf('sort', ['step', 'reward', 'advantage', 'length']) ?? 'step',
    order: oneOf('order', ['ascending', 'descending']) ?? 'descending',
    verdict: oneOf('verdict', ['right', 'partly', 'wrong', 'unread']),
    type: oneOf('type', ['single', 'multiple']),
    signal: oneOf('signal', ['with', 'without']),
    label: label === '' ? undefined : label,
    ...pageOf(context),
  };
}
