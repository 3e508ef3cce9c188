/** Every completion of every step: the G answers to one prompt side by side, beside their clip; and a search through all of them. */
import { useState } from 'preact/hooks';
import type { Hit, SearchResult } from '../src/dashboard/api.ts';
import { visibleText } from '../src/dashboard/visible-text.ts';
import { AnswersOverRun } from './answers-over-run.tsx';
import type { PageProps } from './app.tsx';
import { ClipView } from './clip-view.tsx';
import {
  AdvantageBar,
  advantageScale,
  CompletionCard,
  QuestionText,
  VerdictBadge,
} from './completion-card.tsx';
import { formatNumber } from './format.ts';
import { Pager } from './pager.tsx';
import { hrefOf } from './route.ts';
import { Failure, NothingHere, SelectionBar, useSelection } from './selection.tsx';
import { isReport } from './source.ts';
import { useAnswer } from './use-answer.ts';

export function GroupsPage(props: PageProps) {
  const { route, go, runs } = props;
  const selection = useSelection(props);
  const { group, path } = selection;
  const order = route.values['sort-rows'] ?? 'reward';
  return (
    <>
      <SelectionBar selection={selection} go={go} />
      <NothingHere selection={selection} />
      {group !== undefined && path !== undefined && (
        <div class="beside">
          <aside>
            <ClipView path={path} />
          </aside>
          <div>
            <QuestionText group={group} />
            <label class="field">
              <span>order of the completions</span>
              <select value={order} onChange={(event) => go({ 'sort-rows': event.currentTarget.value })}>
                <option value="reward">by reward, best first</option>
                <option value="row">as they were drawn</option>
                <option value="length">by length, longest first</option>
              </select>
            </label>
            <div class="completions">
              {[...group.completions]
                .sort((a, b) =>
                  order === 'row'
                    ? a.row - b.row
                    : order === 'length'
                      ? b.length - a.length
                      : (b.reward ?? -1) - (a.reward ?? -1) || a.row - b.row,
                )
                .map((completion) => (
                  <CompletionCard
                    key={`${path}/${completion.row}`}
                    completion={completion}
                    truth={group.truth}
                    scale={advantageScale(group)}
                    href={hrefOf('tokens', {
                      ...route.values,
                      step: group.step,
                      group: group.group,
                      row: completion.row,
                    })}
                  />
                ))}
            </div>
          </div>
        </div>
      )}
      {!isReport && <Search run={runs[0]!.id} route={route} />}
      <AnswersOverRun run={runs[0]!.id} revision={runs[0]!.revision} />
    </>
  );
}

const PAGE = 20;

function Search({ run, route }: { readonly run: string } & Pick<PageProps, 'route'>) {
  const [fields, setFields] = useState<Readonly<Record<string, string>>>({
    sort: 'reward',
    order: 'descending',
  });
  const [asked, setAsked] = useState<string | undefined>(undefined);
  const [offset, setOffset] = useState(0);
  const set = (name: string) => (event: { readonly currentTarget: { readonly value: string } }) =>
    setFields({ ...fields, [name]: event.currentTarget.value });
  const { data, error, isLoading } = useAnswer<SearchResult>(
    asked === undefined ? undefined : `/runs/${run}/search?${asked}&offset=${offset}&limit=${PAGE}`,
  );
  const select = (name: string, label: string, options: readonly (readonly [string, string])[]) => (
    <label class="field">
      <span>{label}</span>
      <select value={fields[name] ?? ''} onChange={set(name)}>
        {options.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <section class="search">
      <h2>Search all steps</h2>
      <form
        class="controls"
        onSubmit={(event) => {
          event.preventDefault();
          setOffset(0);
          setAsked(
            new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== '')).toString(),
          );
        }}
      >
        <label class="field">
          <span>text of the completion</span>
          <input type="search" value={fields['q'] ?? ''} onInput={set('q')} />
        </label>
        {select('sort', 'sort by', [
          ['reward', 'reward'],
          ['advantage', 'advantage'],
          ['length', 'length'],
          ['step', 'step'],
        ])}
        {select('order', 'order', [
          ['descending', 'greatest first'],
          ['ascending', 'least first'],
        ])}
        {select('verdict', 'answer', [
          ['', 'any'],
          ['right', 'right'],
          ['partly', 'right in part'],
          ['wrong', 'wrong'],
          ['unread', 'unreadable'],
        ])}
        {select('type', 'right options', [
          ['', 'any number'],
          ['single', 'one'],
          ['multiple', 'several'],
        ])}
        {select('signal', 'group', [
          ['', 'any'],
          ['with', 'with a signal'],
          ['without', 'without a signal'],
        ])}
        {Object.keys(data?.labels ?? {}).length > 0 &&
          select('label', 'type or source', [
            ['', 'any'],
            ...Object.entries(data!.labels).flatMap(([name, values]) =>
              values.map((value) => [`${name}=${value}`, `${name}: ${value}`] as const),
            ),
          ])}
        <button type="submit" class="primary">
          Search
        </button>
      </form>
      {error !== undefined && <Failure error={error} />}
      {asked !== undefined && isLoading && <p class="soft">Reading the completions…</p>}
      {data !== undefined && (
        <>
          <p class="soft" role="status">
            {data.matches.toLocaleString('en')} of {data.total.toLocaleString('en')} completions
          </p>
          <ul class="hits">
            {data.hits.map((hit) => (
              <HitRow key={`${hit.step}/${hit.group}/${hit.completion.row}`} hit={hit} route={route} />
            ))}
          </ul>
          <Pager offset={offset} size={PAGE} total={data.matches} go={setOffset} />
        </>
      )}
    </section>
  );
}

function HitRow({ hit, route }: { readonly hit: Hit } & Pick<PageProps, 'route'>) {
  const { step, group, completion } = hit;
  return (
    <li class="card">
      <a href={hrefOf('groups', { ...route.values, step, group })} onClick={() => scrollTo(0, 0)}>
        step {step}, group {group}
      </a>
      <VerdictBadge verdict={completion.verdict} />
      <AdvantageBar advantage={completion.advantage} scale={2.5} />
      <span class="num">reward {formatNumber(completion.reward)}</span>
      <span class="soft num">{completion.length} tokens</span>
      <bdi class="model-text one-line" dir="ltr">
        {visibleText(completion.text.slice(0, 300))}
      </bdi>
    </li>
  );
}
