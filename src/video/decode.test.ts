import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { packageRoot, VideoError } from '../base/index.ts';
import { decodeFrames, selectExpression } from './decode.ts';
import { encodeVideo } from './encode.ts';
import { runFfmpeg } from './ffmpeg.ts';
import { exactFps, parseHeader, probeVideo } from './probe.ts';

interface Golden {
  num_frames: number;
  height: number;
  width: number;
  fps: number;
  sha256: string[] | null;
  sha256_all: string;
}
const goldens = fileURLToPath(new URL('../../tests/goldens/video/', import.meta.url));
const golden = JSON.parse(readFileSync(join(goldens, 'decode.json'), 'utf8')) as {
  clips: Record<string, Golden>;
  real: Record<string, Golden>;
};
const shared = process.env['TWGRPO_SHARED'] ?? join(packageRoot(), '..', 'shared');
const realClips = join(shared, 'data', 'videos');
const folder = scratchFolder();

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('decoding', () => {
  it.each(Object.keys(golden.clips))('gives the pixels of PyAV: %s', async (name) => {
    const expected = golden.clips[name]!;
    const path = join(goldens, name);
    const info = await probeVideo(path);
    expect(info).toMatchObject({
      numFrames: expected.num_frames,
      width: expected.width,
      height: expected.height,
    });
    const video = await decodeFrames(path, range(expected.num_frames));
    const frameBytes = video.width * video.height * 3;
    expect(
      range(video.numFrames).map((i) => sha(video.frames.subarray(i * frameBytes, (i + 1) * frameBytes))),
    ).toEqual(expected.sha256);
    expect(video.warnings).toEqual([]);
    // The mean rate of the clip with a gap is a matter of definition.
    if (name !== 'vfr.mkv') expect(video.fps).toBeCloseTo(expected.fps, 9);
  });

  it.skipIf(!existsSync(realClips)).each(Object.keys(golden.real))(
    'gives the pixels of PyAV: %s',
    async (name) => {
      const expected = golden.real[name]!;
      const video = await decodeFrames(join(realClips, name), ({ totalFrames }) => ({
        indices: range(totalFrames),
      }));
      expect([video.totalFrames, video.width, video.height, video.fps]).toEqual([
        expected.num_frames,
        expected.width,
        expected.height,
        expected.fps,
      ]);
      expect(sha(video.frames)).toBe(expected.sha256_all);
    },
  );

  it('takes chosen frames only, repeats included, with their times', async () => {
    const path = join(goldens, 'h264.mp4');
    const chosen = [0, 3, 3, 9, 10, 11, 23];
    const video = await decodeFrames(path, chosen, { threads: 2 });
    const frameBytes = video.width * video.height * 3;
    expect(
      video.sample.indices.map((_, i) => sha(video.frames.subarray(i * frameBytes, (i + 1) * frameBytes))),
    ).toEqual(chosen.map((index) => golden.clips['h264.mp4']!.sha256![index]));
    expect(video.timesS).toEqual(chosen.map((index) => expect.closeTo(index / 10, 9)));
    expect(video).toMatchObject({ numFrames: 7, totalFrames: 24 });
    expect((await probeVideo(join(goldens, 'vfr.mkv'))).timesS[5]).toBeCloseTo(1.2, 9);
  });

  it('writes short select expressions', () => {
    expect(selectExpression([0, 1, 2, 5, 7, 8])).toBe('between(n,0,2)+eq(n,5)+between(n,7,8)');
  });

  it('turns frames the way a player shows them', async () => {
    const flat = join(folder, 'flat.mp4');
    const turned = join(folder, 'turned.mp4');
    const frame = new Uint8Array(32 * 16 * 3).fill(20);
    // A bright block in the upper left corner.
    for (let y = 0; y < 8; y++) frame.fill(230, y * 32 * 3, (y * 32 + 8) * 3);
    await encodeVideo(flat, [frame, frame, frame, frame], { width: 32, height: 16, fps: 4 });
    const { exitCode } = await runFfmpeg(
      ['-y', '-display_rotation', '-90', '-i', flat, '-c', 'copy', turned],
      {
        subject: flat,
        timeoutS: 30,
      },
    );
    if (exitCode !== 0)
      return expect(exitCode, 'this FFmpeg is older than 6.0 and cannot set a rotation').not.toBe(0);
    const video = await decodeFrames(turned, [0]);
    expect([video.width, video.height]).toEqual([16, 32]);
    expect((await probeVideo(turned)).rotation).toBe(90);
    const at = (x: number, y: number): number => video.frames[(y * 16 + x) * 3]!;
    // Turned clockwise, upper left becomes upper right.
    expect(at(13, 2)).toBeGreaterThan(200);
    expect(at(2, 2)).toBeLessThan(60);
    return undefined;
  });
});

