/** What made the run: its configuration with the source of every value, against another run's; machine, versions, files. */
import { useState } from 'preact/hooks';
import type { About, ConfigLine } from '../src/dashboard/api.ts';
import { visibleText } from '../src/dashboard/visible-text.ts';
import type { PageProps } from './app.tsx';
import { formatBytes } from './format.ts';
import { NamedSelect } from './named-select.tsx';
import { Scroll } from './scroll.tsx';
import { Failure } from './selection.tsx';
import { useAnswer } from './use-answer.ts';

export function RunPage({ listing, runs, route, go }: PageProps) {
  const front = runs[0]!;
  const others = listing.runs.filter(({ id }) => id !== front.id);
  const other = others.find(({ id }) => id === route.values['diff']);
  const about = useAnswer<About>(`/runs/${front.id}/about`, front.revision);
  const beside = useAnswer<About>(other === undefined ? undefined : `/runs/${other.id}/about`);
  const [part, setPart] = useState('');
  if (about.error !== undefined) return <Failure error={about.error} />;
  if (about.data === undefined) return null;
  const lines = compared(about.data.config, other === undefined ? undefined : beside.data?.config).filter(
    ({ key, value, theirs }) =>
      (key.includes(part) || value.includes(part)) && (theirs === undefined || theirs !== value),
  );
  return (
    <>
      <section>
        <h2>Configuration</h2>
        <div class="controls">
          {others.length > 0 && (
            <NamedSelect
              label="what differs from"
              value={other?.id}
              none="(show all keys)"
              options={others}
              onChoice={(diff) => go({ diff })}
            />
          )}
          <label class="field">
            <span>filter</span>
            <input type="search" value={part} onInput={(event) => setPart(event.currentTarget.value)} />
          </label>
        </div>
        <Scroll label="Configuration">
          <table class="plain config">
            <thead>
              <tr>
                <th scope="col">key</th>
                <th scope="col">value</th>
                {other !== undefined && <th scope="col">{other.name}</th>}
                <th scope="col">from</th>
              </tr>
            </thead>
            <tbody>
              {lines.map(({ key, value, theirs, source }) => (
                <tr key={key} class={source === '' ? '' : 'set'}>
                  <th scope="row">
                    <code>{visibleText(key)}</code>
                  </th>
                  <td>
                    <code>{visibleText(value)}</code>
                  </td>
                  {other !== undefined && (
                    <td>
                      <code>{visibleText(theirs ?? '–')}</code>
                    </td>
                  )}
                  <td class="soft">{source === '' ? 'default' : visibleText(source)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {lines.length === 0 && (
            <p class="note">{other === undefined ? 'no such key' : 'nothing differs'}</p>
          )}
        </Scroll>
      </section>
      <section>
        <h2>Machine and versions</h2>
        <Scroll label="Machine and versions">
          <table class="plain">
            <tbody>
              {flat(about.data.info).map(([key, value]) => (
                <tr key={key}>
                  <th scope="row">{visibleText(key)}</th>
                  <td>
                    <code>{visibleText(value)}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </section>
      <section>
        <h2>Files</h2>
        <Scroll label="Files">
          <p class="note">{front.path}</p>
          <table class="plain">
            <tbody>
              {about.data.files.map(({ name, bytes }) => (
                <tr key={name}>
                  <th scope="row">
                    <code>{visibleText(name)}</code>
                  </th>
                  <td class="num soft">{name.endsWith('/') ? '' : formatBytes(bytes)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </section>
    </>
  );
}

interface ComparedLine extends ConfigLine {
  /** The other run's value; undefined where none is compared. */
  readonly theirs?: string;
}

function compared(own: readonly ConfigLine[], other: readonly ConfigLine[] | undefined): ComparedLine[] {
  if (other === undefined) return [...own];
  const theirs = new Map(other.map((line) => [line.key, line.value]));
  const extra = other.filter(({ key }) => !own.some((line) => line.key === key));
  return [
    ...own.map((line) => ({ ...line, theirs: theirs.get(line.key) ?? '–' })),
    ...extra.map((line) => ({ ...line, value: '–', theirs: line.value })),
  ];
}

/** Nested facts as `machine.cpu` and the like. */
function flat(value: Readonly<Record<string, unknown>>, before = ''): [string, string][] {
  return Object.entries(value).flatMap(([key, inner]): [string, string][] => {
    const name = `${before}${key}`;
    if (typeof inner === 'object' && inner !== null && !Array.isArray(inner))
      return flat(inner as Readonly<Record<string, unknown>>, `${name}.`);
    return [
      [
        name,
        Array.isArray(inner)
          ? inner.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join(' ')
          : String(inner),
      ],
    ];
  });
}
