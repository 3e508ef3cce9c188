/** What became of the answers over the run: how they were judged, step by step, and which option letters were named rightly, wrongly, or missed. */
import type { LetterCounts, StepOutcomes, WeightSummary } from '../src/dashboard/api.ts';
import { visibleText } from '../src/dashboard/visible-text.ts';
import { Scroll } from './scroll.tsx';
import { useAnswer } from './use-answer.ts';

const VERDICTS = [
  ['right', 'right'],
  ['partly', 'right in part'],
  ['wrong', 'wrong'],
  ['unread', 'unreadable'],
] as const;
const LETTERS = [
  ['hit', 'named rightly', 'right'],
  ['wrong', 'named wrongly', 'wrong'],
  ['missed', 'missed', 'partly'],
] as const;

const percent = (value: number) => `${(100 * value).toFixed(0)} %`;

export function AnswersOverRun({ run, revision }: { readonly run: string; readonly revision: string }) {
  const { data } = useAnswer<WeightSummary>(`/runs/${run}/weights`, revision);
  if (data === undefined || data.outcomes.length < 2) return null;
  const third = Math.max(1, Math.floor(data.outcomes.length / 3));
  const [early, late] = [data.outcomes.slice(0, third), data.outcomes.slice(-third)];
  return (
    <section class="over-run">
      <h2>Answers over the run</h2>
      <Verdicts summary={data} early={early} late={late} />
      <Letters early={early} late={late} />
    </section>
  );
}

interface Thirds {
  readonly early: readonly StepOutcomes[];
  readonly late: readonly StepOutcomes[];
}

function Verdicts({ summary, early, late }: { readonly summary: WeightSummary } & Thirds) {
  const { steps, outcomes } = summary;
  const shareOf = (some: readonly StepOutcomes[], name: (typeof VERDICTS)[number][0]) => {
    const all = some.reduce((sum, { verdicts }) => sum + VERDICTS.reduce((n, [v]) => n + verdicts[v], 0), 0);
    return some.reduce((sum, { verdicts }) => sum + verdicts[name], 0) / Math.max(1, all);
  };
  const told = VERDICTS.map(
    ([name, words]) => `${words} ${percent(shareOf(early, name))} → ${percent(shareOf(late, name))}`,
  );
  return (
    <figure class="card chart wide">
      <figcaption>
        <h3>How answers were judged</h3>
      </figcaption>
      <svg
        class="outcomes"
        viewBox={`0 0 ${outcomes.length} 1`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`From step ${steps[0]} to ${steps.at(-1)}: ${told.join(', ')}`}
      >
        {outcomes.map((outcome, x) => {
          let y = 1;
          return VERDICTS.map(([name]) => {
            const height = shareOf([outcome], name);
            y -= height;
            return <rect key={`${x}/${name}`} class={name} x={x} y={y} width={1.02} height={height} />;
          });
        })}
      </svg>
      <p class="ends soft num">
        <span>step {steps[0]}</span>
        <span>step {steps.at(-1)}</span>
      </p>
      <dl class="legend">
        {VERDICTS.map(([name, words], i) => (
          <div key={name}>
            <dt>
              <span class={`dot ${name}`} aria-hidden="true" />
              {words}
            </dt>
            <dd class="num">{told[i]!.slice(words.length + 1)}</dd>
          </div>
        ))}
      </dl>
      <p class="note">First third of the run against its last; {steps.length} steps spread over it.</p>
    </figure>
  );
}

function Letters({ early, late }: Thirds) {
  const letters = [...new Set([...early, ...late].flatMap((one) => Object.keys(one.letters)))].sort();
  if (letters.length === 0) return null;
  return (
    <Scroll label="Option letters">
      <h3>Which letters</h3>
      <table class="plain letter-bars">
        <thead>
          <tr>
            <th scope="col">letter</th>
            <th scope="col">first third</th>
            <th scope="col">last third</th>
            {LETTERS.map(([name, words]) => (
              <th key={name} scope="col" class="num">
                {words}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {letters.map((letter) => {
            const [first, last] = [countsOf(early, letter), countsOf(late, letter)];
            return (
              <tr key={letter}>
                <th scope="row">{visibleText(letter)}</th>
                {[first, last].map((counts, i) => (
                  <td key={i}>
                    <span class="phases" aria-hidden="true">
                      {LETTERS.map(([name, , style]) => (
                        <span key={name} class={style} style={{ flexGrow: counts[name] }} />
                      ))}
                    </span>
                  </td>
                ))}
                {LETTERS.map(([name]) => (
                  <td key={name} class="num">
                    {shareIn(first, name)} → {shareIn(last, name)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

function countsOf(outcomes: readonly StepOutcomes[], letter: string): LetterCounts {
  const sum = (name: keyof LetterCounts) =>
    outcomes.reduce((all, { letters }) => all + (letters[letter]?.[name] ?? 0), 0);
  return { hit: sum('hit'), wrong: sum('wrong'), missed: sum('missed') };
}

function shareIn(counts: LetterCounts, name: keyof LetterCounts): string {
  const all = counts.hit + counts.wrong + counts.missed;
  return all === 0 ? '–' : percent(counts[name] / all);
}
