/** @file Scopes: what dies, what lives, what the errors say, and the counts that leak tests stand on. */
import { setImmediate as nextTask } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../../tests/support/collect-garbage.ts';
import { NativeError } from './errors.ts';
import { dispose, keep, liveBytes, liveTensors, scope } from './handle.ts';
import { cat } from './operators.generated.ts';
import { arange, fromTypedArray, type Tensor, tensor, zeros } from './tensor.ts';

describe('scope', () => {
  it('ends the tensors made inside and gives back the value', () => {
    const before = liveTensors();
    let inside: Tensor | undefined;
    const value = scope(() => {
      inside = tensor([1, 2]);
      expect(liveTensors()).toBe(before + 1);
      return inside.add(1).sum().item();
    });
    expect(value).toBe(5);
    expect(inside?.isAlive).toBe(false);
    expect(liveTensors()).toBe(before);
  });

  it('lets tensors go out in arrays, objects, Maps and Sets, however deep, and nothing else', () => {
    const before = liveTensors();
    const out = scope(() => {
      zeros([1]);
      return {
        list: [tensor(1), [tensor(2)]],
        map: new Map([['x', { y: tensor(3) }]]),
        set: new Set([tensor(4)]),
        text: 'x',
        none: null,
        bytes: new Uint8Array(2),
      };
    });
    expect(liveTensors()).toBe(before + 4);
    const [first, [second]] = out.list as [Tensor, [Tensor]];
    const values = [first, second, out.map.get('x')?.y, ...out.set].map((t) => t?.item());
    expect(values).toEqual([1, 2, 3, 4]);
    dispose(out);
    expect(liveTensors()).toBe(before);
  });

  it('survives cycles in what is returned', () => {
    const before = liveTensors();
    interface Node {
      value: Tensor;
      next?: Node;
    }
    const node = scope(() => {
      const made: Node = { value: tensor(1) };
      made.next = made;
      return made;
    });
    expect(node.value.item()).toBe(1);
    dispose(node);
    expect(liveTensors()).toBe(before);
  });

  it('hands what a nested scope returns to the scope around, where it dies', () => {
    const before = liveTensors();
    let escaped: Tensor | undefined;
    scope('outer', () => {
      const outer = tensor(1);
      escaped = scope('inner', () => {
        tensor(2);
        return [tensor(3), outer];
      })[0];
      expect(liveTensors()).toBe(before + 2);
      expect(escaped?.item()).toBe(3);
      expect(outer.isAlive).toBe(true);
    });
    expect(escaped?.isAlive).toBe(false);
    expect(() => escaped?.item()).toThrow("its scope 'outer' has ended");
    expect(liveTensors()).toBe(before);
  });

  it('ends everything when its body throws, also at depth, and works again afterwards', () => {
    const before = liveTensors();
    expect(() =>
      scope(() => {
        tensor(1);
        scope(() => {
          tensor(2);
          throw new RangeError('from the body');
        });
      }),
    ).toThrow(RangeError);
    expect(liveTensors()).toBe(before);
    const t = scope(() => tensor(5));
    expect(t.item()).toBe(5);
    t.dispose();
  });

  it('ends everything when looking at the returned value throws', () => {
    const before = liveTensors();
    expect(() =>
      scope(() => ({
        made: tensor(1),
        get trap(): Tensor {
          throw new RangeError('from a getter');
        },
      })),
    ).toThrow(RangeError);
    expect(liveTensors()).toBe(before);
  });

  it('refuses async functions, quietly dropping what they do later', async () => {
    const before = liveTensors();
    expect(() =>
      scope('later', async () => {
        const t = tensor(1);
        await nextTask();
        t.item(); // dead by now: rejects, and nobody is told twice
      }),
    ).toThrow("scope 'later' got an async function; scopes are synchronous");
    expect(liveTensors()).toBe(before);
    await nextTask();
    await nextTask();
  });

  it('refuses what is no function', () => {
    expect(() => scope('named' as never)).toThrow('expected a function');
    expect(() => scope(3 as never)).toThrow();
    expect(scope(() => 1)).toBe(1);
  });

  it('does not grow in a loop inside one long scope', () => {
    const before = liveTensors();
    scope('long', () => {
      const total = zeros([1]);
      const wrappers: WeakRef<Tensor>[] = [];
      for (let i = 0; i < 50_000; i++)
        scope(() => {
          const one = total.add(1);
          if (i % 10_000 === 0) wrappers.push(new WeakRef(one));
        });
      // A tensor that goes out of the inner scope and is disposed by hand is forgotten too.
      for (let i = 0; i < 50_000; i++) scope(() => total.add(1)).dispose();
      expect(liveTensors()).toBe(before + 1);
      expect(total.item()).toBe(0);
    });
    expect(liveTensors()).toBe(before);
  });
});