describe('bad input', () => {
  const clip = join(goldens, 'h264.mp4');
  const failing = async (path: string, message: RegExp, options = {}): Promise<void> => {
    const error = await decodeFrames(path, [0], options).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(VideoError);
    expect((error as VideoError).message).toMatch(message);
    expect((error as VideoError).message).toContain(path);
    expect((error as VideoError).exitCode).toBe(3);
  };
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  it('is named: missing, folder, empty, text, page, playlist', async () => {
    await failing(join(folder, 'none.mp4'), /no such video/);
    await failing(folder, /it is a folder/);
    await failing(file('empty.mp4', ''), /the file is empty/);
    await failing(
      file('text.mp4', 'not a video\n'.repeat(200)),
      /not a complete MP4|cannot read it as a video/,
    );
    await failing(file('page.html', '<html><body>404</body></html>'), /FFmpeg cannot read it as a video/);
    await failing(
      file('ansi.txt', `\u001b[31mred\n${'text\n'.repeat(500)}`),
      /FFmpeg cannot read it as a video/,
    );
    await failing(file('list.m3u8', `#EXTM3U\n#EXTINF:1,\n${clip}\n`), /FFmpeg cannot read it as a video/);
    await failing(
      file('concat.txt', `ffconcat version 1.0\nfile '${clip}'\n`),
      /FFmpeg cannot read it as a video/,
    );
  });

  it('is named: cut off at any place', async () => {
    const bytes = readFileSync(clip);
    await failing(
      file('half.mp4', bytes.subarray(0, bytes.length / 2)),
      /cut off|cannot read|not a complete MP4/,
    );
    // With the index in front the header is whole and only frames are missing.
    const front = join(folder, 'front.mp4');
    const frame = new Uint8Array(64 * 64 * 3);
    const frames = range(12).map((i) => frame.map((_, at) => (at * 7 + i * 31 + ((at * at) % 89)) % 256));
    await encodeVideo(front, frames, { width: 64, height: 64, fps: 4 });
    const whole = readFileSync(front);
    await failing(
      file('tail.mp4', whole.subarray(0, Math.floor(whole.length * 0.6))),
      /cut off|can be decoded/,
    );
    const webm = readFileSync(join(goldens, 'vp9.webm'));
    await failing(file('half.webm', webm.subarray(0, webm.length / 2)), /cut off|can be decoded|cannot read/);
  });

  it('is named: sound without pictures', async () => {
    const sound = join(folder, 'sound.mp4');
    await runFfmpeg(['-y', '-f', 'lavfi', '-i', 'sine=duration=1', sound], { subject: sound, timeoutS: 30 });
    await failing(sound, /has no video stream/);
  });

  it('is named: too large, too long, too many frames', async () => {
    await failing(clip, /at most 80 pixels a side, got 96x64/, { maxSide: 80 });
    await failing(clip, /at most 20 frames/, { maxFrames: 20 });
    await failing(clip, /more than the limit of 1000/, { maxBytes: 1000 });
  });

  it('is named: frames that are not there', async () => {
    await expect(decodeFrames(clip, [24])).rejects.toThrow(
      'frame indices must ascend within 0 to 23, got 24',
    );
    await expect(decodeFrames(clip, [5, 2])).rejects.toThrow('got 2 after 5');
    await expect(decodeFrames(clip, [])).rejects.toThrow('no frame was asked for');
  });

  it('cannot hang us, and can be stopped', async () => {
    const stuck = file(
      'ffmpeg-stuck',
      '#!/bin/sh\ncase "$*" in *-version*) echo "ffmpeg version 7.0";; *) exec sleep 60;; esac\n',
    );
    await runInEnvironment(stuck, async () => {
      await failing(clip, /did not finish within 0.3 s/, { timeoutS: 0.3 });
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 100);
      await failing(clip, /stopped before FFmpeg finished/, { signal: controller.signal });
    });
  });

  it('is named: a program that is not FFmpeg', async () => {
    await runInEnvironment(file('not-ffmpeg', '#!/bin/sh\necho hello\n'), () =>
      expect(decodeFrames(clip, [0])).rejects.toThrow(/is not FFmpeg/),
    );
    await runInEnvironment(join(folder, 'nowhere'), () =>
      expect(decodeFrames(clip, [0])).rejects.toThrow(/FFMPEG_PATH is .*nowhere, which is not a program/),
    );
  });
});

