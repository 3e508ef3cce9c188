/** @file The questions of the study: one held-out set for all runs, and training sets of equal size that differ in type. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonLines } from '../../src/base/index.ts';
import { invertItems, readItems } from '../../src/data/index.ts';
import { generateWorld, LESSON, type QuestionKind } from '../../src/world/index.ts';

/** Away from the episodes of the cold start (from 0 and 5 million) and of the demo (from 10 and 20 million). */
const FIRST_HELD_OUT = 30_000_000;
const FIRST_TRAINED = 40_000_000;
const SEED = 1;
/** Questions of each training set. */
const NUM_TRAINED = 180;

/**
 * @param kinds of question
 * @param held_out number of held-out videos, a question each
 * @returns files of questions; `sets` by name
 */
export async function prepareData(
  folder: string,
  { kinds, held_out }: { readonly kinds: readonly QuestionKind[]; readonly held_out: number },
): Promise<{
  readonly video_root: string;
  readonly held_out: string;
  readonly sets: Readonly<Record<string, string>>;
}> {
  const common = { ...LESSON, kinds, output_dir: join(folder, 'world'), seed: SEED };
  const heldOut = await generateWorld({
    ...common,
    split: 'held-out',
    first_index: FIRST_HELD_OUT,
    num_videos: held_out,
    questions_per_video: 1,
  });
  const train = await generateWorld({
    ...common,
    split: 'train',
    first_index: FIRST_TRAINED,
    num_videos: 1200,
    questions_per_video: 2,
  });
  const records = readJsonLines(train.jsonl_path) as { readonly solution: string }[];
  const isSingle = ({ solution }: { readonly solution: string }): boolean => !solution.includes(',');
  const sets = {
    mixed: records,
    single: records.filter(isSingle),
    multiple: records.filter((record) => !isSingle(record)),
  };
  const write = (name: string, all: readonly object[]): string => {
    if (all.length < NUM_TRAINED)
      throw new Error(`the set ${name} has ${all.length} questions, the study needs ${NUM_TRAINED}`);
    const file = join(folder, `${name}.jsonl`);
    writeJsonLines(file, spread(all, NUM_TRAINED));
    return file;
  };
  const files = Object.fromEntries(Object.entries(sets).map(([name, all]) => [name, write(name, all)]));
  const inverted = join(folder, 'inverted.jsonl');
  const { items, report } = invertItems(readItems(files['single']!).items, { seed: SEED });
  if (report.inverted === 0)
    throw new Error(`no question of these kinds can be inverted: ${JSON.stringify(report.refused)}`);
  writeJsonLines(inverted, items);
  return { video_root: train.video_root, held_out: heldOut.jsonl_path, sets: { ...files, inverted } };
}

/** So many of all, evenly: sets of rare and of common questions then show about as many videos. */
function spread<Record>(all: readonly Record[], count: number): Record[] {
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
}

function writeJsonLines(file: string, records: readonly object[]): void {
  writeFileSync(file, `${records.map((record) => JSON.stringify(record)).join('\n')}\n`);
}
