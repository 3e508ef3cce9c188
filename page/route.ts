/** What is looked at, kept in the address behind `#`, so that every view has a link of its own and Back works. */
import { useEffect, useState } from 'preact/hooks';

export const PAGES = ['overview', 'groups', 'tokens', 'video', 'evaluation', 'run', 'alerts'] as const;
export type PageName = (typeof PAGES)[number];

export interface Route {
  readonly page: PageName;
  readonly values: Readonly<Record<string, string>>;
}

function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const page = PAGES.find((name) => name === path) ?? 'overview';
  return { page, values: Object.fromEntries(new URLSearchParams(query)) };
}

/** A link to a page; values of undefined and '' are left out. */
export function hrefOf(
  page: PageName,
  values: Readonly<Record<string, string | number | undefined>>,
): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values))
    if (value !== undefined && value !== '') query.set(key, String(value));
  const text = query.toString();
  return `#/${page}${text === '' ? '' : `?${text}`}`;
}

/** The present route, and a way to change some of its values without leaving the page. */
export function useRoute(): [Route, (values: Readonly<Record<string, string | number | undefined>>) => void] {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const update = () => setRoute(parse(location.hash));
    addEventListener('hashchange', update);
    return () => removeEventListener('hashchange', update);
  }, []);
  const change = (values: Readonly<Record<string, string | number | undefined>>) => {
    const now = parse(location.hash);
    history.replaceState(null, '', hrefOf(now.page, { ...now.values, ...values }));
    setRoute(parse(location.hash));
  };
  return [route, change];
}
