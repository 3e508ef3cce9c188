import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import {
  crc32c,
  EventWriter,
  encodeRecord,
  encodeScalarEvent,
  encodeSessionStartEvent,
  encodeTextEvent,
  encodeVersionEvent,
  maskedCrc32c,
} from './tensorboard.ts';

interface Golden {
  wall_time: number;
  crc32c: Record<string, number>;
  masked_crc32c: Record<string, number>;
  version: string;
  session_start: string;
  scalars: { tag: string; value: number; step: number; record: string }[];
  texts: { tag: string; text: string; step: number; record: string }[];
}

const golden = JSON.parse(
  readFileSync(new URL('../../tests/goldens/tensorboard/events.json', import.meta.url), 'utf8'),
) as Golden;

const folder = scratchFolder();

describe('TensorBoard events', () => {
  it('have the checksums of TensorBoard', () => {
    for (const [text, value] of Object.entries(golden.crc32c)) expect(crc32c(Buffer.from(text))).toBe(value);
    for (const [text, value] of Object.entries(golden.masked_crc32c)) {
      expect(maskedCrc32c(Buffer.from(text))).toBe(value);
    }
  });

  it('are byte for byte those of TensorBoard', () => {
    const wall = golden.wall_time;
    expect(encodeRecord(encodeVersionEvent(wall)).toString('hex')).toBe(golden.version);
    expect(encodeRecord(encodeSessionStartEvent(300, wall)).toString('hex')).toBe(golden.session_start);
    for (const { tag, value, step, record } of golden.scalars) {
      expect(encodeRecord(encodeScalarEvent(tag, value, step, wall)).toString('hex')).toBe(record);
    }
    for (const { tag, text, step, record } of golden.texts) {
      expect(encodeRecord(encodeTextEvent(tag, text, step, wall)).toString('hex')).toBe(record);
    }
  });

  it('reach the disk at once, one file a writer', () => {
    const now = (): number => golden.wall_time * 1000;
    const first = new EventWriter(folder, { now });
    const second = new EventWriter(folder, { now, resumeStep: 300 });
    expect(first.path).not.toBe(second.path);
    first.scalars({ reward: 0.625 }, 0);
    expect(readFileSync(first.path).toString('hex')).toBe(golden.version + golden.scalars[0]!.record);
    expect(readFileSync(second.path).toString('hex')).toBe(golden.version + golden.session_start);
    first.close();
    first.close();
    expect(() => first.scalar('reward', 1, 1)).toThrow(/^internal: event file .* is closed$/);
    second.close();
  });
});
