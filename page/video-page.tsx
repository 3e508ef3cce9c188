/** The clip of a group at full size: every sampled frame with its time, the contact sheet, and what was said about it. */
import type { PageProps } from './app.tsx';
import { ClipView } from './clip-view.tsx';
import { CompletionArticle, QuestionText } from './completion-card.tsx';
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
              <CompletionArticle key={`${path}/${completion.row}`} completion={completion} group={group}>
                <LongText text={completion.text} total={completion.num_chars} />
              </CompletionArticle>
            ))}
          </div>
        </div>
      )}
    </>
  );
}
