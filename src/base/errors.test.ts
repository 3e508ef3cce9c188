import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  ConfigError,
  DataError,
  DistError,
  exitCodeOf,
  formatError,
  TwgrpoError,
  VideoError,
} from './errors.ts';

describe('errors', () => {
  it('carry name, exit code, hint and cause', () => {
    const cause = new Error('disk full');
    const error = new DataError('cannot read a.json', { hint: 'free some space', cause });
    expect(error).toBeInstanceOf(TwgrpoError);
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.exitCode, error.hint, error.cause]).toEqual([
      'DataError',
      3,
      'free some space',
      cause,
    ]);
  });

  it('map to the documented exit codes', () => {
    const codes = [TwgrpoError, ConfigError, DataError, VideoError, CheckpointError, DistError].map(
      (Class) => new Class('x').exitCode,
    );
    expect(codes).toEqual([1, 2, 3, 3, 3, 4]);
    expect(exitCodeOf(new RangeError('x'))).toBe(1);
    expect(exitCodeOf('thrown text')).toBe(1);
  });

  it('are printed for a person: message, causes, next step, no stack', () => {
    const text = formatError(
      new VideoError('clip.mp4: no video stream', { hint: 'give a video file', cause: new Error('exit 1') }),
    );
    expect(text).toBe(
      'VideoError: clip.mp4: no video stream\n  caused by Error: exit 1\n  next step: give a video file',
    );
  });

  it('keep the stack of bugs', () => {
    expect(formatError(new TwgrpoError('internal: lost index'))).toMatch(/\n\s+at /);
    expect(formatError(new TypeError('x is undefined'))).toMatch(/\n\s+at /);
    expect(formatError(undefined)).toBe('error: undefined');
  });
});
