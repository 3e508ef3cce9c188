/** Does what a GPU allows and what it does not, and prints what happened. */
import {
  _foreach_add_,
  arange,
  callOperator,
  cat,
  empty,
  fromTypedArray,
  ones,
  scope,
  stack,
  type Tensor,
  zeros,
} from '../../../src/tensor/index.ts';
import { answer, counted, STRICT, strict } from './strict.ts';

const device = STRICT;

/** The message of what `body` throws. */
function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing was refused';
}

const pinned = (size: number): Tensor =>
  callOperator('aten::empty.memory_format', [[size]], { dtype: 'float32', pin_memory: true }) as Tensor;
const onDevice = (host: Tensor): Tensor =>
  callOperator('aten::to.device', [host, device, 'float32', true]) as Tensor;
const copyBack = (target: Tensor, source: Tensor): unknown =>
  callOperator('aten::copy_', [target, source, true]);

function freedMemory(): unknown {
  const first = ones([1000], { device });
  first.dispose();
  return empty([1000], { device }).isnan().all().item();
}

function mixedDevices(): string[] {
  const [host, own] = [ones([3]), ones([3], { device })];
  return [
    refusal(() => own.add(host)),
    refusal(() => cat([own, host])),
    refusal(() => own.index_select(0, fromTypedArray(BigInt64Array.of(1n), [1]))),
    refusal(() => _foreach_add_([host], [own])),
    // A CPU tensor without dimensions is a number.
    String(own.add(ones([])).tolist()),
  ];
}

async function counting(): Promise<unknown> {
  const x = ones([3, 4], { device });
  const {
    byName: _,
    live: __,
    peak: ___,
    ...work
  } = await counted(() => {
    x.mul(2).sum(); // two launches
    x.transpose(0, 1).narrow(0, 1, 2).view([2, 3, 1]); // views: nothing
    x.sum().item(); // a launch and a wait
    x.nonzero(); // a wait
    ones([3]).to({ device }); // pageable: a wait
  });
  return work;
}

async function memory(): Promise<unknown> {
  const before = strict.counts().live;
  const { live, peak } = await counted(() =>
    scope(() => {
      const one = zeros([256], { device });
      one.add(1).mul(2);
    }),
  );
  return { live: live - before, peak: peak - before };
}

/** The host writes to a pinned buffer while its copy may still read it. */
function earlyReuse(): string {
  const buffer = pinned(4);
  buffer.fill_(1);
  const copy = onDevice(buffer);
  buffer.fill_(2);
  return refusal(() => copy.tolist());
}

function rightReuse(): unknown {
  const buffer = pinned(4);
  buffer.fill_(1);
  const first = onDevice(buffer);
  const sum = first.sum().item(); // waits
  buffer.fill_(2);
  const second = onDevice(buffer);
  buffer.dispose(); // freeing is no writing
  return [sum, first.tolist(), second.tolist()];
}

/** What the host finds in a buffer before and after the wait. */
function earlyRead(): unknown {
  const source = arange(4, { dtype: 'float32', device });
  const buffer = pinned(4);
  copyBack(buffer, source);
  source.fill_(9); // behind the copy in the queue
  const early = buffer.tolist();
  source.sum().item();
  return [early, buffer.tolist()];
}

function graphs(): unknown {
  const input = ones([4], { device });
  const total = zeros([4], { device });
  const output = strict.capture(() => {
    total.add_(input);
    return total.mul(10).softmax(0).mul(4).add(total);
  });
  const captured = [total.tolist(), output.isnan().all().item()];
  strict.replay();
  const once = [total.tolist(), output.tolist()];
  input.fill_(5);
  strict.reset();
  strict.replay();
  const launches = strict.counts().launches;
  return { captured, once, twice: [total.tolist(), output.tolist()], launches };
}

function capturedRefusals(): string[] {
  const x = ones([4], { device });
  return [
    refusal(() => strict.capture(() => x.sum().item())),
    refusal(() => strict.capture(() => x.nonzero())),
    refusal(() => strict.capture(() => ones([4]).to({ device }))),
    refusal(() =>
      strict.capture(() => callOperator('aten::add.out', [x, x], { out: empty([0], { device }) })),
    ),
    refusal(() => strict.capture(() => callOperator('aten::resize_', [ones([2], { device }), [9]]))),
    refusal(() => strict.capture(() => strict.replay())),
    // A refused capture leaves nothing behind.
    String(stack([x, x]).sum().item()),
  ];
}

const results = {
  freedMemory: freedMemory(),
  mixedDevices: mixedDevices(),
  counting: await counting(),
  memory: await memory(),
  earlyReuse: earlyReuse(),
  rightReuse: rightReuse(),
  earlyRead: earlyRead(),
  graphs: graphs(),
  capturedRefusals: capturedRefusals(),
};
answer(results);
