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

  it('may be file addresses, or come from Windows', () => {
    const root = { video_root: '/data' };
    expect(mediaPath(item('file:///abs/a%20b.mp4'), root)).toBe('/abs/a b.mp4');
    expect(mediaPath(item('file://localhost/abs/a.mp4'), root)).toBe('/abs/a.mp4');
    expect(mediaPath(item('FILE:///MMVU/a.mp4'), { ...root, video_prefix: '/MMVU' })).toBe('/data/a.mp4');
    expect(mediaPath(item('videos\\a.mp4'), root)).toBe('/data/videos/a.mp4');
    expect(mediaPath(item('D:\\mmvu\\a.mp4'), { ...root, video_prefix: 'D:\\mmvu' })).toBe('/data/a.mp4');
    expect(() => mediaPath(item('D:\\mmvu\\a.mp4'), root)).toThrow(/drive of Windows/);
    expect(() => mediaPath(item('..\\secret.mp4'), root)).toThrow(/leads out of video_root/);
    expect(() => mediaPath(item('file://host/a.mp4'), root)).toThrow(/no address of a file on this machine/);
    expect(() => mediaPath(item('https://host/a.mp4'), root)).toThrow(/expected a file, got the address/);
  });

  it.each(['s3://b/a.mp4', 'hf://datasets/o/n/a.mp4', 'data:video/mp4;base64,AAAA'])(
    'are no address: %s',
    (path) => {
      expect(() => mediaPath(item(path), { video_root: '/data' })).toThrow(`got the address ${path}`);
    },
  );

  it.each(['~/a.mp4', '~me/a.mp4', '$HOME/a.mp4', '$DATA/x/a.mp4'])('are not for a shell: %s', (path) => {
    expect(() => mediaPath(item(path), { video_root: '/data' })).toThrow(/only a shell can replace/);
    const video_prefix = path.slice(0, path.lastIndexOf('/'));
    expect(mediaPath(item(path), { video_root: '/data', video_prefix })).toBe('/data/a.mp4');
  });

  it('are no share of a Windows network', () => {
    expect(() => mediaPath(item('\\\\host\\share\\a.mp4'), { video_root: '/data' })).toThrow(
      /drive of Windows/,
    );
    expect(mediaPath(item('~a.mp4'), { video_root: '/data' })).toBe('/data/~a.mp4');
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