describe('keep and dispose', () => {
  it('keep takes a tensor out of all scopes', () => {
    const before = liveTensors();
    let kept: Tensor | undefined;
    scope('outer', () => {
      scope('inner', () => {
        kept = keep(tensor([1, 2]));
        const many = keep({ a: tensor(1), b: [tensor(2)] });
        dispose(many);
      });
    });
    expect(kept?.tolist()).toEqual([1, 2]);
    kept?.dispose();
    expect(liveTensors()).toBe(before);
  });

  it('dispose may be repeated, and frees at once', () => {
    const before = liveTensors();
    const t = zeros([1024]);
    const bytes = liveBytes();
    t.dispose();
    expect([liveTensors(), liveBytes()]).toEqual([before, bytes - 4096]);
    t.dispose();
    dispose([t, t, undefined, 3, null]);
    expect(liveTensors()).toBe(before);
    expect(t.isAlive).toBe(false);
  });

  it('a disposed tensor may be returned or kept without harm', () => {
    const before = liveTensors();
    const t = scope(() => {
      const made = tensor(1);
      made.dispose();
      return keep(made);
    });
    expect(t.isAlive).toBe(false);
    expect(liveTensors()).toBe(before);
  });

  it('disposes through the symbol that `using` calls', () => {
    const t = tensor(1);
    t[Symbol.dispose]();
    expect(t.isAlive).toBe(false);
  });
});

describe('use of a dead tensor', () => {
  const dead = (): Tensor => {
    let t: Tensor | undefined;
    scope('step 7', () => {
      t = tensor([1, 2]);
      t.shape; // remembered values must not hide the death
      t.dtype;
    });
    return t as Tensor;
  };

  it('says which scope ended and how to keep the tensor', () => {
    const message =
      "use of a dead tensor: its scope 'step 7' has ended; return the tensor from that scope, or keep(tensor) inside it";
    const t = dead();
    const uses: (() => unknown)[] = [
      () => t.add(1),
      () => tensor(1).add(t),
      () => cat([t]),
      () => t.shape,
      () => t.dtype,
      () => t.device,
      () => t.item(),
      () => t.tolist(),
      () => t.toTypedArray(),
      () => t.view_as_array(),
      () => t.requires_grad,
      () => t.grad,
      () => t.backward(),
      () => t.handle,
    ];
    scope(() => {
      for (const use of uses)
        expect(use).toThrow(new NativeError('use of a dead tensor', '', message.slice(22)));
    });
    expect(() => t.shape).toThrow(message);
  });

  it('tells disposal from the end of a scope', () => {
    const t = tensor(1);
    t.dispose();
    expect(() => t.item()).toThrow('use of a dead tensor: it was disposed');
  });

  it('names a scope after its function when it has no name of its own', () => {
    let t: Tensor | undefined;
    scope(function forward() {
      t = tensor(1);
    });
    expect(() => t?.item()).toThrow("its scope 'forward' has ended");
    scope(() => {
      t = tensor(1);
    });
    expect(() => t?.item()).toThrow("its scope 'unnamed' has ended");
  });
});

describe('liveTensors and liveBytes', () => {
  it('count views of one storage once in bytes and each in tensors', () => {
    const [tensors, bytes] = [liveTensors(), liveBytes()];
    scope(() => {
      const x = zeros([256, 4]);
      const views = [x.t(), x.select(0, 1), x.view([-1]), x.detach(), x.unsqueeze(0)];
      expect(liveTensors()).toBe(tensors + 1 + views.length);
      expect(liveBytes()).toBe(bytes + 4096);
      x.dispose();
      expect(liveBytes()).toBe(bytes + 4096); // the views still hold it
      x.dispose();
      dispose(views);
      expect(liveBytes()).toBe(bytes);
      const bool = zeros([100], { dtype: 'bool' });
      expect(liveBytes()).toBe(bytes + 100);
      bool.add(bool);
      expect(liveBytes()).toBe(bytes + 200);
    });
    expect([liveTensors(), liveBytes()]).toEqual([tensors, bytes]);
  });

  it('hold still when operators fail', () => {
    const before = liveTensors();
    scope(() => {
      const x = arange(6);
      const inside = liveTensors();
      for (let i = 0; i < 20; i++) expect(() => x.view([4])).toThrow(NativeError);
      expect(liveTensors()).toBe(inside);
    });
    expect(liveTensors()).toBe(before);
  });

  it('borrowed arrays are let go after their tensors', () => {
    const before = liveBytes();
    for (let i = 0; i < 100; i++)
      scope(() => fromTypedArray(new Float32Array(1024), [1024], { copy: false }).sum().item());
    expect(liveBytes()).toBe(before);
  });

  it('tensors outside any scope fall to garbage collection in the end', async () => {
    await collectGarbage();
    const before = liveTensors();
    (() => {
      for (let i = 0; i < 100; i++) zeros([8]);
    })();
    expect(liveTensors()).toBe(before + 100);
    for (let i = 0; i < 50 && liveTensors() > before; i++) await collectGarbage();
    expect(liveTensors()).toBeLessThanOrEqual(before + 1); // the last may still sit in a register
  });
});
