import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { recordedFiles } from './recorded-media.ts';

const scratch = scratchFolder();
const [old, now] = [join(scratch, 'old'), join(scratch, 'now')];
for (const folder of [old, join(now, 'clips'), join(now, 'frames of b')])
  mkdirSync(folder, { recursive: true });
for (const file of [join(old, 'a.mp4'), join(old, 'b c.mp4'), join(now, 'clips', 'a.mp4')])
  writeFileSync(file, 'x');
const [a, b] = [join(old, 'a.mp4'), join(old, 'b c.mp4')];

describe('recordedFiles', () => {
  it('takes one path whole, there or not, with blanks or without', () => {
    expect(recordedFiles(b)).toEqual([b]);
    expect(recordedFiles('/gone/x y.mp4')).toEqual(['/gone/x y.mp4']);
    expect(recordedFiles('/gone/x y.mp4', 1)).toEqual(['/gone/x y.mp4']);
    expect(recordedFiles('')).toEqual([]);
  });

  it('tells several apart by what exists', () => {
    expect(recordedFiles(`${b} ${a} ${b}`)).toEqual([b, a, b]);
    expect(recordedFiles(`${a} /gone/x.mp4`, 2)).toEqual([a, '/gone/x.mp4']);
    expect(recordedFiles('/gone/x.mp4 /gone/y z.mp4')).toEqual(['/gone/x.mp4', '/gone/y z.mp4']);
    expect(recordedFiles('gone/x.mp4 gone/y.mp4', 2)).toEqual(['gone/x.mp4', 'gone/y.mp4']);
  });

  it('finds what was moved by the longest end of its path, and what was not', () => {
    expect(recordedFiles('/data/clips/a.mp4', 1, now)).toEqual([join(now, 'clips', 'a.mp4')]);
    expect(recordedFiles('../../clips/a.mp4', 1, now)).toEqual([join(now, 'clips', 'a.mp4')]);
    expect(recordedFiles(`/data/clips/a.mp4 ${b} x/frames of b`, 3, now)).toEqual([
      join(now, 'clips', 'a.mp4'),
      b,
      join(now, 'frames of b'),
    ]);
    expect(recordedFiles('/gone/x.mp4 /data/a.mp4', undefined, join(now, 'clips'))).toEqual([
      '/gone/x.mp4',
      join(now, 'clips', 'a.mp4'),
    ]);
  });
});
