import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { convertClevrer, readItems, toQuestion } from '../../data/index.ts';
import { decodeFrames, probeVideo } from '../../video/index.ts';
import { drawEpisode } from '../questions/episode.ts';
import { stateAt } from '../scene/physics.ts';
import { renderFrame } from '../scene/render.ts';
import { generateWorld } from './generate.ts';

const folder = scratchFolder();

const kinds = ['present', 'enter', 'direction', 'collide', 'explain', 'predict', 'counterfactual'] as const;
const size = { width: 64, height: 48, fps: 8, num_frames: 24 };
const small = { num_videos: 21, first_index: 995, seed: 4, kinds, ...size };
const drawn = { kinds, height: 48 / 64, durationS: 23 / 8, questionsPerVideo: 1, negatedShare: 0.25 };
const [a, b] = [join(folder, 'a'), join(folder, 'b')];

const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Content of every file below a folder, by path. */
function hashes(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(names.map((name) => [name.slice(root.length), hash(name)]));
}

describe('a generated world', () => {
  it('is read like the authors’ data, with real videos that show the scene', async () => {
    const { jsonl_path, video_root, num_questions } = await generateWorld({ ...small, output_dir: a });
    const { items, warnings, format } = readItems(jsonl_path);
    expect([items.length, num_questions, warnings, format]).toEqual([21, 21, [], 'authors']);
    for (const [at, item] of items.entries()) {
      const { story, questions } = drawEpisode(4, 995 + at, drawn);
      expect(item).toMatchObject({ question: questions[0]!.question, answer: questions[0]!.answer });
      expect(item.options).toEqual(questions[0]!.options);
      if (at % 5 > 0) continue;
      const { file: path } = toQuestion(item, { video_root }).media[0]!;
      expect(await probeVideo(path)).toMatchObject({ width: 64, height: 48, fps: 8, numFrames: 24 });
      const expected = renderFrame(story.scene, story.motion, 10 / 8, size);
      const { frames } = await decodeFrames(path, [10]);
      const error = expected.reduce((sum, value, i) => sum + Math.abs(value - frames[i]!), 0);
      // H.264 at this quality, with halved chroma, loses a few grey levels.
      expect(error / expected.length).toBeLessThan(6);
    }
  });

  it('has official files that are converted like the original', () => {
    const types = ['descriptive', 'explanatory', 'predictive', 'counterfactual'] as const;
    const output_path = join(folder, 'converted.jsonl');
    const result = convertClevrer({
      questions_path: join(a, 'questions', 'train.json'),
      output_path,
      question_types: types,
    });
    expect([result.num_single + result.num_multiple, result.num_answerless, result.dropped]).toEqual([
      21,
      0,
      [],
    ]);
    const [ours, converted] = [readItems(join(a, 'train.jsonl')).items, readItems(output_path).items];
    const plain = ({ id, question, options, answer }: (typeof ours)[number]) => ({
      id,
      question,
      options,
      answer,
    });
    expect(converted.map(plain)).toEqual(ours.map(plain));
    // The same files, seen from the folder the official archives are unpacked in.
    const video_root = join(a, 'videos', 'train');
    expect(converted.map((item) => toQuestion(item, { video_root }).media[0]!.file)).toEqual(
      ours.map((item) => toQuestion(item, { video_root: a }).media[0]!.file),
    );
    expect(converted[10]!.media[0]!.path).toBe('video_01000-02000/video_01005.mp4');
  });

  it('has annotations that say where everything is', () => {
    const path = join(a, 'annotations', 'train', 'annotation_01000-02000', 'annotation_01005.json');
    const written = JSON.parse(readFileSync(path, 'utf8'));
    const { story } = drawEpisode(4, 1005, drawn);
    expect([written.scene_index, written.video_filename]).toEqual([1005, 'video_01005.mp4']);
    expect(written.object_property.map(({ color }: { color: string }) => color)).toEqual(
      story.scene.objects.map(({ color }) => color),
    );
    expect(written.motion_trajectory.length).toBe(24);
    const { objects, frame_id } = written.motion_trajectory[17];
    expect(frame_id).toBe(17);
    for (const [index, { location, inside_camera_view }] of objects.entries()) {
      const { x, y } = stateAt(story.motion.paths[index]!, 17 / 8);
      expect(location[0]).toBeCloseTo(x, 5);
      expect(location[1]).toBeCloseTo(y, 5);
      expect(inside_camera_view).toBe(x >= 0 && x <= 1 && y >= 0 && y <= 0.75);
    }
    expect(written.collision.map(({ object_ids }: { object_ids: number[] }) => object_ids)).toEqual(
      story.motion.collisions.map(({ pair }) => [...pair]),
    );
  });

  it('has the same bytes for the same seed by any number of threads, and goes on where it stopped', async () => {
    const done: number[] = [];
    await generateWorld({ ...small, output_dir: b, threads: 2, onProgress: (count) => done.push(count) });
    expect(done.at(-1)).toBe(21);
    const before = hashes(b);
    expect(before).toEqual(hashes(a));
    expect(Object.keys(before).length).toBe(2 * 21 + 4);

    for (const name of [
      'videos/train/video_00000-01000/video_00997.mp4',
      'train.jsonl',
      'questions/train.json',
    ])
      unlinkSync(join(b, name));
    const stop = new AbortController();
    stop.abort();
    await expect(generateWorld({ ...small, output_dir: b, signal: stop.signal })).rejects.toBe(
      stop.signal.reason,
    );
    await generateWorld({ ...small, output_dir: b });
    expect(hashes(b)).toEqual(before);
  });

  it('does not mix videos of different settings, and says what cannot be', async () => {
    // A start that failed before its first video leaves the folder free for other settings.
    const free = { ...small, num_videos: 1, output_dir: join(folder, 'free') };
    await expect(generateWorld({ ...free, scene: { speed: [0, 0] }, kinds: ['collide'] })).rejects.toThrow(
      /no scene in 20000 draws/,
    );
    expect(await generateWorld({ ...free, kinds: ['present'] })).toMatchObject({ num_videos: 1 });
    const made = generateWorld({ ...small, seed: 5, output_dir: a });
    await expect(made).rejects.toThrow(/holds videos made with other settings/);
    const other = (options: object) => generateWorld({ ...small, output_dir: join(folder, 'c'), ...options });
    await expect(other({ split: '../x' })).rejects.toThrow(/plain name/);
    await expect(other({ width: 63 })).rejects.toThrow(/must be even, got 63x48/);
    await expect(other({ num_videos: 0 })).rejects.toThrow(/num_videos must be a whole number of at least 1/);
    await expect(other({ kinds: [] })).rejects.toThrow(/at least one kind/);
    await expect(other({ scene: { speed: [0, 0] }, kinds: ['collide'], threads: 1 })).rejects.toThrow(
      /no scene in 20000 draws allows a "collide" question/,
    );
  });
});
