/**
 * @file Files that strangers made to harm: programs in templates, patterns without end, bombs of YAML and pixels, links out of the folder,
 * pipes under usual names. Each is refused by name in bounded time and memory, and what is sound is read right after it.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { parquetMetadata } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  ConfigError,
  DataError,
  parseYaml,
  readJsonFile,
  VideoError,
} from '../src/base/index.ts';
import { readItemsWithIssues } from '../src/data/index.ts';
import { ChatTemplate, Tokenizer } from '../src/io/index.ts';
import { TemplateThread } from '../src/io/template-thread.ts';
import { inspectFolder, loadModel, mergeAdapter } from '../src/models/index.ts';
import { decodeFrames, readImage } from '../src/video/index.ts';
import { errorOf } from './support/error-of.ts';
import { checkpointDir, goldenDir } from './support/model-goldens.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const scratch = scratchFolder();
let counter = 0;

function folderOf(checkpoint: string): string {
  const folder = join(scratch, `${checkpoint}-${counter++}`);
  cpSync(checkpointDir(checkpoint), folder, { recursive: true });
  return folder;
}

function fileOf(name: string, content: string | Uint8Array): string {
  const file = join(scratch, `${counter++}-${name}`);
  writeFileSync(file, content);
  return file;
}

describe('JSON', () => {
  it('is read from regular files only: a pipe is no reason to wait for ever', () => {
    const pipe = join(scratch, 'config.json');
    execFileSync('mkfifo', [pipe]);
    expect(() => readJsonFile(pipe)).toThrow(`${pipe}: expected a file, but it is no regular file`);
    expect(() => readJsonFile('/dev/zero')).toThrow('/dev/zero: expected a file, but it is no regular file');
    expect(() => readJsonFile(scratch)).toThrow(`${scratch}: expected a file, but it is a folder`);
  });

  it('of gigabytes, or nested without end, is not parsed', () => {
    const huge = fileOf('tokenizer.json', '');
    truncateSync(huge, 2 ** 33);
    expect(() => readJsonFile(huge)).toThrow(
      `${huge}: it is 8589934592 bytes long; at most 67108864 are read`,
    );
    const deep = fileOf('config.json', '[{"a":'.repeat(1_000_000));
    expect(() => readJsonFile(deep)).toThrow(CheckpointError);
    expect(() => readJsonFile(deep)).toThrow(
      `${deep}: lists and objects are nested more than 64 levels deep`,
    );
    const brackets = fileOf('config.json', JSON.stringify({ a: '[{'.repeat(1000), b: '\\"[' }));
    expect(readJsonFile(brackets)).toEqual({ a: '[{'.repeat(1000), b: '\\"[' });
  });

  it('with more layers or wider layers than any model is refused before a loop runs over them', async () => {
    for (const [key, value] of [
      ['num_hidden_layers', 1e9],
      ['vocab_size', 1e12],
    ] as const) {
      const folder = folderOf('qwen2-5-vl-flat');
      const file = join(folder, 'config.json');
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), [key]: value }));
      expect(() => loadModel(folder)).toThrow(CheckpointError);
      expect(() => loadModel(folder)).toThrow(new RegExp(`config\\.json: ${key}: Too big`));
    }
  });
});

describe('chat templates', () => {
  const thread = new TemplateThread({ timeMs: 300 });
  const hostile: readonly (readonly [string, string])[] = [
    ['counts for ever', '{% for i in range(1000000000) %}{% endfor %}'],
    ['loops in loops', '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}'],
    [
      'doubles a list',
      '{% set n = namespace(x=[1]) %}{% for i in range(40) %}{% set n.x = n.x + n.x %}{% endfor %}',
    ],
    [
      'doubles a text',
      "{% set n = namespace(x='ab') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    ],
    [
      'gives a text of many megabytes',
      "{% set n = namespace(x='ab') %}{% for i in range(23) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    ],
    ['indents without end', "{{ 'a\nb' | indent(1000000000) }}"],
    ['calls itself', '{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}'],
    ['opens brackets', `{{ ${'('.repeat(100_000)}`],
    ['has a million blanks before a brace', `${' '.repeat(1_000_000)}{`],
    ['asks for the process', '{{ "".constructor.constructor("return process")() }}'],
  ];

  it.each(hostile)('one that %s is ended, and the next is rendered', (_name, source) => {
    const answer = thread.run({ source, variables: { messages: [] } });
    expect(answer).toHaveProperty('problem');
    expect(thread.run({ source: '{{ 1 + 1 }}', variables: {} })).toEqual({ text: '2' });
  });

  it('are named by their file, and never reach the process', () => {
    const endless = new ChatTemplate('{% for i in range(1000000000) %}{% endfor %}', '/m/t.jinja');
    const render = () => endless.render([]);
    expect(errorOf(DataError, render).message).toMatch(/\/m\/t\.jinja: .*did not end within 5 s and 256 MiB/);
    const large = fileOf('chat_template.jinja', 'x'.repeat(2 ** 20 + 1));
    const folder = folderOf('qwen2-5-vl');
    renameSync(large, join(folder, 'chat_template.jinja'));
    expect(() => ChatTemplate.fromPretrained(folder)).toThrow(
      `${folder}/chat_template.jinja: it is 1048577 bytes long; at most 1048576 are read`,
    );
  });
});

describe('tokenizers', () => {
  const json = () => JSON.parse(readFileSync(join(checkpointDir('qwen2-5-vl'), 'tokenizer.json'), 'utf8'));

  it('with a pattern of their own are refused: it would run on every text', () => {
    const tokenizer = json();
    tokenizer.pre_tokenizer.pretokenizers[0].pattern.Regex = '(a+)+$|x';
    expect(() => new Tokenizer(tokenizer, {}, '/m/tokenizer.json')).toThrow(
      '/m/tokenizer.json: pre_tokenizer.pretokenizers.0.pattern.Regex: "(a+)+$|x" is none of the patterns',
    );
    const replacing = json();
    replacing.normalizer = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' };
    expect(() => new Tokenizer(replacing, {}, '/m/tokenizer.json')).toThrow(/normalizer\.pattern\.Regex/);
  });

  it('with ids that would need gigabytes are refused', () => {
    for (const id of [-1, 2 ** 32 - 2, 2 ** 40]) {
      const tokenizer = json();
      tokenizer.added_tokens[0].id = id;
      expect(() => new Tokenizer(tokenizer, {}, '/m/tokenizer.json')).toThrow(
        /\/m\/tokenizer\.json: added_tokens\.0\.id: /,
      );
    }
  });
});

describe('adapters', () => {
  it('with a pattern that takes for ever are refused by file and key', () => {
    const folder = join(scratch, 'pattern');
    cpSync(join(goldenDir(), 'lora'), folder, { recursive: true });
    const file = join(folder, 'adapter_config.json');
    const config = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...config, rank_pattern: { '([a-z._0-9]+)+!': 4 } }));
    const output_dir = join(scratch, 'merged-pattern');
    const merge = () =>
      mergeAdapter({ model: checkpointDir('qwen2-5-vl'), adapter: folder, output_dir, notice: () => {} });
    expect(errorOf(CheckpointError, merge).message).toMatch(
      /adapter_config\.json: .*rank_pattern.* takes longer than 3 s to match/,
    );
  });

  it('with a pattern that is none are refused by inspect too', () => {
    const folder = join(scratch, 'no-pattern');
    cpSync(join(goldenDir(), 'lora'), folder, { recursive: true });
    const file = join(folder, 'adapter_config.json');
    const config = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...config, alpha_pattern: { '(': 4 } }));
    expect(() => inspectFolder(folder)).toThrow(CheckpointError);
  });
});

describe('links', () => {
  const secret = fileOf('secret.json', '{"token": "of the user"}');

  it('out of the folder are not copied into a merged model', () => {
    const model = folderOf('qwen2-5-vl');
    symlinkSync(secret, join(model, 'vocab.json'));
    const merge = () =>
      mergeAdapter({
        model,
        adapter: join(goldenDir(), 'lora'),
        output_dir: join(scratch, 'merged-secret'),
        notice: () => {},
      });
    expect(merge).toThrow(CheckpointError);
    expect(merge).toThrow(`${model}: file vocab.json is a link to ${secret}, outside the folder`);
  });

  it('of weights of an adapter may lead to the blobs of a cache, and no further', () => {
    const repository = join(scratch, 'models--a--b');
    const snapshot = join(repository, 'snapshots', 'abc', 'checkpoint-5');
    mkdirSync(join(repository, 'blobs'), { recursive: true });
    cpSync(join(goldenDir(), 'lora'), snapshot, { recursive: true });
    const weights = join(snapshot, 'adapter_model.safetensors');
    renameSync(weights, join(repository, 'blobs', 'hash'));
    symlinkSync('../../../blobs/hash', weights);
    expect(inspectFolder(snapshot)).toHaveProperty('kind', 'adapter');
    rmSync(weights);
    cpSync(join(repository, 'blobs', 'hash'), join(scratch, 'outside.safetensors'));
    symlinkSync(join(scratch, 'outside.safetensors'), weights);
    expect(() => inspectFolder(snapshot)).toThrow(
      /adapter_model\.safetensors is a link to .*outside the folder/,
    );
  });
});

describe('programs', () => {
  const marker = join(scratch, 'a program ran');
  const program = `import { writeFileSync } from 'node:fs';
writeFileSync(${JSON.stringify(marker)}, '');
export function reward(answers) { return answers.map(() => 1); }
`;

  it('beside the weights and named by model or questions are never run, only those that reward_funcs names', async () => {
    const model = folderOf('qwen2-5-vl');
    for (const name of [
      'index.js',
      'index.mjs',
      'rewards.mjs',
      'config.js',
      'custom_generate/generate.mjs',
    ]) {
      mkdirSync(join(model, 'custom_generate'), { recursive: true });
      writeFileSync(join(model, name), program);
    }
    writeFileSync(join(model, 'package.json'), '{"type": "module", "main": "index.js"}');
    const config = join(model, 'config.json');
    const auto_map = { AutoModel: 'index.js', AutoConfig: 'config.js' };
    writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, 'utf8')), auto_map }));
    const rewards = join(model, 'rewards.mjs');
    const row = { problem: 'Which?\nA. x\nB. y', solution: '<answer>A</answer>', reward_funcs: [rewards] };
    const video = join(import.meta.dirname, 'goldens/video/h264.mp4');
    const jsonl_path = fileOf('items.jsonl', `${JSON.stringify({ ...row, video })}\n`);
    const settings = { model_name_or_path: model, jsonl_path, video_root: '/', loss_type: 'grpo' };
    const sets = Object.entries({ ...settings, output_dir: join(scratch, 'run') }).flatMap(([key, value]) => [
      '--set',
      `${key}=${value}`,
    ]);
    const train = async (...more: string[]) =>
      (await runCommand('train', ...sets, ...more, '--dry-run')).code;
    const ask = ['--model', model, '--prompt', 'Hi', '--max-new-tokens', '2'];
    expect((await runCommand('generate', ...ask)).code).toBe(0);
    expect(await train()).toBe(0);
    expect(existsSync(marker)).toBe(false);
    expect(await train('--set', `reward_funcs=[${rewards}]`)).toBe(0);
    expect(existsSync(marker)).toBe(true);
  });
});

describe('YAML', () => {
  const bomb = Array.from({ length: 30 }, (_, level) =>
    level === 0 ? 'a0: &a0 [x, x]' : `a${level}: &a${level} [*a${level - 1}, *a${level - 1}]`,
  ).join('\n');
  it.each([
    ['aliases that double', bomb, /Excessive alias count/],
    ['a nesting without end', `a: ${'['.repeat(200_000)}`, /nested too deeply/],
    [
      'a megabyte',
      `a: ${'x'.repeat(2 ** 20)}`,
      /1048579 characters long; a configuration has at most 262144/,
    ],
    ['a key twice', 'a: 1\na: 2', /Map keys must be unique at line 2/],
  ])('with %s is refused', (_name, text, message) => {
    expect(() => parseYaml(text, 'run.yaml')).toThrow(ConfigError);
    expect(() => parseYaml(text, 'run.yaml')).toThrow(message);
    expect(() => parseYaml(text, 'run.yaml')).toThrow(/^run\.yaml: /);
  });

  it('with a few aliases is read', () => {
    expect(parseYaml('a: &list [1, 2]\nb: *list', 'run.yaml').values).toEqual({ a: [1, 2], b: [1, 2] });
  });

  it('cannot set keys through the prototype', async () => {
    const config = fileOf('run.yaml', 'loss_type: grpo\n__proto__:\n  max_steps: 3\nconstructor: 1\n');
    const { code, stderr } = await runCommand('train', '--config', config, '--dry-run');
    expect(code).toBe(2);
    expect(stderr).toContain(`__proto__ (${config}): no such key`);
    expect(stderr).toContain(`constructor (${config}): no such key`);
  });
});

/** A PNG that says it has so many pixels, and holds a few rows of zeros. */
function png(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  const data = deflateSync(Buffer.alloc(1_000_000));
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('media', () => {
  it('whose pictures would fill the memory are refused before they are decoded', async () => {
    const file = fileOf('bomb.png', png(15_000, 15_000));
    await expect(readImage(file)).rejects.toThrow(VideoError);
    await expect(readImage(file)).rejects.toThrow(`${file}: its picture has more than 178956970 pixels`);
  });

  it('of no bytes in a file of gigabytes are not read', async () => {
    const file = fileOf('zeros.png', '');
    truncateSync(file, 2 ** 31);
    await expect(readImage(file)).rejects.toThrow(VideoError);
    await expect(readImage(file)).rejects.toThrow(
      `${file}: it is 2147483648 bytes long; at most 1073741824 are read`,
    );
  });

  it('that only name other files or addresses are not followed', async () => {
    const clip = join(import.meta.dirname, 'goldens/video/h264.mp4');
    for (const text of [
      `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://${clip}\n#EXT-X-ENDLIST\n`,
      `ffconcat version 1.0\nfile '${clip}'\n`,
      'v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n',
      `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>file://${clip}</BaseURL></MPD>`,
    ]) {
      const file = fileOf('clip.mp4', text);
      await expect(decodeFrames(file, [0])).rejects.toThrow(VideoError);
    }
    for (const address of ['http://127.0.0.1:1/a.mp4', 'concat:a|b', `subfile,,start,0,end,9,,:${clip}`])
      await expect(decodeFrames(address, [0])).rejects.toThrow(VideoError);
  });
});

describe('Parquet', () => {
  const sound = readFileSync(join(import.meta.dirname, 'goldens/rows/easyr1.parquet'));

  it('that says it has billions of rows is refused before they are made', () => {
    const file = fileOf('rows.parquet', sound);
    expect(readItemsWithIssues(file).items.length).toBeGreaterThan(0);
    const metadata = parquetMetadata(sound.buffer.slice(sound.byteOffset, sound.byteOffset + sound.length));
    // Its number of rows as a varint of thrift, made longer in place: each field of the footer that has this value in turn.
    const rows = Number(metadata.num_rows);
    const footer = sound.length - 8 - metadata.metadata_length;
    const places = [...sound.keys()].filter((at) => at >= footer && sound[at] === rows * 2);
    const messages = places.map((at) => {
      const grown = Buffer.concat([
        sound.subarray(0, at),
        Buffer.from('feffffff0f', 'hex'),
        sound.subarray(at + 1),
      ]);
      grown.writeUInt32LE(metadata.metadata_length + 4, grown.length - 8);
      const bomb = fileOf('bomb.parquet', grown);
      try {
        return String(readItemsWithIssues(bomb).items.length);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        return error.message;
      }
    });
    expect(messages.join('\n')).toMatch(
      /it says that it has 2147483647 rows of \d+ columns; at most 5000000 rows/,
    );
  });
});
