/**
 * @file Wrong calls are type errors. The compiler checks this file: each `@ts-expect-error` fails the build when the
 * line below it is *no* error. The test runs that compiler; the calls themselves never run.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { checkpoint, grad } from './autograd.ts';
import { Generator } from './generator.ts';
import { keep, scope } from './handle.ts';
import {
  _foreach_add_,
  _fused_adamw_,
  cat,
  cross_entropy_loss,
  rms_norm,
  scaled_dot_product_attention,
  stack,
  where,
} from './operators.generated.ts';
import { fromTypedArray, randn, Tensor, tensor, zeros } from './tensor.ts';

/** Right calls, with the types of their results. */
function rightCalls(x: Tensor, list: readonly Tensor[]): void {
  const one: Tensor = x.add(1).add(x, { alpha: 2 }).mul(2n).div(x, { rounding_mode: 'floor' });
  const pair: [Tensor, Tensor] = x.topk(2, -1, true);
  const parts: Tensor[] = x.split(2, 0);
  const isSame: boolean = x.equal(one);
  const inPlace: Tensor = x.add_(1).copy_(one);
  const shape: readonly number[] = x.shape;
  const fromScope: { a: Tensor; b: number } = scope('name', () => ({ a: x, b: 1 }));
  const gradients: Tensor[] = grad(x, [x]);
  const unused: (Tensor | undefined)[] = grad(x, [x], undefined, { allow_unused: true });
  const masked: Tensor = x.index([undefined, x]);
  const attended: Tensor = scaled_dot_product_attention(x, x, x, undefined, 0, true, { enable_gqa: true });
  x.sum().backward();
  _foreach_add_(list, 1);
  x.sum([0], true, { dtype: 'float64' });
  x.multinomial(1, false, { generator: new Generator(1) });
  rms_norm(x, [8], undefined, 1e-6);
  const kept: Map<string, Tensor> = keep(new Map([['x', x]]));
  void [pair, parts, isSame, inPlace, shape, fromScope, gradients, unused, masked, attended, kept];
}

function wrongCalls(x: Tensor, list: readonly Tensor[]): void {
  // Wrong kinds
  // @ts-expect-error a string is no tensor
  x.matmul('w');
  // @ts-expect-error a number is no tensor
  x.matmul(3);
  // @ts-expect-error an array is no Scalar
  x.mul([1, 2]);
  // @ts-expect-error a dimension is a number
  x.softmax('-1');
  // @ts-expect-error a shape is an array
  x.reshape(2, 3);
  // @ts-expect-error a list of tensors, not a tensor
  cat(x);
  // @ts-expect-error tensors, not numbers
  stack([1, 2]);
  // @ts-expect-error undefined is no tensor
  x.add(undefined);
  // @ts-expect-error null is no tensor: absent is undefined
  scaled_dot_product_attention(x, x, x, null);
  // @ts-expect-error no such dtype
  zeros([2], { dtype: 'float31' });
  // @ts-expect-error the seed is not a generator
  x.multinomial(1, false, { generator: 7 });
  // @ts-expect-error noise needs its own generator
  randn([2], {});
  // @ts-expect-error keepdim is a boolean
  x.sum([0], 1);

  // Wrong counts and names
  // @ts-expect-error the second argument is missing
  x.matmul();
  // @ts-expect-error one argument too many
  x.matmul(x, x);
  // @ts-expect-error the option is alpha
  x.add(x, { alfa: 2 });
  // @ts-expect-error keyword-only arguments are not positional
  x.add(x, 2);
  // @ts-expect-error an operator of another name
  x.matmull(x);
  // @ts-expect-error lr is needed
  _fused_adamw_(list, list, list, list, [], list, { beta1: 0.9 });
  // @ts-expect-error the target is missing
  cross_entropy_loss(x);
  // @ts-expect-error two tensors needed
  where(x, x);

  // Wrong use of results
  // @ts-expect-error a pair is no tensor
  x.topk(1).add(1);
  // @ts-expect-error nothing comes back
  _foreach_add_(list, 1).length;
  // @ts-expect-error the gradient may be undefined
  x.grad.add(1);
  // @ts-expect-error with allow_unused gradients may be undefined
  grad(x, [x], undefined, { allow_unused: true })[0].add(1);
  // @ts-expect-error shapes can't be written
  x.shape[0] = 1;
  // @ts-expect-error backward takes an array of gradients
  checkpoint((a) => a!.mul(2), [x]).backward(x);
  // @ts-expect-error strings are no numbers
  tensor(['1']);
  // @ts-expect-error plain arrays are no typed arrays
  fromTypedArray([1, 2], [2]);
  // @ts-expect-error a handle is a number
  new Tensor('handle');
}

void [rightCalls, wrongCalls]; // for the compiler only

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('types', () => {
  it('this file compiles: right calls are right, wrong calls are errors', { timeout: 120_000 }, () => {
    const { config } = ts.readConfigFile(`${root}/tsconfig.json`, ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
    const program = ts.createProgram([fileURLToPath(import.meta.url)], options);
    const source = program.getSourceFile(fileURLToPath(import.meta.url));
    const problems = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    const texts = problems.map((problem) => {
      const { line } = ts.getLineAndCharacterOfPosition(problem.file!, problem.start!);
      return `line ${line + 1}: ${ts.flattenDiagnosticMessageText(problem.messageText, ' ')}`;
    });
    expect(texts).toEqual([]);
  });
});

describe('operators.generated.ts', () => {
  it("is what generate-ops.mjs writes from ops.txt and libtorch's schemas", () => {
    execFileSync(process.execPath, [`${root}/scripts/generate-ops.mjs`, '--check'], { stdio: 'pipe' });
  });
});