async function runInEnvironment(ffmpeg: string, body: () => Promise<unknown>): Promise<void> {
  const { chmodSync } = await import('node:fs');
  if (existsSync(ffmpeg)) chmodSync(ffmpeg, 0o755);
  const before = process.env['FFMPEG_PATH'];
  process.env['FFMPEG_PATH'] = ffmpeg;
  try {
    await body();
  } finally {
    if (before === undefined) delete process.env['FFMPEG_PATH'];
    else process.env['FFMPEG_PATH'] = before;
  }
}

describe('headers', () => {
  it('of every kind are understood', () => {
    const header = (stream: string, more = ''): ReturnType<typeof parseHeader> =>
      parseHeader(
        `Input #0, matroska,webm, from 'file:a (1).mkv':\n  Duration: 00:00:01.00\n${stream}\n${more}`,
      );
    expect(
      header(
        '  Stream #0:0(eng): Video: hevc (Main 10), yuv420p10le(tv, bt709, progressive), 1920x1080 [SAR 1:1 DAR 16:9], 23.98 fps, 23.98 tbr, 1k tbn (default)',
      )?.video,
    ).toEqual({
      width: 1920,
      height: 1080,
      fps: 23.98,
      codec: 'hevc',
      pixelFormat: 'yuv420p10le',
      sampleAspect: '1:1',
    });
    expect(
      header(
        '  Stream #0:1[0x2](und): Video: h264 (avc1 / 0x31637661), yuvj420p(pc), 720x576, 90k fps, 90k tbr',
      )?.video,
    ).toMatchObject({ fps: 90_000, pixelFormat: 'yuvj420p' });
    expect(
      header(
        '  Stream #0:0: Video: mjpeg (Baseline), yuvj420p(pc), 500x500, 90k tbr (attached pic)\n  Stream #0:1: Audio: mp3',
      )?.video,
    ).toBeUndefined();
    expect(
      header(
        '  Stream #0:0: Video: vp9, yuv420p(tv), 98x62, 10 fps',
        '    displaymatrix: rotation of 90.00 degrees',
      )?.rotation,
    ).toBe(270);
    expect(parseHeader('nothing')).toBeUndefined();
  });

  it('round the frame rate, and it is restored', () => {
    expect(exactFps(29.97, 300, 10.01)).toBe(30_000 / 1001);
    expect(exactFps(23.98, 240, 10.01)).toBe(24_000 / 1001);
    expect(exactFps(25, 128, 5.12)).toBe(25);
    expect(exactFps(14.99, 1499, 100.02)).toBeCloseTo(15_000 / 1001, 9);
    expect(exactFps(12.34, 1234.4, 100)).toBeCloseTo(12.344, 9);
    expect(exactFps(10, 13, 2)).toBe(10);
    expect(exactFps(Number.NaN, 30, 2)).toBe(15);
  });
});
