import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { createLogger, humanLine, type LoggerOptions } from './logger.ts';

const folder = scratchFolder();

describe('logger', () => {
  it('writes every line to its file at once, as JSON', () => {
    const file = join(folder, 'logs', 'rank-1.jsonl');
    const logger = createLogger({ file, level: 'silent', rank: 1 });
    logger.debug({ step: 3 }, 'scored');
    logger.warn('slow clip');
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 20, rank: 1, step: 3, msg: 'scored' },
      { level: 40, rank: 1, msg: 'slow clip' },
    ]);
  });

  it('speaks to people in short lines', () => {
    const line = JSON.stringify({ level: 40, time: 't', rank: 0, step: 2, file: 'a.mp4', msg: 'skipped' });
    expect(humanLine(line, false)).toBe('warn skipped step=2 file=a.mp4\n');
    expect(humanLine(JSON.stringify({ level: 30, rank: 2, msg: 'ready' }), false)).toBe('[rank 2] ready\n');
    const failed = JSON.stringify({ level: 50, rank: 0, err: { message: 'no GPU' }, msg: 'failed' });
    expect(humanLine(failed, true)).toContain('failed (no GPU)');
  });

  it('is as talkative as asked, and ranks other than 0 only warn', () => {
    const shown = (options: LoggerOptions): string => {
      const path = join(folder, 'terminal');
      const fd = openSync(path, 'w');
      const logger = createLogger({ ...options, fd, color: false });
      for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level](`a ${level}`);
      closeSync(fd);
      return readFileSync(path, 'utf8');
    };
    expect(shown({})).toBe('a info\nwarn a warn\nerror a error\n');
    expect(shown({ level: 'debug' })).toMatch(/^debug a debug\n/);
    expect(shown({ quiet: true })).toBe('warn a warn\nerror a error\n');
    expect(shown({ rank: 3 })).toBe('warn [rank 3] a warn\nerror [rank 3] a error\n');
    expect(shown({ level: 'error' })).toBe('error a error\n');
    expect(shown({ level: 'error', quiet: true })).toBe('error a error\n');
    expect(shown({ level: 'silent' })).toBe('');
  });
});
