/**
 * @file Model folders that can not be right, through the real command: exit code 3, nothing on stdout but the error with `--json`, and a
 * message that names file and key.
 */
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { liveTensors } from '../src/tensor/index.ts';
import { checkpointDir } from './support/model-goldens.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const scratch = scratchFolder();

const INDEX = 'model.safetensors.index.json';
const SHARD = 'model-00002-of-00004.safetensors';

interface Index {
  readonly weight_map: Record<string, string>;
}

type Change = (folder: string) => void;

/** A change of a JSON file of the folder. */
function json(name: string, change: (value: Record<string, unknown>) => void): Change {
  return (folder) => {
    const file = join(folder, name);
    const value = JSON.parse(readFileSync(file, 'utf8'));
    change(value);
    writeFileSync(file, JSON.stringify(value));
  };
}

const index = (change: (map: Record<string, string>) => void): Change =>
  json(INDEX, (value) => change((value as unknown as Index).weight_map));

/** A change of the header of a safetensors file; the data stay where they are. */
function header(name: string, change: (header: Record<string, Record<string, unknown>>) => void): Change {
  return (folder) => {
    const file = join(folder, name);
    const bytes = readFileSync(file);
    const size = Number(bytes.readBigUInt64LE());
    const value = JSON.parse(bytes.subarray(8, 8 + size).toString('utf8'));
    change(value);
    const text = Buffer.from(JSON.stringify(value));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(file, Buffer.concat([length, text, bytes.subarray(8 + size)]));
  };
}

/** First weight of a shard, and its header entry. */
function firstOf(entries: Record<string, Record<string, unknown>>): [string, Record<string, unknown>] {
  return Object.entries(entries).find(([name]) => name !== '__metadata__')!;
}

const remove =
  (name: string): Change =>
  (folder) =>
    rmSync(join(folder, name));
const write =
  (name: string, content: string | Uint8Array): Change =>
  (folder) =>
    writeFileSync(join(folder, name), content);

