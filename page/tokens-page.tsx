/** Where the loss looks: a group's tokens in the colour of their weight, the weight by position, and over the run by position and word. */
import { useMemo } from 'preact/hooks';
import type { GroupTokens, WeightSummary } from '../src/dashboard/api.ts';
import { visibleText } from '../src/dashboard/visible-text.ts';
import type { PageProps } from './app.tsx';
import { Chart } from './chart.tsx';
import { CompletionArticle, QuestionText } from './completion-card.tsx';
import { type ChartSpec, seriesOf } from './curves.ts';
import { formatNumber } from './format.ts';
import { HeatText } from './heat-text.tsx';
import { PositionChart, PositionMap } from './position-charts.tsx';
import { Scroll } from './scroll.tsx';
import { Failure, NothingHere, SelectionBar, useSelection } from './selection.tsx';
import { LongText } from './text.tsx';
import { decodeTokens, HEAT_WORDS, HEATS, type Heat, scaleOf } from './token-values.ts';
import { useAnswer } from './use-answer.ts';

export function TokensPage(props: PageProps) {
  const { route, go, runs, theme } = props;
  const selection = useSelection(props);
  const { data, error, path } = useAnswer<GroupTokens>(selection.path);
  const heat = HEATS.find((name) => name === route.values['heat']) ?? 'weight';
  const isShown = data !== undefined && (path === selection.path || selection.path === undefined);
  return (
    <>
      <SelectionBar selection={selection} go={go} />
      <NothingHere selection={selection} />
      {error !== undefined && <Failure error={error} />}
      {isShown && <Group key={path} data={data} heat={heat} props={props} />}
      <RunWeights run={runs[0]!.id} revision={runs[0]!.revision} theme={theme} />
    </>
  );
}

function Group({
  data,
  heat,
  props,
}: {
  readonly data: GroupTokens;
  readonly heat: Heat;
  readonly props: PageProps;
}) {
  const { group, weight_max } = data;
  const { route, go, theme } = props;
  const rows = useMemo(() => data.tokens?.map(decodeTokens) ?? [], [data]);
  const scale = useMemo(
    () =>
      scaleOf(
        rows,
        weight_max,
        group.completions.map(({ advantage }) => advantage),
      ),
    [rows, weight_max, group],
  );
  const wished = route.values['row'];
  const completions = [...group.completions].sort(
    (a, b) =>
      Number(String(b.row) === wished) - Number(String(a.row) === wished) ||
      (b.reward ?? -1) - (a.reward ?? -1),
  );
  return (
    <>
      <h2 class="sr-only">The tokens of this group</h2>
      <QuestionText group={group} />
      <fieldset class="segments">
        <legend class="sr-only">What colours the tokens</legend>
        {HEATS.map((name) => (
          <label key={name}>
            <input type="radio" name="heat" checked={name === heat} onChange={() => go({ heat: name })} />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      <p class="note">Colour: {HEAT_WORDS[heat]}. ■ is the end token.</p>
      {data.tokens === null && (
        <p class="empty">
          The run wrote no token file for this step: the texts are shown without their numbers.
        </p>
      )}
      <div class="token-cards">
        {completions.map((completion) => {
          const tokens = rows.find(({ row }) => row === completion.row);
          return (
            <CompletionArticle
              key={completion.row}
              completion={completion}
              group={group}
              facts={
                <>
                  <span>
                    reward <b class="num">{formatNumber(completion.reward)}</b>
                  </span>
                  <span class="soft num">
                    {completion.row} · {completion.length} tokens
                  </span>
                </>
              }
            >
              {tokens === undefined ? (
                <LongText text={completion.text} total={completion.num_chars} />
              ) : (
                <HeatText
                  text={completion.text}
                  tokens={tokens}
                  advantage={completion.advantage}
                  heat={heat}
                  scale={scale}
                  theme={theme}
                />
              )}
            </CompletionArticle>
          );
        })}
      </div>
      {rows.length > 0 && <PositionChart rows={rows} theme={theme} />}
    </>
  );
}

/** Rows of each list of words. */
const NUM_WORDS = 14;

function RunWeights({
  run,
  revision,
  theme,
}: { readonly run: string; readonly revision: string } & Pick<PageProps, 'theme'>) {
  const { data, error } = useAnswer<WeightSummary>(`/runs/${run}/weights`, revision);
  if (error !== undefined) return <Failure error={error} />;
  if (data === undefined || data.steps.length === 0) return null;
  const { words } = data;
  const half = Math.min(NUM_WORDS, Math.ceil(words.length / 2));
  return (
    <section class="over-run">
      <h2>Over the run</h2>
      <PositionMap summary={data} theme={theme} />
      <TopShare summary={data} theme={theme} />
      {words.length > 0 && (
        <div class="sides">
          <WordTable title="Words that earn most weight" words={words.slice(0, half)} />
          <WordTable title="…and least" words={words.slice(-half).reverse()} />
        </div>
      )}
    </section>
  );
}

const TOP_SHARE: ChartSpec = {
  title: 'Loss on the fifth of tokens with most weight',
  unit: 'percent',
  keys: [
    { key: 'weighted', label: 'as trained' },
    { key: 'plain', label: 'the same tokens in plain GRPO (alpha = 1)' },
  ],
  include: [0],
  about:
    'Share of |advantage| times weight that the 20 % of tokens with the greatest weights of a step have.',
};

function TopShare({ summary, theme }: { readonly summary: WeightSummary } & Pick<PageProps, 'theme'>) {
  const { steps, top_share: weighted, top_share_plain: plain } = summary;
  const runs = useMemo(
    () => [{ name: 'run', color: '', series: seriesOf(steps, { weighted, plain }) }],
    [summary],
  );
  if (weighted.every((share) => share === null)) return null;
  return (
    <div class="charts">
      <Chart spec={TOP_SHARE} runs={runs} view={{ axis: 'step', smoothing: 0, isLog: false, theme }} />
    </div>
  );
}

function WordTable({ title, words }: { readonly title: string; readonly words: WeightSummary['words'] }) {
  return (
    <Scroll label={title}>
      <h3>{title}</h3>
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">word</th>
            <th scope="col" class="num">
              mean weight
            </th>
            <th scope="col" class="num">
              first third
            </th>
            <th scope="col" class="num">
              last third
            </th>
            <th scope="col" class="num">
              seen
            </th>
          </tr>
        </thead>
        <tbody>
          {words.map(({ word, mean, early, late, count }) => (
            <tr key={word}>
              <th scope="row">
                <code>{visibleText(word)}</code>
              </th>
              <td class="num strong">{mean.toFixed(3)}</td>
              <td class="num">{early?.toFixed(3) ?? '–'}</td>
              <td class="num">{late?.toFixed(3) ?? '–'}</td>
              <td class="num soft">{count}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
