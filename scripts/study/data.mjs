/** @file The questions of the study: one held-out set for all runs, and training sets of equal size that differ in type. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readItems } from '../../build/js/data/index.js';
import { invertItems } from '../../build/js/data/qai/index.js';
import { generateWorld, LESSON } from '../../build/js/world/index.js';

/** Away from the episodes of the cold start (from 0 and 5 million) and of the demo (from 10 and 20 million). */
const FIRST_HELD_OUT = 30_000_000;
const FIRST_TRAINED = 40_000_000;
const SEED = 1;
/** Questions of each training set. */
const NUM_TRAINED = 180;

/**
 * @param {string} folder
 * @param {{ kinds: string[], held_out: number }} options question kinds; number of held-out videos, a question each
 * @returns {Promise<{ video_root: string, held_out: string, sets: Record<string, string> }>} files of questions
 */
export async function prepareData(folder, { kinds, held_out }) {
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
  const records = readFileSync(train.jsonl_path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const isSingle = ({ solution }) => !solution.includes(',');
  const sets = {
    mixed: records,
    single: records.filter(isSingle),
    multiple: records.filter((record) => !isSingle(record)),
  };
  const files = {};
  for (const [name, all] of Object.entries(sets)) {
    if (all.length < NUM_TRAINED)
      throw new Error(`the set ${name} has ${all.length} questions, the study needs ${NUM_TRAINED}`);
    files[name] = join(folder, `${name}.jsonl`);
    writeJsonLines(files[name], spread(all, NUM_TRAINED));
  }
  files.inverted = join(folder, 'inverted.jsonl');
  const { items, report } = invertItems(readItems(files.single).items, { seed: SEED });
  if (report.inverted === 0)
    throw new Error(`no question of these kinds can be inverted: ${JSON.stringify(report.refused)}`);
  writeJsonLines(files.inverted, items);
  return { video_root: train.video_root, held_out: heldOut.jsonl_path, sets: files };
}

/** So many of all, evenly: sets of rare and of common questions then show about as many videos. */
function spread(all, count) {
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]);
}

function writeJsonLines(file, records) {
  writeFileSync(file, `${records.map((record) => JSON.stringify(record)).join('\n')}\n`);
}
