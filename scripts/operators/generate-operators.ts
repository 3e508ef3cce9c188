/**
 * @file Writes src/tensor/operators.generated.ts: typed methods and functions for the operators listed in src/tensor/ops.txt, from
 * the schemas of the libtorch that the addon is linked with. Of the tensor room it imports types alone, so that it runs where the
 * file that it writes is missing or broken.
 *
 *   npm run generate:ops [-- --check]     --check: fail when the file would change
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot, readEngineFile } from '../../src/base/index.ts';
import type { OperatorSchema, SchemaArgument } from '../../src/tensor/index.ts';

/** One operator of the list, with the schemas of the overloads that it names. */
interface Operator {
  readonly name: string;
  /** `aten::name` */
  readonly operator: string;
  readonly overloads: readonly OperatorSchema[];
}

interface Schemas {
  schemaOf(name: string, overload: string): OperatorSchema;
}

const root = packageRoot();
const native = createRequire(import.meta.url)(readEngineFile()!.addon) as Schemas;
const listFile = join(root, 'src/tensor/ops.txt');
const outFile = join(root, 'src/tensor/operators.generated.ts');

const typeOfKind: Readonly<Record<string, string>> = {
  Tensor: 'Tensor',
  'Tensor[]': 'readonly Tensor[]',
  'Tensor?[]': 'readonly (Tensor | undefined)[]',
  int: 'number',
  'int[]': 'readonly number[]',
  float: 'number',
  'float[]': 'readonly number[]',
  bool: 'boolean',
  'bool[]': 'readonly boolean[]',
  str: 'string',
  'str[]': 'readonly string[]',
  Scalar: 'Scalar',
  'Scalar[]': 'readonly Scalar[]',
  ScalarType: 'DType',
  Layout: 'Layout',
  MemoryFormat: 'MemoryFormat',
  Device: 'Device',
  Generator: 'Generator',
};
const resultTypeOfKind: Readonly<Record<string, string>> = {
  Tensor: 'Tensor',
  'Tensor[]': 'Tensor[]',
  int: 'number',
  float: 'number',
  bool: 'boolean',
  Scalar: 'number',
  str: 'string',
};
/** A test of a run-time value, for telling overloads apart. */
const testOfKind: Readonly<Record<string, (value: string) => string>> = {
  Tensor: (v) => `isTensor(${v})`,
  'Tensor[]': (v) => `Array.isArray(${v})`,
  'Tensor?[]': (v) => `Array.isArray(${v})`,
  int: (v) => `typeof ${v} === 'number'`,
  'int[]': (v) => `Array.isArray(${v})`,
  float: (v) => `typeof ${v} === 'number'`,
  'float[]': (v) => `Array.isArray(${v})`,
  bool: (v) => `typeof ${v} === 'boolean'`,
  str: (v) => `typeof ${v} === 'string'`,
  Scalar: (v) => `isScalar(${v})`,
  ScalarType: (v) => `typeof ${v} === 'string'`,
};
const reserved = new Set(['in', 'var', 'with', 'default', 'function', 'new', 'delete', 'input']);

