import { expect, it } from 'vitest';
import { CollectiveGroup, Store, type Work } from './collectives.ts';
import { ones, scope } from './index.ts';

const MIB = 2 ** 20;

it('a collective that was waited for holds no memory, however long it is kept', {
  timeout: 60_000,
}, async () => {
  const [host, timeoutMs] = ['127.0.0.1', 30_000];
  const store = await Store.open({ host, port: 0, isServer: true, prefix: '/test', timeoutMs });
  const group = await CollectiveGroup.open(store, {
    backend: 'gloo',
    rank: 0,
    world_size: 1,
    timeoutMs,
    host,
  });
  const works: Work[] = [];
  const reduce = async () => {
    const tensor = scope(() => ones([(40 * MIB) / 4]));
    const work = group.allReduce(tensor, 'sum');
    if (works.length % 2 === 0) work.wait();
    else await work.done();
    expect(work.times()).toBeDefined();
    tensor.dispose();
    works.push(work);
  };
  await reduce();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 16; i++) await reduce();
  // Sixteen tensors of 40 MiB would be 640.
  expect((process.memoryUsage().rss - before) / MIB).toBeLessThan(200);
  // Waiting once more is nothing.
  works[0]!.wait();
  await works[0]!.done();
  await group.close();
});
