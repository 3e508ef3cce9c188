import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { sharedData } from './support/shared-data.ts';

const DOCS = fileURLToPath(new URL('../docs/', import.meta.url));
const DOCUMENTS = ['data.md', 'evaluation.md', 'qai.md'];
const COMMANDS = ['score', 'qai', 'data check'];

const blocks = DOCUMENTS.flatMap((name) => {
  const text = readFileSync(join(DOCS, name), 'utf8');
  return [...text.matchAll(/```console\n\$ twgrpo (.*)\n([\s\S]*?)```/g)].map(
    ([, command, output]) => [name, command!, output!] as const,
  );
}).filter(([, command]) => COMMANDS.some((start) => command.startsWith(start)));

const shared = sharedData();
const scratch = scratchFolder();
const before = process.cwd();
afterAll(() => process.chdir(before));
beforeAll(() => {
  if (shared === undefined) return;
  for (const folder of ['benchmarks', 'logs'])
    for (const name of readdirSync(join(shared, folder)))
      symlinkSync(join(shared, folder, name), join(scratch, name));
  const videos = join(scratch, 'MVBench/clevrer/video_validation');
  mkdirSync(videos, { recursive: true });
  const clip = join(shared, 'videos/clevrer_video_12176.mp4');
  if (existsSync(clip)) symlinkSync(clip, join(videos, 'video_12176.mp4'));
  const own = /`own\.jsonl`:\n\n```json\n([\s\S]*?)```/.exec(
    readFileSync(join(DOCS, 'data.md'), 'utf8'),
  )?.[1];
  writeFileSync(join(scratch, 'own.jsonl'), own!);
  process.chdir(scratch);
});

/** The lines between two "…" stand in the output in this order. */
function agrees(printed: string, documented: string): void {
  const lines = printed.split('\n').map((line) => line.trimEnd());
  let at = 0;
  for (const [number, part] of documented.trimEnd().split(/^…\n?/m).entries()) {
    const wanted = part.trimEnd().split('\n');
    const start = number === 0 ? 0 : lines.findIndex((line, i) => i >= at && line === wanted[0]);
    if (part.trim() === '') continue;
    expect(lines.slice(start, start + wanted.length)).toEqual(wanted);
    at = start + wanted.length;
  }
}

describe.skipIf(shared === undefined)('the documentation', () => {
  it('has examples', () => expect(blocks.length).toBeGreaterThanOrEqual(6));

  it.each(blocks)('%s: %s', async (_, command, output) => {
    const { stdout } = await runCommand(...command.split(' '), '--quiet');
    agrees(stdout, output);
  });
});
