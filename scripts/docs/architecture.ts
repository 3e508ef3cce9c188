/** @file The picture of the rooms in docs/architecture.md, drawn from the imports under src/ as they are. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { packageRoot } from '../../src/base/index.ts';
import { ROOMS } from './rooms.ts';

export const [BEGIN, END] = [
  '<!-- rooms: begin, written by npm run docs -->\n',
  '\n<!-- rooms: end -->',
] as const;

/** Room -> rooms it imports. */
export type RoomArrows = ReadonlyMap<string, ReadonlySet<string>>;

/** The TypeScript under src/: path from there with `/` -> text. */
export function readSources(): Map<string, string> {
  const files = new Map<string, string>();
  const folder = join(packageRoot(), 'src');
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.ts')) continue;
    files.set(entry.split(sep).join('/'), readFileSync(join(folder, entry), 'utf8'));
  }
  return files;
}

/** Imports between rooms, those of types included, those of tests left out. */
export function roomArrows(files: ReadonlyMap<string, string>): RoomArrows {
  const arrows = new Map(Object.keys(ROOMS).map((room) => [room, new Set<string>()] as const));
  for (const [file, text] of files) {
    if (/(\.test|\/test-support)\.ts$/.test(file)) continue;
    const [room = ''] = file.split('/');
    for (const [, target = ''] of text.matchAll(/(?:from|import\()\s*'(\.\.?\/[^']*)'/g)) {
      const [other = ''] = posix.join(posix.dirname(file), target).split('/');
      if (other !== room && other in ROOMS) arrows.get(room)?.add(other);
    }
  }
  return arrows;
}

/** Whether only types go from one room to another: then nothing of it is loaded. */
const isTypes = (from: string, to: string): boolean => ROOMS[from]?.uses.includes(`types:${to}`) === true;

/** Arrows without those that a longer way says already. */
function reduced(arrows: RoomArrows): [from: string, to: string][] {
  const reaches = (from: string, to: string): boolean =>
    [...(arrows.get(from) ?? [])].some((next) => !isTypes(from, next) && (next === to || reaches(next, to)));
  return [...arrows].flatMap(([from, targets]) =>
    [...targets]
      .filter(
        (to) =>
          ![...targets].some((between) => between !== to && !isTypes(from, between) && reaches(between, to)),
      )
      .sort()
      .map((to): [string, string] => [from, to]),
  );
}

/** A Mermaid graph, and a line for each room with all that it imports. */
export function picture(arrows: RoomArrows): string {
  const lines = Object.entries(ROOMS).map(([room, { purpose }]) => {
    const uses = Object.keys(ROOMS)
      .filter((other) => arrows.get(room)?.has(other))
      .map((other) => (isTypes(room, other) ? `${other} (types)` : other));
    return `| \`src/${room}\` | ${purpose} | ${uses.join(', ') || 'none'} |`;
  });
  return [
    '```mermaid',
    'graph TD',
    ...reduced(arrows).map(([from, to]) => `  ${from} ${isTypes(from, to) ? '-. types .->' : '-->'} ${to}`),
    '```',
    '',
    '| Room | What it is for | Imports |',
    '|---|---|---|',
    ...lines,
  ].join('\n');
}
