/** `twgrpo inspect model`: what a model or adapter folder holds, from its headers alone. */
import { EXIT_CODES, type Output, sizeText, tableLines } from '../base/index.ts';
import { resolveModelHeaders } from '../hub/index.ts';
import { type AdapterReport, inspectFolder, type ModelReport } from '../models/index.ts';
import type { CommandDefinition } from './command.ts';
import { telling } from './locate.ts';
import { readableCount } from './numbers.ts';

const HELP = `
Reads config, tokenizer, template, processor settings and the headers of the weights; no weight is read, and of a model on the hub none
is downloaded. Shows sizes by part, what
config.json leaves out and what was taken for it, what is odd, and what would keep the folder from loading. With problems the
exit code is 3. A folder with adapter_config.json is shown as an adapter.

With --json: all of it, as {"kind": "model" or "adapter", "parts": [...], "total": ..., "notices": [...], "problems": [...], ...}.`;

export const inspectModel: CommandDefinition = {
  examples: [
    'twgrpo inspect model models/Qwen2.5-VL-7B-Instruct',
    'twgrpo inspect model runs/lora/checkpoint-500 --json',
  ],
  configure: (command) =>
    void command
      .argument('<name>', 'folder of a model or an adapter, or its name on the hub')
      .addHelpText('after', HELP),
  run: async ({ args: [name = ''], out }) => {
    const headers = await resolveModelHeaders(name, telling(out));
    try {
      return show(inspectFolder(headers.path), out);
    } finally {
      await headers.dispose();
    }
  },
};

function show(report: ModelReport | AdapterReport, out: Output): number {
  const facts = report.kind === 'model' ? modelFacts(report) : adapterFacts(report);
  for (const [key, value] of facts) out.print(`${key.padEnd(15)} ${value}`);
  out.print();
  printParts(report, out);
  for (const notice of report.notices) out.print(`note: ${notice}`);
  for (const { message, hint } of report.problems)
    out.print(out.red(`problem: ${message}${hint === undefined ? '' : `\n  next step: ${hint}`}`));
  if (report.problems.length === 0 && report.kind === 'model')
    out.print('loads: yes, as far as headers tell');
  out.json(report);
  return report.problems.length === 0 ? EXIT_CODES.done : EXIT_CODES.data;
}

type Facts = readonly (readonly [key: string, value: string])[];

function modelFacts({ config, published, chat_template, files, stop_token_ids }: ModelReport): Facts {
  const { text_config: text, vision_config: vision } = config;
  return [
    ['family', `${config.model_type}${published === undefined ? '' : `, of the size of ${published}`}`],
    [
      'decoder',
      `${text.num_hidden_layers} layers of ${text.hidden_size}, ${text.num_attention_heads} heads (${text.num_key_value_heads} for keys and values), vocabulary of ${text.vocab_size}`,
    ],
    [
      'vision tower',
      `${vision.depth} blocks of ${vision.hidden_size}, patches of ${vision.patch_size} pixels`,
    ],
    ['head', config.tie_word_embeddings ? 'the token embedding' : 'its own weights'],
    ['stop tokens', stop_token_ids.join(', ') || 'none'],
    ['chat template', chat_template ?? 'none that can be used'],
    ['weight files', String(files.length)],
  ];
}

function adapterFacts(report: AdapterReport): Facts {
  const { r, lora_alpha, use_rslora, scales, layers, replaced } = report;
  return [
    ['adapter', `LoRA of rank ${r}, alpha ${lora_alpha}${use_rslora ? ', rank-stabilised' : ''}`],
    ['scale', scales.map((scale) => Number(scale.toPrecision(6))).join(', ')],
    ['trained on', report.base_model_name_or_path ?? 'not said'],
    [
      'layers',
      Object.entries(layers)
        .map(([name, count]) => `${count} ${name}`)
        .join(', '),
    ],
    ...(replaced.length === 0 ? [] : [['taken whole', replaced.join(', ')] as const]),
  ];
}

function printParts({ parts, total }: ModelReport | AdapterReport, out: Output): void {
  const rows = [...parts, total].map(({ part, tensors, parameters, bytes, dtypes }) => [
    part,
    String(tensors),
    readableCount(parameters),
    sizeText(bytes),
    dtypes.join(' and '),
  ]);
  for (const line of tableLines(['part', 'tensors', 'parameters', 'size', 'dtype'], rows)) out.print(line);
  out.print();
}
