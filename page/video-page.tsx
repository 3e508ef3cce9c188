/** The clip of a group at full size: every sampled frame with its time, the contact sheet, and what was said about it. */
import type { PageProps } from './app.tsx';
import { ClipView } from './clip-view.tsx';
import { AdvantageBar, advantageScale, Letters, QuestionText, VerdictBadge } from './completion-card.tsx';
import { NothingHere, SelectionBar, useSelection } from './selection.tsx';
import { LongText } from './text.tsx';

export function VideoPage(props: PageProps) {
  const selection = useSelection(props);
  const { group, path } = selection;
  return (
    <>
      <SelectionBar selection={selection} go={props.go} />
      <NothingHere selection={selection} />
      {group !== undefined && path !== undefined && (
        <div class="beside even">
          <ClipView path={path} isLarge />
          <div>
            <QuestionText group={group} />
            {group.completions.map((completion) => (
              <article
                key={`${path}/${completion.row}`}
                class={`card completion ${completion.verdict}`}
                aria-label={`Completion ${completion.row}`}
              >
                <header>
                  <VerdictBadge verdict={completion.verdict} />
                  <Letters answer={completion.answer} truth={group.truth} />
                  <AdvantageBar advantage={completion.advantage} scale={advantageScale(group)} />
                </header>
                <LongText text={completion.text} total={completion.num_chars} />
              </article>
            ))}
          </div>
        </div>
      )}
    </>
  );
}
