/** A card whose content may be wider than the screen: it scrolls, with the keyboard too. */
import type { ComponentChildren } from 'preact';

export function Scroll({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without a mouse it is scrolled by the arrow keys
    <section class="card scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
