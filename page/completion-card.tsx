/** A completion with what it earned: its letters, each reward, its advantage as a bar. */
import type { ComponentChildren } from 'preact';
import type { CompletionView, GroupView } from '../src/dashboard/api.ts';
import { visibleText } from '../src/dashboard/visible-text.ts';
import { formatNumber } from './format.ts';
import { LongText } from './text.tsx';

const VERDICTS: Readonly<Record<CompletionView['verdict'], readonly [mark: string, words: string]>> = {
  right: ['✓', 'right'],
  partly: ['◐', 'right in part'],
  wrong: ['✕', 'wrong'],
  unread: ['?', 'unreadable'],
};

export function VerdictBadge({ verdict }: Pick<CompletionView, 'verdict'>) {
  const [mark, words] = VERDICTS[verdict];
  return (
    <span class={`verdict-badge ${verdict}`}>
      <span aria-hidden="true">{mark}</span> {words}
    </span>
  );
}

/** Letters that were named, each right or wrong, and those that are missing. */
export function Letters({
  answer,
  truth,
}: {
  readonly answer: readonly string[] | null;
  readonly truth: readonly string[];
}) {
  if (answer === null) return <span class="soft">no answer</span>;
  return (
    <span class="letters">
      {answer.map((letter) => (
        <b key={letter} class={truth.includes(letter) ? 'hit' : 'miss'}>
          <span class="sr-only">{truth.includes(letter) ? 'right: ' : 'wrong: '}</span>
          {visibleText(letter)}
        </b>
      ))}
      {truth
        .filter((letter) => !answer.includes(letter))
        .map((letter) => (
          <b key={letter} class="absent">
            <span class="sr-only">missing: </span>
            {visibleText(letter)}
          </b>
        ))}
    </span>
  );
}

/** @param scale advantage of a full bar */
export function AdvantageBar({
  advantage,
  scale,
}: {
  readonly advantage: number | null;
  readonly scale: number;
}) {
  const share = advantage === null || scale === 0 ? 0 : Math.max(-1, Math.min(1, advantage / scale));
  return (
    <span class="advantage">
      <span class="bar" aria-hidden="true">
        <span
          class={share < 0 ? 'down' : 'up'}
          style={{ width: `${50 * Math.abs(share)}%`, left: share < 0 ? `${50 + 50 * share}%` : '50%' }}
        />
      </span>
      <span class="num">
        {advantage !== null && advantage > 0 ? '+' : ''}
        {formatNumber(advantage)}
      </span>
    </span>
  );
}

export function CompletionCard({
  completion,
  truth,
  scale,
  href,
}: {
  readonly completion: CompletionView;
  readonly truth: GroupView['truth'];
  readonly scale: number;
  /** Where its tokens are shown. */
  readonly href: string;
}) {
  const { row, text, num_chars, answer, verdict, rewards, reward, advantage, length, truncated } = completion;
  return (
    <article class={`card completion ${verdict}`} aria-label={`Completion ${row}`}>
      <header>
        <VerdictBadge verdict={verdict} />
        <Letters answer={answer} truth={truth} />
        <a href={href} class="soft">
          tokens of {row}
        </a>
      </header>
      <LongText text={text} total={num_chars} />
      <footer>
        <AdvantageBar advantage={advantage} scale={scale} />
        <span>
          reward <b class="num">{formatNumber(reward)}</b>
        </span>
        {Object.entries(rewards).map(([name, value]) => (
          <span key={name} class="soft">
            {visibleText(name)} <span class="num">{formatNumber(value)}</span>
          </span>
        ))}
        <span class="soft">
          {length} tokens{truncated ? ', cut off' : ''}
        </span>
      </footer>
    </article>
  );
}

/** The greatest advantage of a group, either way. */
export function advantageScale({ completions }: GroupView): number {
  return Math.max(0, ...completions.map(({ advantage }) => Math.abs(advantage ?? 0)));
}

export function QuestionText({ group }: { readonly group: GroupView }) {
  const { problem, truth, labels, item, has_signal } = group;
  return (
    <section class="question" aria-label="Question">
      <LongText text={problem} />
      <p class="facts">
        right: <b>{truth.map(visibleText).join(', ')}</b>
        <span class="soft">{visibleText(item)}</span>
        {Object.entries(labels).map(([name, value]) => (
          <span key={name} class="tag">
            {visibleText(name)}: {visibleText(value)}
          </span>
        ))}
        {!has_signal && <span class="badge">all rewards equal: no signal</span>}
      </p>
    </section>
  );
}

/** A completion as a card: what it earned in its head, its text below. */
export function CompletionArticle({
  completion,
  group,
  facts,
  children,
}: {
  readonly completion: CompletionView;
  readonly group: GroupView;
  /** More for its head. */
  readonly facts?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  return (
    <article class={`card completion ${completion.verdict}`} aria-label={`Completion ${completion.row}`}>
      <header>
        <VerdictBadge verdict={completion.verdict} />
        <Letters answer={completion.answer} truth={group.truth} />
        <AdvantageBar advantage={completion.advantage} scale={advantageScale(group)} />
        {facts}
      </header>
      {children}
    </article>
  );
}
