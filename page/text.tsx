/** Texts of models and data files: always text, whatever they hold; long ones fold. */
import { useState } from 'preact/hooks';
import { visibleText } from '../src/dashboard/visible-text.ts';

/** Shown before anybody asks for more. */
const SHORT = 700;

/** A text that folds when it is long. */
export function LongText({ text, total = text.length }: { readonly text: string; readonly total?: number }) {
  const [isOpen, setOpen] = useState(false);
  const isLong = text.length > SHORT + 100;
  const shown = isOpen || !isLong ? text : text.slice(0, SHORT);
  return (
    <div class="long-text">
      <bdi class="model-text" dir="ltr">
        {visibleText(shown)}
      </bdi>
      {isLong && (
        <button type="button" class="link" onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'show less' : `show all ${total.toLocaleString('en')} characters`}
        </button>
      )}
      {isOpen && total > text.length && (
        <p class="note">
          cut at {text.length.toLocaleString('en')} of {total.toLocaleString('en')} characters; the token view
          has all
        </p>
      )}
    </div>
  );
}
