/** @file Chat templates: whatever a template does, it ends in time with a text or a reason. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TemplateThread } from '../../../src/io/template-thread.ts';
import { mutateBytes } from '../mutate.ts';
import type { FuzzTarget } from '../target.ts';

const GOLDENS = join(import.meta.dirname, '../../goldens');
const WORDS = [
  ...[
    '{%',
    '%}',
    '{{',
    '}}',
    '{#',
    '#}',
    '{%- ',
    ' -%}',
    '{% for i in range(9999) %}',
    '{% endfor %}',
    '{% if ',
    '{% endif %}',
  ],
  ...[
    '{% set n.x = n.x ~ n.x %}',
    '{% set n = namespace(x="ab") %}',
    '{% macro f(a) %}',
    '{% endmacro %}',
    '{{ f(f) }}',
  ],
  ...[
    '|length',
    '|tojson',
    '|join',
    '|replace("a","b")',
    '|indent(99999)',
    '[::-1]',
    '.items()',
    '.split()',
    ' is defined',
    ' ~ ',
    ' ** 9',
  ],
  ...[
    'messages',
    'loop.index0',
    'raise_exception("x")',
    'strftime_now("%Y")',
    '{% generation %}',
    '"\\x',
    '((((',
    'not ',
    '.constructor',
  ],
];
const variables = {
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'video' }, { type: 'text', text: 'What falls?' }] },
  ],
  add_generation_prompt: true,
};

let thread: TemplateThread | undefined;

export const templates: FuzzTarget = {
  name: 'templates',
  wanted: 5000,
  seeds: () =>
    [
      readFileSync(join(GOLDENS, 'checkpoints/qwen2-5-vl/chat_template.jinja'), 'utf8'),
      JSON.parse(readFileSync(join(GOLDENS, 'checkpoints/qwen2-vl/chat_template.json'), 'utf8'))
        .chat_template,
      '{% for m in messages %}{{ loop.index0 }}{{ m.role|upper ~ m["content"]|tojson }}{% endfor %}',
      '{% set n = namespace(x="ab") %}{% for i in range(9) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}',
      '{% macro f(a, b=2) %}{{ a ~ b }}{% endmacro %}{{ f(1) }}{{ f(1, b=[1, 2][::-1]|join(",")) }}',
    ].map((text: string) => Buffer.from(text)),
  mutate: (random, input, others) => mutateBytes(random, input, others, WORDS, 1 << 16),
  run: (input) => {
    thread ??= new TemplateThread({ timeMs: 400 });
    const answer = thread.run({ source: Buffer.from(input).toString('utf8'), variables });
    if ('text' in answer) return typeof answer.text === 'string';
    if (answer.problem === '') throw new Error('a problem without a reason');
    return false;
  },
};
