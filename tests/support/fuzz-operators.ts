/**
 * @file Calls operators of libtorch with random arguments, in a process of its own (`fuzz.test.ts` starts it):
 *
 *   node --import ./scripts/typescript/loader.mjs tests/support/fuzz-operators.ts SEED CALLS OPERATOR...
 *
 * About two arguments of three are of the right kind, with shapes and dtypes that seldom fit together; the others
 * are of a wrong kind. A call may throw NativeError and nothing else. The name of each operator is written before
 * its first call, so that the one which ends the process is known.
 */
import { writeSync } from 'node:fs';
import {
  callOperator,
  Generator,
  keep,
  liveTensors,
  NativeError,
  randn,
  scope,
  type Tensor,
  tensor,
  zeros,
} from '../../src/tensor/index.ts';
import { native } from '../../src/tensor/native.ts';

const [seedText = '0', callsText = '4', ...operators] = process.argv.slice(2);

/** Mulberry32: small, seeded, good enough to pick junk. */
function randomSource(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** FNV-1a: the junk of an operator depends on its name alone, not on its place in the list. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return hash;
}

const generator = new Generator(1);
const dead = zeros([2]);
dead.dispose();
/** Fresh for each call: operators write to their arguments. */
const tensorMakers: (() => Tensor)[] = [
  () => randn([2, 3], { generator }),
  () => randn([3, 3], { generator }),
  () => randn([4], { generator }),
  () => randn([1, 2, 4, 4], { generator }),
  () => randn([2, 3, 4], { generator, dtype: 'float64' }),
  () => randn([2, 2], { generator }).to({ dtype: 'bfloat16' }),
  () => randn([2, 3], { generator }).requires_grad_(true),
  () => randn([3, 2], { generator }).transpose(0, 1),
  () => tensor([0, 1, 2, 1], { dtype: 'int64' }),
  () => tensor([[5, -7, 100]], { dtype: 'int64' }),
  () => tensor([1, 0], { dtype: 'int32' }),
  () => tensor([true, false, true]),
  () => tensor([1, 2, 255], { dtype: 'uint8' }),
  () => tensor([Number.NaN, Number.POSITIVE_INFINITY]),
  () => tensor(3),
  () => tensor(0, { dtype: 'int64' }),
  () => zeros([0]),
  () => zeros([0, 3]),
];

const wrongKinds: readonly unknown[] = [
  null,
  undefined,
  0,
  -1,
  1.5,
  Number.NaN,
  2 ** 53,
  2n ** 63n,
  '',
  'sum',
  true,
  Symbol('junk'),
  {},
  [],
  [[1]],
  new Array(5),
  () => 1,
  new Float32Array(2),
  new Date(0),
  dead,
  {
    get handle() {
      throw new NativeError('getter', '', 'of the test');
    },
  },
];

function junkFor(random: () => number): (kind: string) => unknown {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const list = (make: () => unknown): unknown[] => Array.from({ length: Math.floor(random() * 4) }, make);
  const anyTensor = (): Tensor => pick(tensorMakers)();
  const int = (): number => pick([0, 1, 2, 3, 4, -1, -2, 7, 64, 2 ** 40, -(2 ** 40), 2 ** 53]);
  const float = (): number => pick([0, 0.5, 1, -1, 1e-8, 1e30, Number.NaN, Number.POSITIVE_INFINITY]);
  const scalar = (): unknown => pick([0, 1, -1, 2, 0.5, true, 3n, Number.NaN]);
  const bool = (): boolean => random() < 0.5;
  const text = (): string => pick(['', 'mean', 'sum', 'none', 'floor', 'ij', 'i,j->ij', 'reflect', 'cpu']);
  const right: Record<string, () => unknown> = {
    Tensor: anyTensor,
    'Tensor[]': () => list(anyTensor),
    'Tensor?[]': () => list(() => (random() < 0.3 ? undefined : anyTensor())),
    int,
    'int[]': () => (random() < 0.2 ? int() : list(int)),
    float,
    'float[]': () => list(float),
    bool,
    'bool[]': () => list(bool),
    str: text,
    'str[]': () => list(text),
    Scalar: scalar,
    'Scalar[]': () => list(scalar),
    ScalarType: () => pick(['float32', 'float64', 'bfloat16', 'int64', 'bool', 'complex64', 'uint8']),
    Layout: () => pick(['strided', 'sparse_coo']),
    MemoryFormat: () => pick(['contiguous_format', 'preserve_format', 'channels_last']),
    Device: () => pick(['cpu', 'meta', 'cuda', 'nowhere']),
    Generator: () => generator,
  };
  return (kind) => (random() < 0.3 ? pick(wrongKinds) : (right[kind] ?? (() => pick(wrongKinds)))());
}

let numThrown = 0;
let numReturned = 0;
keep(dead);
for (const operator of operators) {
  writeSync(1, `${operator}\n`);
  const dot = operator.indexOf('.', operator.indexOf('::') + 2);
  const schema = native.schemaOf(
    dot < 0 ? operator : operator.slice(0, dot),
    dot < 0 ? '' : operator.slice(dot + 1),
  );
  const junk = junkFor(randomSource(hashOf(`${seedText} ${operator}`)));
  for (let call = 0; call < Number(callsText); call++) {
    const before = liveTensors();
    try {
      scope('fuzz', () => {
        const positional = schema.arguments.filter((argument) => !argument.isKeywordOnly);
        const keywords = schema.arguments.filter((argument) => argument.isKeywordOnly);
        callOperator(
          operator,
          positional.map((argument) => junk(argument.kind)),
          Object.fromEntries(keywords.map((argument) => [argument.name, junk(argument.kind)])),
        );
      });
      numReturned += 1;
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      numThrown += 1;
    }
    if (liveTensors() !== before)
      throw new Error(`${operator} left ${liveTensors() - before} tensors behind`);
  }
}
writeSync(1, `done: ${numReturned} returned, ${numThrown} threw NativeError\n`);
