/** Steps through a list that comes a page at a time. */
export function Pager({
  offset,
  size,
  total,
  go,
}: {
  /** Place of the first entry shown, from 0. */
  readonly offset: number;
  /** Entries of a page. */
  readonly size: number;
  readonly total: number;
  readonly go: (offset: number) => void;
}) {
  if (total <= size) return null;
  return (
    <p class="pager">
      <button type="button" disabled={offset === 0} onClick={() => go(Math.max(0, offset - size))}>
        before
      </button>
      <span class="num">
        {offset + 1}–{Math.min(total, offset + size)} of {total.toLocaleString('en')}
      </span>
      <button type="button" disabled={offset + size >= total} onClick={() => go(offset + size)}>
        next
      </button>
    </p>
  );
}
