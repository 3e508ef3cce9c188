/**
 * Gradients. Backward is driven from TypeScript: a checkpointed segment runs forward without a graph
 * and is run again with one when its gradient is due. Engine threads never call into JavaScript, so
 * the same code holds on a GPU.
 */
import { kindOf, NativeError } from './errors.ts';
import { dispose, keep, scope } from './handle.ts';
import { type NativeHandle, native } from './native.ts';
import { handlesOf, optionalHandles } from './operator-call.ts';
import { Tensor } from './tensor.ts';

type OneOrMany = Tensor | readonly Tensor[];
/** A gradient for each output; undefined stands for 1 (only for outputs with one element). */
type GradOutputs = Tensor | readonly (Tensor | undefined)[];

function list(value: OneOrMany): readonly Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value;
  throw new NativeError('autograd', '', `expected a Tensor or an array of Tensors, got ${kindOf(value)}`);
}

function gradHandles(
  outputs: readonly NativeHandle[],
  gradOutputs: GradOutputs | undefined,
  operator: string,
): (NativeHandle | null)[] {
  if (gradOutputs === undefined) return outputs.map(() => null);
  const given = gradOutputs instanceof Tensor ? [gradOutputs] : gradOutputs;
  const handles = optionalHandles(given, operator, 'gradOutputs');
  if (handles.length !== outputs.length)
    throw new NativeError(operator, '', `${outputs.length} outputs but ${handles.length} gradients`);
  return handles;
}

/**
 * Gradients of `outputs` with respect to `inputs`; nothing is accumulated in `.grad`.
 *
 * @param gradOutputs the gradient that flows into each output
 * @param options.allow_unused with `true`, an input that the outputs don't depend on gives undefined, else it throws
 */
export function grad(
  outputs: OneOrMany,
  inputs: readonly Tensor[],
  gradOutputs: GradOutputs | undefined,
  options: { retain_graph?: boolean; create_graph?: boolean; allow_unused: true },
): (Tensor | undefined)[];
export function grad(
  outputs: OneOrMany,
  inputs: readonly Tensor[],
  gradOutputs?: GradOutputs,
  options?: { retain_graph?: boolean; create_graph?: boolean; allow_unused?: false },
): Tensor[];
export function grad(
  outputs: OneOrMany,
  inputs: readonly Tensor[],
  gradOutputs?: GradOutputs,
  options: { retain_graph?: boolean; create_graph?: boolean; allow_unused?: boolean } = {},
): (Tensor | undefined)[] {
  const from = handlesOf(list(outputs), 'grad', 'outputs');
  const { create_graph = false, retain_graph = create_graph, allow_unused = false } = options;
  return native
    .grad(
      from,
      handlesOf(inputs, 'grad', 'inputs'),
      gradHandles(from, gradOutputs, 'grad'),
      retain_graph,
      create_graph,
      allow_unused,
    )
    .map((handle) => (handle === null ? undefined : new Tensor(handle)));
}

/**
 * Accumulates gradients in the `.grad` of leaves.
 *
 * @param options.inputs only these leaves receive gradients
 */
export function backward(
  outputs: OneOrMany,
  gradOutputs?: GradOutputs,
  options: { retain_graph?: boolean; create_graph?: boolean; inputs?: readonly Tensor[] } = {},
): void {
  const from = handlesOf(list(outputs), 'backward', 'outputs');
  const { create_graph = false, retain_graph = create_graph, inputs = [] } = options;
  native.backward(
    from,
    gradHandles(from, gradOutputs, 'backward'),
    retain_graph,
    create_graph,
    handlesOf(inputs, 'backward', 'inputs'),
  );
}

function withGradMode<T>(enabled: boolean, body: () => T): T {
  const previous = native.setGradEnabled(enabled);
  try {
    const result = body();
    if (result instanceof Promise) {
      result.catch(() => {}); // the error to see is this one
      throw new NativeError(
        'noGrad',
        '',
        'got an async function; the gradient mode holds for synchronous code only',
      );
    }
    return result;
  } finally {
    native.setGradEnabled(previous);
  }
}

/** Runs `body` without recording operations for gradients. Synchronous only. */
export function noGrad<T>(body: () => T): T {
  return withGradMode(false, body);
}

/** Runs `body` with recording, also inside `noGrad`. Synchronous only. */
export function enableGrad<T>(body: () => T): T {
  return withGradMode(true, body);
}

export function isGradEnabled(): boolean {
  return native.isGradEnabled();
}

/** A segment that ran without a graph and can be run backward once. */
export interface Checkpoint {
  /** Outputs of the function; no graph hangs on them. */
  readonly outputs: readonly Tensor[];
  /**
   * Runs the function again, with a graph, and back through it. Leaves that require grad (parameters)
   * accumulate in `.grad`.
   *
   * @param gradOutputs one gradient for each output
   * @returns one gradient for each input; undefined for inputs of a dtype without gradients or without influence
   */
  backward(gradOutputs: readonly (Tensor | undefined)[]): (Tensor | undefined)[];
  /** Frees the kept inputs when backward will not be called. */
  dispose(): void;
}

/**
 * Activation checkpointing: runs `fn` now and keeps only its inputs; `backward` runs it again.
 *
 * `fn` must give the same result both times: no random numbers, no changed state. The kept inputs
 * share memory with the given ones; they must not be written to in between.
 */
export function checkpoint(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
): Checkpoint {
  handlesOf(inputs, 'checkpoint', 'inputs'); // all alive, before anything is made
  const [saved, outputs] = scope('checkpoint', () => {
    const own = inputs.map((input) => input.detach());
    // An output that is an input itself must not share its fate.
    const made = noGrad(() =>
      list(fn(...own)).map((output) => (own.includes(output) ? output.detach() : output)),
    );
    keep(own);
    return [own, made];
  });
  let isSpent = false;
  return {
    outputs,
    dispose: () => {
      isSpent = true;
      dispose(saved);
    },
    backward(gradOutputs) {
      if (isSpent)
        throw new NativeError(
          'checkpoint',
          '',
          'backward was called already, or the checkpoint was disposed',
        );
      isSpent = true;
      try {
        return scope('checkpoint backward', () =>
          enableGrad(() => {
            const leaves = saved.map((input) => {
              const leaf = input.detach();
              return isDifferentiable(leaf) ? leaf.requires_grad_(true) : leaf;
            });
            // In a scope of its own: on the way back the graph alone holds the segment's tensors, and frees each when it is done.
            const again = scope('checkpoint again', () => list(fn(...leaves)));
            const pairs = again.flatMap((output, i) => {
              const gradient = gradOutputs[i];
              return gradient !== undefined && output.requires_grad ? [[output, gradient] as const] : [];
            });
            if (gradOutputs.length !== again.length)
              throw new NativeError(
                'checkpoint',
                '',
                `${again.length} outputs but ${gradOutputs.length} gradients`,
              );
            if (pairs.length > 0)
              backward(
                pairs.map(([output]) => output),
                pairs.map(([, gradient]) => gradient),
              );
            return leaves.map((leaf) => leaf.grad);
          }),
        );
      } finally {
        dispose(saved);
      }
    },
  };
}

function isDifferentiable(tensor: Tensor): boolean {
  return ['float32', 'float64', 'bfloat16', 'float16'].includes(tensor.dtype);
}