const cases: readonly (readonly [what: string, change: Change, message: readonly RegExp[]])[] = [
  ['no config', remove('config.json'), [/config\.json: cannot be read \(ENOENT\)/]],
  [
    'config cut short',
    write('config.json', '{"model_type": "qwen2_5_vl", '),
    [/config\.json: not valid JSON/],
  ],
  [
    'another model',
    json('config.json', (c) => Object.assign(c, { model_type: 'llama' })),
    [/config\.json: model_type: .*qwen2_5_vl/],
  ],
  [
    'a size missing in the config',
    json('config.json', (c) => delete c['num_attention_heads']),
    [/config\.json leaves out num_attention_heads 64 \(class defaults/, /head_dim 1 is odd/],
  ],
  [
    'a layer more in the config',
    json('config.json', (c) => Object.assign(c, { num_hidden_layers: 3 })),
    [/12 missing: model\.layers\.2\.input_layernorm\.weight/],
  ],
  [
    'a layer less in the config',
    json('config.json', (c) => Object.assign(c, { num_hidden_layers: 1 })),
    [/12 unknown: /, /model\.layers\.1\./],
  ],
  [
    'quantized',
    json('config.json', (c) => Object.assign(c, { quantization_config: { bits: 4 } })),
    [/quantization_config: quantized checkpoints are not supported/],
  ],
  [
    'mrope_section of another head size',
    json('config.json', (c) =>
      Object.assign(c, { rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] } }),
    ),
    [/rope_scaling\.mrope_section \[16,24,24\] sums to 64; expected half the head size, 8/],
  ],
  ['missing shard', remove(SHARD), [new RegExp(SHARD), /no such file|missing|cannot be read|ENOENT/]],
  ['a shard cut short', (folder) => truncateSync(join(folder, SHARD), 60_000), [new RegExp(SHARD), /bytes/]],
  ['an empty shard', write(SHARD, ''), [new RegExp(SHARD)]],
  [
    'a shard that is a web page',
    write(SHARD, '<!DOCTYPE html><html>Not found</html>'),
    [new RegExp(SHARD), /header/],
  ],
  [
    'a header that is longer than the file',
    write(SHARD, Buffer.from('ffffffffffffff7f00', 'hex')),
    [new RegExp(SHARD), /header/],
  ],
  [
    'wrong shape',
    header(SHARD, (h) => {
      const [, entry] = firstOf(h);
      entry['shape'] = [...(entry['shape'] as number[]), 1];
    }),
    [/1 of another shape or dtype: (visual|model)\.[\w.]+ is \[[\d, ]+\], expected \[/],
  ],
  [
    'a shape that does not fill its bytes',
    header(SHARD, (h) => {
      firstOf(h)[1]['shape'] = [3];
    }),
    [new RegExp(SHARD), /bytes/],
  ],
  [
    'a dtype no weight has',
    header(SHARD, (h) => {
      firstOf(h)[1]['dtype'] = 'I16';
    }),
    [/of another shape or dtype|dtype/],
  ],
  [
    'bytes outside the file',
    header(SHARD, (h) => {
      firstOf(h)[1]['data_offsets'] = [0, 1e12];
    }),
    [new RegExp(SHARD), /data_offsets|bytes/],
  ],
  [
    'surplus key',
    header(SHARD, (h) => {
      const [name, entry] = firstOf(h);
      delete h[name];
      h['model.layers.0.extra.weight'] = entry;
    }),
    [/model\.layers\.0\.extra\.weight/],
  ],
  ['no index, only shards', remove(INDEX), [/safetensors/]],
  ['broken JSON in the index', write(INDEX, '{"weight_map": {"a": '), [/index\.json: not valid JSON/]],
  ['an index without a map', write(INDEX, '{"metadata": {}}'), [/index\.json: weight_map/]],
  [
    'a key the index does not have',
    index((map) => {
      delete map['lm_head.weight'];
    }),
    [/lm_head\.weight/],
  ],
  [
    'a key twice in the index',
    (folder) => {
      const file = join(folder, INDEX);
      const text = readFileSync(file, 'utf8');
      writeFileSync(
        file,
        text.replace(
          '"lm_head.weight"',
          '"lm_head.weight": "model-00001-of-00004.safetensors", "lm_head.weight"',
        ),
      );
    },
    [/index\.json: names the key "lm_head\.weight" twice/],
  ],
  [
    'a key the shard does not have',
    index((map) => {
      map['model.norm.weight'] = 'model-00001-of-00004.safetensors';
    }),
    [/model\.norm\.weight/],
  ],
  [
    'a path out of the folder',
    index((map) => {
      map['lm_head.weight'] = '../qwen2-5-vl/model.safetensors';
    }),
    [/index\.json/, /lm_head\.weight/, /\.\.\/qwen2-5-vl/],
  ],
  [
    'an absolute path',
    index((map) => {
      map['lm_head.weight'] = '/etc/passwd';
    }),
    [/index\.json/, /lm_head\.weight/, /\/etc\/passwd/],
  ],
  [
    'a path with a backslash',
    index((map) => {
      map['lm_head.weight'] = '..\\a.safetensors';
    }),
    [/index\.json/, /lm_head\.weight/],
  ],
  [
    'a path that is no text',
    index((map) => {
      (map as Record<string, unknown>)['lm_head.weight'] = 7;
    }),
    [/index\.json: weight_map\.lm_head\.weight/],
  ],
  ['no tokenizer', remove('tokenizer.json'), [/tokenizer\.json: cannot be read/]],
  [
    'a tokenizer of another kind',
    json('tokenizer.json', (t) => Object.assign(t, { model: { type: 'Unigram', vocab: [] } })),
    [/tokenizer\.json: model\.type: only byte-level BPE/],
  ],
  [
    'a tokenizer without vision tokens',
    json('tokenizer.json', (t) => Object.assign(t, { added_tokens: [] })),
    [/tokenizer\.json: added_tokens has no "<\|image_pad\|>"/],
  ],
  [
    'no chat template',
    (folder) => {
      rmSync(join(folder, 'chat_template.json'));
      json('tokenizer_config.json', (t) => delete t['chat_template'])(folder);
    },
    [/no chat template/],
  ],
  [
    'a chat template that does not parse',
    write('chat_template.json', '{"chat_template": "{% for %}"}'),
    [/chat_template\.json: not a template we can parse/],
  ],
  [
    'no processor settings',
    remove('preprocessor_config.json'),
    [/preprocessor_config\.json: cannot be read/],
  ],
  [
    'other patches than the tower',
    json('preprocessor_config.json', (p) => Object.assign(p, { patch_size: 16 })),
    [/preprocessor_config\.json: patch_size is 16, but the vision tower of config\.json has 14/],
  ],
  [
    'a stop id that is no number',
    json('generation_config.json', (g) => Object.assign(g, { eos_token_id: '<|im_end|>' })),
    [/generation_config\.json: eos_token_id/],
  ],
];

describe('a malformed model folder ends with 3, file and key named', () => {
  it.each(cases)('%s', async (what, change, messages) => {
    const folder = join(scratch, what.replaceAll(' ', '-'));
    cpSync(checkpointDir('qwen2-5-vl-flat'), folder, { recursive: true });
    change(folder);
    const before = liveTensors();
    const { code, stdout, stderr } = await runCommand(
      'generate',
      '--model',
      folder,
      '--prompt',
      'Hi',
      '--json',
    );
    expect(code, stderr).toBe(3);
    for (const message of messages) expect(stderr).toMatch(message);
    expect(stderr).toContain(folder);
    expect(stderr).not.toContain('internal:');
    expect(stderr).not.toMatch(/\n +at /);
    expect(JSON.parse(stdout).error.exit_code).toBe(3);
    expect(liveTensors()).toBe(before);
  });

  it('no folder at all', async () => {
    const { code, stdout, stderr } = await runCommand(
      'generate',
      '--model',
      join(scratch, 'none'),
      '--prompt',
      'Hi',
    );
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(/none\/config\.json: cannot be read \(ENOENT\)[\s\S]*next step: Give the folder/);
  });
});