function readList(): { readonly methods: readonly Operator[]; readonly functions: readonly Operator[] } {
  const sections: Record<'methods' | 'functions', Operator[]> = { methods: [], functions: [] };
  let section: Operator[] | undefined;
  readFileSync(listFile, 'utf8')
    .split('\n')
    .forEach((line, i) => {
      const text = line.replace(/#.*/, '').trim();
      if (text === '') return;
      const header = /^\[(methods|functions)\]$/.exec(text)?.[1];
      if (header !== undefined) {
        section = sections[header as keyof typeof sections];
        return;
      }
      if (section === undefined)
        throw new Error(`${listFile}:${i + 1}: an operator before [methods] or [functions]`);
      const [first = '', ...overloads] = text.split(/\s+/);
      if (overloads.length === 0)
        throw new Error(`${listFile}:${i + 1}: '${first}' names no overload ('-' for the unnamed one)`);
      // `name`, or `name=namespace::operator`.
      const [name = '', operator = `aten::${name}`] = first.split('=');
      section.push({
        name,
        operator,
        overloads: overloads.map((o) => native.schemaOf(operator, o === '-' ? '' : o)),
      });
    });
  return sections;
}

const parameterName = (name: string) => (reserved.has(name) ? `${name}_` : name);
const isOmittable = (argument: SchemaArgument) => argument.hasDefault || argument.isOptional;

function tsType(argument: SchemaArgument): string {
  const type = typeOfKind[argument.kind];
  if (type === undefined)
    throw new Error(`argument '${argument.name}' of kind ${argument.kind} has no TypeScript type`);
  const repeated =
    argument.listSize > 0 && argument.kind.endsWith('[]')
      ? ` | ${typeOfKind[argument.kind.slice(0, -2)]}`
      : '';
  return `${type}${repeated}${argument.isOptional ? ' | undefined' : ''}`;
}

function split(schema: OperatorSchema, isMethod: boolean) {
  const positional = schema.arguments.filter((a) => !a.isKeywordOnly).slice(isMethod ? 1 : 0);
  const keywords = schema.arguments.filter((a) => a.isKeywordOnly);
  return { positional, keywords };
}

function signature(schema: OperatorSchema, isMethod: boolean): string {
  const { positional, keywords } = split(schema, isMethod);
  const lastRequired = positional.findLastIndex((a) => !isOmittable(a));
  const parts = positional.map(
    (a, i) => `${parameterName(a.name)}${i > lastRequired ? '?' : ''}: ${tsType(a)}`,
  );
  if (keywords.length > 0) {
    const needed = keywords.some((a) => !isOmittable(a));
    const fields = keywords.map((a) => `${a.name}${isOmittable(a) ? '?' : ''}: ${tsType(a)}`);
    parts.push(`options${needed ? '' : '?'}: { ${fields.join('; ')} }`);
  }
  return parts.join(', ');
}

function resultType(schema: OperatorSchema, isMethod: boolean): string {
  if (schema.results.length === 0) return 'void';
  const types = schema.results.map((r) => (r.isWritten && isMethod ? 'this' : resultTypeOfKind[r.kind]));
  if (types.some((t) => t === undefined)) throw new Error(`${schema.text}: a result has no TypeScript type`);
  return types.length === 1 ? types[0]! : `[${types.join(', ')}]`;
}

function convert(argument: SchemaArgument, expression: string, operator: string): string {
  const quoted = `'${operator}', '${argument.name}'`;
  switch (argument.kind) {
    case 'Tensor':
      return argument.isOptional
        ? `optionalHandle(${expression}, ${quoted})`
        : `handleOf(${expression}, ${quoted})`;
    case 'Tensor[]':
      return argument.isOptional
        ? `(${expression} === undefined ? undefined : handlesOf(${expression}, ${quoted}))`
        : `handlesOf(${expression}, ${quoted})`;
    case 'Tensor?[]':
      return `optionalHandles(${expression}, ${quoted})`;
    case 'Generator':
      return `generatorOf(${expression}, ${quoted})`;
    default:
      return expression;
  }
}

/** The call of one overload; `values` are the expressions of its positional arguments. */
function callBody(
  schema: OperatorSchema,
  isMethod: boolean,
  values: readonly string[],
  options: string,
): string {
  const operator = schema.name;
  const { positional, keywords } = split(schema, isMethod);
  const id = idOf(schema);
  const args = [
    ...(isMethod ? ['this.handle'] : []),
    ...positional.map((a, i) => convert(a, values[i]!, operator)),
    ...keywords.map((a) => convert(a, `${options}?.${a.name}`, operator)),
  ];
  const call = `native.call(${id}, ${args.join(', ')})`;
  const { results } = schema;
  if (results.length === 0) return `${call};`;
  const wrapOne = (kind: string, expression: string): string => {
    if (kind === 'Tensor') return `wrap(${expression})`;
    if (kind === 'Tensor[]') return `wrapList(${expression})`;
    return `${expression} as ${resultTypeOfKind[kind]}`;
  };
  const [first] = results;
  if (first !== undefined && results.length === 1) {
    if (first.isWritten) return isMethod ? `${call};\n    return this;` : `${call};`;
    return `return ${wrapOne(first.kind, call)};`;
  }
  const items = results.map((r, i) => wrapOne(r.kind, `results[${i}] ?? null`));
  return `const results = ${call} as NativeValue[];\n    return [${items.join(', ')}];`;
}

/** Conditions that tell the overloads of one operator apart, in the order of the list. */
function condition(overloads: readonly OperatorSchema[], index: number, isMethod: boolean): string {
  const { text } = overloads[index]!;
  const own = split(overloads[index]!, isMethod);
  const tests: string[] = [];
  const count = Math.max(...overloads.map((o) => split(o, isMethod).positional.length)) + 1;
  for (let i = 0; i < count; i++) {
    const argument = own.positional[i];
    const kinds = new Set(overloads.map((o) => split(o, isMethod).positional[i]?.kind ?? 'none'));
    if (kinds.size === 1) continue;
    if (argument === undefined) {
      tests.push(`(args[${i}] === undefined || isOptions(args[${i}]))`);
      continue;
    }
    const test = testOfKind[argument.kind]?.(`args[${i}]`);
    if (test === undefined) throw new Error(`${text}: '${argument.name}' can't tell overloads apart`);
    const repeated =
      argument.listSize > 0 && argument.kind.endsWith('[]')
        ? testOfKind[argument.kind.slice(0, -2)]!(`args[${i}]`)
        : undefined;
    const full = repeated === undefined ? test : `(${test} || ${repeated})`;
    tests.push(isOmittable(argument) ? `(args[${i}] === undefined || ${full})` : full);
  }
  for (const keyword of own.keywords) {
    // Some overloads differ only by an option, as `div(x, {rounding_mode})` does: it must then be given.
    const isShared = overloads.every((o) => split(o, isMethod).keywords.some((k) => k.name === keyword.name));
    if (!isShared && !keyword.hasDefault) {
      const at = own.positional.length;
      tests.push(`optionOf(args[${at}], '${keyword.name}')`);
    }
  }
  if (tests.length === 0 && index < overloads.length - 1)
    throw new Error(`${text} hides the overloads listed after it; list it last`);
  return tests.length === 0 ? 'true' : tests.join(' && ');
}

function operatorCode({ name, operator, overloads }: Operator, isMethod: boolean): string {
  const head = isMethod ? '  ' : 'export function ';
  const docs = overloads.map((o) => o.text);
  const comment = (pad: string) =>
    docs.length === 1
      ? `${pad}/** \`${docs[0]}\` */`
      : `${pad}/**\n${docs.map((d) => `${pad} * - \`${d}\``).join('\n')}\n${pad} */`;
  const pad = isMethod ? '  ' : '';
  const lines = [comment(pad)];
  const [schema] = overloads;
  if (schema !== undefined && overloads.length === 1) {
    const { positional } = split(schema, isMethod);
    lines.push(`${head}${name}(${signature(schema, isMethod)}): ${resultType(schema, isMethod)} {`);
    lines.push(
      `${pad}  ${callBody(
        schema,
        isMethod,
        positional.map((a) => parameterName(a.name)),
        'options',
      )}`,
    );
    lines.push(`${pad}}`);
    return lines.join('\n');
  }
  for (const schema of overloads)
    lines.push(`${head}${name}(${signature(schema, isMethod)}): ${resultType(schema, isMethod)};`);
  const results = [...new Set(overloads.map((o) => resultType(o, isMethod)))].join(' | ');
  lines.push(`${head}${name}(...args: unknown[]): ${results} {`);
  overloads.forEach((schema, i) => {
    const { positional, keywords } = split(schema, isMethod);
    const values = positional.map(
      (a, k) => `(args[${k}] as ${tsType(a)}${isOmittable(a) && !a.isOptional ? ' | undefined' : ''})`,
    );
    const fields = keywords.map((a) => `${a.name}?: ${tsType(a)}`).join('; ');
    const options = keywords.length === 0 ? '' : `(args[${positional.length}] as { ${fields} } | undefined)`;
    lines.push(`${pad}  if (${condition(overloads, i, isMethod)}) {`);
    lines.push(`${pad}    ${callBody(schema, isMethod, values, options).replaceAll('\n', '\n  ')}`);
    if (schema.results.length === 0) lines.push(`${pad}    return;`); // else it would go on to the next overload
    lines.push(`${pad}  }`);
  });
  lines.push(`${pad}  throw noOverload('${operator}', ${JSON.stringify(docs)}, args);`);
  lines.push(`${pad}}`);
  return lines.join('\n');
}

/** Names and overloads of the operators that are called, in the order of their first call. */
const called: string[] = [];

/** The expression that looks an operator up. */
function idOf({ name, overload }: OperatorSchema): string {
  const key = `${name}\u0000${overload}`;
  const index = called.indexOf(key);
  return `id(${index < 0 ? called.push(key) - 1 : index})`;
}

const { methods, functions } = readList();
const methodCode = methods.map((op) => operatorCode(op, true)).join('\n\n');
const functionCode = functions.map((op) => operatorCode(op, false)).join('\n\n');
const table = called.map((key) => {
  const [name, overload] = key.split('\u0000');
  return `  ['${name}', '${overload}'],`;
});

const code = `// Generated by scripts/generate-ops.mjs from ops.txt and libtorch's schemas. Do not edit.
/* eslint-disable */
import type { Generator } from './generator.ts';
import { TensorHandle } from './handle.ts';
import { type NativeValue, native } from './native.ts';
import {
  type Device,
  type DType,
  generatorOf,
  handleOf,
  handlesOf,
  isOptions,
  isScalar,
  isTensor,
  type Layout,
  type MemoryFormat,
  noOverload,
  operatorIds,
  optionalHandle,
  optionalHandles,
  optionOf,
  type Scalar,
  wrap,
  wrapList,
} from './operator-call.ts';
import type { Tensor } from './tensor.ts';

const id = operatorIds([
${table.join('\n')}
]);

export abstract class TensorOperators extends TensorHandle {
${methodCode}
}

${functionCode}
`;
if (process.argv.includes('--check')) {
  if (readFileSync(outFile, 'utf8') !== code) {
    console.error('src/tensor/operators.generated.ts is stale; run: npm run generate:ops');
    process.exitCode = 1;
  }
} else {
  writeFileSync(outFile, code);
  console.log(`${methods.length} methods, ${functions.length} functions, ${called.length} overloads`);
}
