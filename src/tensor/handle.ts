/**
 * The life of a tensor: it belongs to the scope it was made in and dies with it, unless it is
 * returned or kept.
 *
 * V8 runs no finalizers inside a synchronous loop, however much native memory hangs on dead objects,
 * so garbage collection can't manage tensors; scopes do. Collection is only the net for tensors made
 * outside any scope.
 */
import { NativeError } from './errors.ts';
import { type NativeHandle, native } from './native.ts';

/** Base class of `Tensor`: the part of a tensor that scopes and generated operators need. */
export abstract class TensorHandle {
  #handle: NativeHandle;
  #owner: Scope | undefined;
  #death = '';

  constructor(handle: NativeHandle) {
    this.#handle = handle;
    this.#owner = currentScope;
    if (currentScope === undefined) collected.register(this, handle, this);
    else currentScope.owned.push(this);
  }

  /** The addon's handle. Throws `NativeError` when the tensor is dead. */
  get handle(): NativeHandle {
    if (this.#handle === 0) throw new NativeError('use of a dead tensor', '', this.#death);
    return this.#handle;
  }

  /** An operator may have given the tensor another shape or dtype: what is remembered of it is void. */
  changed(): void {}

  /** True while the tensor can still be used. */
  get isAlive(): boolean {
    return this.#handle !== 0;
  }

  /** Frees the tensor's memory now (its storage stays while other tensors share it). Safe to repeat. */
  dispose(): void {
    this.#die('it was disposed');
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #die(death: string): void {
    if (this.#handle === 0) return;
    if (this.#owner === undefined) collected.unregister(this);
    native.release(this.#handle);
    this.#handle = 0;
    this.#owner = undefined;
    this.#death = death;
  }

  /** Gives the tensor to another scope; `undefined` means nobody but garbage collection. */
  static move(tensor: TensorHandle, scope: Scope | undefined): void {
    if (tensor.#handle === 0 || tensor.#owner === scope) return;
    if (tensor.#owner === undefined) collected.unregister(tensor);
    tensor.#owner = scope;
    if (scope === undefined) collected.register(tensor, tensor.#handle, tensor);
    else scope.owned.push(tensor);
  }

  static end(scope: Scope, escaping: ReadonlySet<TensorHandle>, parent: Scope | undefined): void {
    const death = `its scope '${scope.name}' has ended; return the tensor from that scope, or keep(tensor) inside it`;
    for (const tensor of scope.owned) {
      if (tensor.#owner !== scope) continue; // kept, moved or disposed
      if (escaping.has(tensor)) TensorHandle.move(tensor, parent);
      else tensor.#die(death);
    }
    scope.owned.length = 0;
  }

  static isOwnedBy(tensor: TensorHandle, scope: Scope): boolean {
    return tensor.#owner === scope;
  }
}

class Scope {
  readonly name: string;
  owned: TensorHandle[] = [];
  #sizeAfterSweep = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Long scopes forget wrappers of tensors that died early, so that a loop inside one does not grow. */
  sweep(): void {
    if (this.owned.length < 2 * this.#sizeAfterSweep + 4096) return;
    this.owned = this.owned.filter((tensor) => TensorHandle.isOwnedBy(tensor, this));
    this.#sizeAfterSweep = this.owned.length;
  }
}

let currentScope: Scope | undefined;

const collected = new FinalizationRegistry<NativeHandle>((handle) => native.releaseCollected(handle));

/** All tensors inside a value: the value itself, or anywhere in its arrays, Maps, Sets and plain objects. */
function tensorsIn(
  value: unknown,
  found = new Set<TensorHandle>(),
  seen = new Set<object>(),
): Set<TensorHandle> {
  if (typeof value !== 'object' || value === null) return found;
  if (value instanceof TensorHandle) return found.add(value);
  if (ArrayBuffer.isView(value) || seen.has(value)) return found;
  seen.add(value);
  if (Array.isArray(value) || value instanceof Set) for (const item of value) tensorsIn(item, found, seen);
  else if (value instanceof Map) for (const item of value.values()) tensorsIn(item, found, seen);
  else for (const item of Object.values(value)) tensorsIn(item, found, seen);
  return found;
}

/**
 * Runs `body`; every tensor made inside dies at its end, also when it throws, except those in the
 * returned value (tensors anywhere in arrays, Maps, Sets and objects), which move to the scope around.
 *
 * `body` must be synchronous: with an `await` inside, tensors of other code would fall into this scope.
 *
 * @param name appears in the error that using a dead tensor throws
 */
export function scope<T>(body: () => T): T;
export function scope<T>(name: string, body: () => T): T;
export function scope<T>(nameOrBody: string | (() => T), maybeBody?: () => T): T {
  const [name, body] = typeof nameOrBody === 'string' ? [nameOrBody, maybeBody] : [undefined, nameOrBody];
  if (body === undefined) throw new NativeError('scope', '', 'expected a function');
  const parent = currentScope;
  const scope = new Scope(name ?? (body.name || 'unnamed'));
  currentScope = scope;
  parent?.sweep();
  let escaping: ReadonlySet<TensorHandle> = new Set();
  try {
    const result = body();
    if (result instanceof Promise) {
      result.catch(() => {}); // it will fail over dead tensors; the error to see is this one
      throw new NativeError(
        'scope',
        '',
        `scope '${scope.name}' got an async function; scopes are synchronous`,
      );
    }
    escaping = tensorsIn(result);
    return result;
  } finally {
    currentScope = parent;
    TensorHandle.end(scope, escaping, parent);
  }
}

/** Takes tensors (anywhere in `value`) out of their scopes: they live until `dispose()` or collection. */
export function keep<T>(value: T): T {
  for (const tensor of tensorsIn(value)) TensorHandle.move(tensor, undefined);
  return value;
}

/** Disposes every tensor anywhere in `value`. */
export function dispose(value: unknown): void {
  for (const tensor of tensorsIn(value)) tensor.dispose();
}

/** Number of tensors that JavaScript holds now. */
export function liveTensors(): number {
  return native.liveTensors();
}

/** Bytes of the memory behind them, shared storages counted once. What only a gradient graph holds is not in it. */
export function liveBytes(): number {
  return native.liveBytes();
}
