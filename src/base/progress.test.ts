import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createProgress, formatSeconds } from './progress.ts';

function capture(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  const stream = new PassThrough() as unknown as NodeJS.WriteStream;
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  Object.assign(stream, {
    isTTY,
    columns: 100,
    cursorTo: () => true,
    clearLine: () => true,
    moveCursor: () => true,
  });
  return { stream, text: () => text };
}

describe('progress', () => {
  it('prints plain lines with the time left when the output is piped', () => {
    const { stream, text } = capture(false);
    let nowMs = 0;
    const progress = createProgress({ total: 10, label: 'train', stream, start: 2, now: () => nowMs });
    for (let done = 3; done <= 10; done++) {
      nowMs += 4000;
      progress.update(done, { reward: 0.123456, len: 20, mode: 'tw' });
    }
    progress.stop();
    expect(text().split('\n')).toEqual([
      'train 3/10 · 28 s left · reward 0.123 · len 20 · mode tw',
      'train 6/10 · 16 s left · reward 0.123 · len 20 · mode tw',
      'train 9/10 · 4 s left · reward 0.123 · len 20 · mode tw',
      'train 10/10 · 32 s · reward 0.123 · len 20 · mode tw',
      '',
    ]);
  });

  it('draws a bar on a terminal, and nothing when quiet', () => {
    const { stream, text } = capture(true);
    const progress = createProgress({ total: 4, label: 'train', stream });
    progress.update(4, { reward: 1 });
    progress.stop();
    expect(text()).toContain('4/4');
    expect(text()).toContain('reward 1');
    const silent = capture(true);
    const none = createProgress({ total: 4, label: 'train', stream: silent.stream, quiet: true });
    none.update(1);
    none.stop();
    expect(silent.text()).toBe('');
  });

  it.each([
    [100, '[■■■■■■■■■■■■            ] 2/4 · 0 s left · reward 1 · len 20 · loss 0.500'],
    [60, '[■■■■■■■■        ] 2/4 · 0 s left · reward 1 · len 20'],
    [44, '[■■■■■    ] 2/4 · 0 s left · reward 1'],
    [24, '[] 2/4 · 0 s left'],
  ])('fits %i columns: the bar gives way first, then the last facts', (columns, wanted) => {
    const { stream, text } = capture(true);
    Object.assign(stream, { columns });
    const progress = createProgress({ total: 4, label: 'train', stream, now: () => 0 });
    progress.update(2, { reward: 1, len: 20, loss: 0.5 });
    progress.stop();
    expect(text()).toContain(`train ${wanted}`);
    expect(`train ${wanted}`.length).toBeLessThan(columns);
  });

  it('writes times as people say them', () => {
    expect([undefined, 0.4, 38, 245, 18_720].map(formatSeconds)).toEqual([
      '?',
      '0 s',
      '38 s',
      '4m 05s',
      '5h 12m',
    ]);
  });
});
