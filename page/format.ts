/** Numbers and times as people read them. */

export type Unit = 'number' | 'percent' | 'tokens' | 'nats' | 'seconds' | 'bytes';

export function formatNumber(value: number | null | undefined, unit: Unit = 'number'): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (unit === 'percent') return `${trim(100 * value)} %`;
  if (unit === 'bytes') return formatBytes(value);
  const text = trim(value);
  return unit === 'seconds' ? `${text} s` : text;
}

function trim(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e7)) return value.toExponential(2);
  return size >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

/** `38 s`, `4 min`, `5.2 h` */
export function formatDuration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let [value, at] = [bytes, 0];
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  return `${Number(value.toPrecision(3))} ${units[at]}`;
}
