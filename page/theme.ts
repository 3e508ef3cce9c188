/** Light or dark: as the system has it, or as the reader chose. */
import { useEffect, useState } from 'preact/hooks';

export type Theme = 'light' | 'dark';

const KEY = 'twgrpo-theme';
const query = matchMedia('(prefers-color-scheme: dark)');

function current(): Theme {
  const chosen = document.documentElement.dataset['theme'];
  return chosen === 'light' || chosen === 'dark' ? chosen : query.matches ? 'dark' : 'light';
}

try {
  const saved = localStorage.getItem(KEY);
  if (saved !== null) document.documentElement.dataset['theme'] = saved;
} catch {
  // A file opened from disk may have no storage; then the system decides.
}

export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState<Theme>(current);
  useEffect(() => {
    const update = () => setTheme(current());
    query.addEventListener('change', update);
    return () => query.removeEventListener('change', update);
  }, []);
  const toggle = () => {
    const next = current() === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset['theme'] = next;
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // As above: the choice then lasts until the page is closed.
    }
    setTheme(next);
  };
  return [theme, toggle];
}

/** Colours of runs: the Okabe-Ito palette, lighter on dark. */
export const RUN_COLORS: Readonly<Record<Theme, readonly string[]>> = {
  light: ['#0072b2', '#c75000', '#007f5c', '#a8528a', '#8a6d00', '#4a5568'],
  dark: ['#56b4e9', '#f0925a', '#3ccf9e', '#e3a1c9', '#e6c84b', '#a9b4c4'],
};
