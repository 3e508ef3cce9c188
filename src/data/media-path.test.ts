import { describe, expect, it } from 'vitest';
import { mediaPath } from './media-path.ts';

const item = (path: string): { id: string; path: string } => ({ id: '7', path });

describe('media paths', () => {
  it('start from the root that is given', () => {
    expect(mediaPath(item('videos/a.mp4'), { video_root: '/data' })).toBe('/data/videos/a.mp4');
    expect(mediaPath(item('./videos/a.mp4'), { video_root: '/data' })).toBe('/data/videos/a.mp4');
    expect(mediaPath(item('/MMVU/videos/a.mp4'), { video_root: '/data' })).toBe('/MMVU/videos/a.mp4');
    expect(mediaPath(item('/MMVU/videos/a.mp4'), { video_root: '/data', video_prefix: '/MMVU' })).toBe(
      '/data/videos/a.mp4',
    );
  });

  it('neither guess nor leave the root', () => {
    expect(() => mediaPath(item('/MMVU2/a.mp4'), { video_root: '/data', video_prefix: '/MMVU' })).toThrow(
      'item 7: expected a path that begins with video_prefix /MMVU, got /MMVU2/a.mp4',
    );
    expect(() => mediaPath(item('../secret.mp4'), { video_root: '/data' })).toThrow(
      /leads out of video_root/,
    );
    expect(mediaPath(item('..videos/a.mp4'), { video_root: '/data' })).toBe('/data/..videos/a.mp4');
  });
});
