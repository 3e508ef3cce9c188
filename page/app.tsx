/** The frame of the page: which runs, which page, light or dark. Asks every few seconds whether a run has gone on. */
import { useEffect, useState } from 'preact/hooks';
import type { Listing, RunEntry } from '../src/dashboard/api.ts';
import { AlertsPage } from './alerts-page.tsx';
import { Dot } from './chart.tsx';
import { EvaluationPage } from './evaluation-page.tsx';
import { GroupsPage } from './groups-page.tsx';
import { Overview } from './overview.tsx';
import { hrefOf, PAGES, type PageName, type Route, useRoute } from './route.ts';
import { RunPage } from './run-page.tsx';
import { isReport } from './source.ts';
import { RUN_COLORS, type Theme, useTheme } from './theme.ts';
import { TokensPage } from './tokens-page.tsx';
import { useAnswer } from './use-answer.ts';
import { VideoPage } from './video-page.tsx';

const TITLES: Readonly<Record<PageName, string>> = {
  overview: 'Overview',
  groups: 'Groups',
  tokens: 'Tokens',
  video: 'Video',
  evaluation: 'Evaluation',
  run: 'Run',
  alerts: 'Alerts',
};
const POLL_MS = 3000;

/** What every page is given. */
export interface PageProps {
  readonly listing: Listing;
  /** Runs that are overlaid, the one in front first, with their colours. */
  readonly runs: readonly ShownRun[];
  readonly route: Route;
  readonly go: (values: Readonly<Record<string, string | number | undefined>>) => void;
  readonly theme: Theme;
}

export interface ShownRun extends RunEntry {
  readonly color: string;
}

function useClock(isOn: boolean): string {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    if (!isOn) return;
    const timer = setInterval(() => {
      if (!document.hidden) setTick((now) => now + 1);
    }, POLL_MS);
    return () => clearInterval(timer);
  }, [isOn]);
  return String(tick);
}

export function App() {
  const tick = useClock(!isReport);
  const { data: listing, error } = useAnswer<Listing>('/listing', tick);
  const [route, go] = useRoute();
  const [theme, toggleTheme] = useTheme();
  useEffect(() => {
    document.title = `${TITLES[route.page]} · twgrpo`;
  }, [route.page]);
  if (listing === undefined)
    return <main class="empty">{error === undefined ? 'Looking for runs…' : error.message}</main>;
  const runs = shownRuns(listing, route, theme);
  const props: PageProps = { listing, runs, route, go, theme };
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        To the content
      </button>
      <header>
        <span class="brand">
          <svg viewBox="0 0 16 16" width="22" height="22" aria-hidden="true">
            <rect width="16" height="16" rx="4" fill="#0072B2" />
            <path d="M2 12 6 7l3 3 5-7" fill="none" stroke="#fff" stroke-width="1.8" />
          </svg>
          twgrpo
        </span>
        <nav aria-label="Pages">
          {PAGES.map((page) => (
            <a
              key={page}
              href={hrefOf(page, route.values)}
              aria-current={page === route.page ? 'page' : undefined}
            >
              {TITLES[page]}
            </a>
          ))}
        </nav>
        <span class="tools">
          {error !== undefined && <span class="badge bad">no connection</span>}
          <button
            type="button"
            class="icon"
            onClick={toggleTheme}
            aria-label={theme === 'dark' ? 'Light colours' : 'Dark colours'}
          >
            {theme === 'dark' ? '☀' : '☾'}
          </button>
        </span>
      </header>
      {listing.runs.length > 0 && <RunBar {...props} />}
      <main id="main" tabIndex={-1}>
        <h1 class="sr-only">{TITLES[route.page]}</h1>
        <Page {...props} />
      </main>
      <footer class="soft">
        twgrpo {listing.version}
        {isReport ? ' · a report: curves of the whole run, a choice of its completions' : ''}
      </footer>
    </>
  );
}

function Page(props: PageProps) {
  const { page } = props.route;
  if (page === 'evaluation') return <EvaluationPage {...props} />;
  if (props.runs.length === 0)
    return <p class="empty">There is no run here, only evaluations: see the page Evaluation.</p>;
  if (page === 'groups') return <GroupsPage {...props} />;
  if (page === 'tokens') return <TokensPage {...props} />;
  if (page === 'video') return <VideoPage {...props} />;
  if (page === 'run') return <RunPage {...props} />;
  if (page === 'alerts') return <AlertsPage {...props} />;
  return <Overview {...props} />;
}

/** The run in front is `run` of the route, or the newest; `with` names others, by comma. */
function shownRuns(listing: Listing, { values }: Route, theme: Theme): ShownRun[] {
  const ids = [values['run'] ?? '', ...(values['with'] ?? '').split(',')];
  const chosen = ids.flatMap((id) => listing.runs.filter((run) => run.id === id));
  const shown = chosen.length > 0 ? [...new Set(chosen)] : listing.runs.slice(0, 1);
  const colors = RUN_COLORS[theme];
  return shown.map((run, i) => ({ ...run, color: colors[i % colors.length]! }));
}

function RunBar({ listing, runs, go }: PageProps) {
  const [front, ...others] = runs;
  const toggle = (id: string) => {
    const rest = others.map((run) => run.id);
    const next = rest.includes(id) ? rest.filter((one) => one !== id) : [...rest, id];
    go({ run: front?.id, with: next.join(',') });
  };
  return (
    <section class="runs" aria-label="Runs">
      <label>
        <span class="soft">run</span>{' '}
        <select
          value={front?.id}
          onChange={(event) =>
            go({ run: event.currentTarget.value, step: undefined, group: undefined, row: undefined })
          }
        >
          {listing.runs.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {front !== undefined && <Progress run={front} />}
      {listing.runs.length > 1 && (
        <details class="overlay">
          <summary>{others.length === 0 ? 'compare with…' : `with ${others.length} more`}</summary>
          <div class="card">
            {listing.runs
              .filter(({ id }) => id !== front?.id)
              .map(({ id, name }) => {
                const shown = others.find((run) => run.id === id);
                return (
                  <label key={id}>
                    <input type="checkbox" checked={shown !== undefined} onChange={() => toggle(id)} />{' '}
                    {shown !== undefined && <Dot color={shown.color} />}
                    {name}
                  </label>
                );
              })}
          </div>
        </details>
      )}
    </section>
  );
}

function Progress({ run }: { readonly run: ShownRun }) {
  const { last_step, max_steps, is_live } = run;
  return (
    <span class="soft">
      {is_live && <span class="badge live">live</span>} step {last_step.toLocaleString('en')}
      {max_steps !== null && ` of ${max_steps.toLocaleString('en')}`}
    </span>
  );
}
