/** @file Configurations of runs in YAML: read, merged and checked by the schemas of GRPO and of supervised training. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, type JsonObject, parseYaml } from '../../../src/base/index.ts';
import { resolveGrpoConfig, resolveSftConfig } from '../../../src/train/index.ts';
import { mutateBytes } from '../mutate.ts';
import type { FuzzTarget } from '../target.ts';

const RECIPES = join(import.meta.dirname, '../../../recipes');
const WORDS = [
  ...[
    '\n',
    ': ',
    '- ',
    '&a ',
    '*a',
    '<<: *a\n',
    '{',
    '}',
    '[',
    ']',
    '|\n  ',
    '>\n  ',
    '"',
    "'",
    '#',
    '!!binary ',
    '!!map ',
    '? ',
    '---\n',
  ],
  ...[
    '__proto__: ',
    'constructor: ',
    'loss_type: grpo\n',
    'max_steps: ',
    '.inf',
    '.nan',
    '1e400',
    '0x10',
    '2001-01-01',
    'null',
    '~',
    '\t',
  ],
];

export const runConfig: FuzzTarget = {
  name: 'run-config',
  wanted: 5000,
  seeds: () => [
    ...readdirSync(RECIPES, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => readFileSync(join(RECIPES, name))),
    Buffer.from('a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n'),
    Buffer.from('loss_type: grpo\nmodel_name_or_path: m\njsonl_path: d\nvideo_root: v\noutput_dir: o\n'),
  ],
  mutate: (random, input, others) => mutateBytes(random, input, others, WORDS, 1 << 14),
  run: (input) => {
    const { values = {} } = parseYaml(Buffer.from(input).toString('utf8'), 'run.yaml');
    if (typeof values !== 'object' || values === null || Array.isArray(values)) return false;
    const layers = [{ source: 'run.yaml', values: values as JsonObject }];
    const before = JSON.stringify(layers);
    const errors = [() => resolveGrpoConfig(layers), () => resolveSftConfig(layers)].map(errorOf);
    if (JSON.stringify(layers) !== before) throw new Error('the values were changed while they were read');
    const fault = errors.find((error) => error !== undefined && !(error instanceof ConfigError));
    if (fault !== undefined) throw fault;
    // Sound is what one of the commands takes.
    if (errors.every((error) => error !== undefined)) throw errors[0];
    return true;
  },
};

/** What a call throws, so that the other schema is tried too. */
function errorOf(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}
