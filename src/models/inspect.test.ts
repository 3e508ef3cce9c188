import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkpointDir, goldenDir } from '../../tests/support/model-goldens.ts';
import { liveTensors } from '../tensor/index.ts';
import { type AdapterReport, inspectFolder, type ModelReport } from './inspect.ts';

const scratch = mkdtempSync(join(tmpdir(), 'twgrpo-inspect-'));
afterAll(() => rmSync(scratch, { recursive: true }));
let counter = 0;
function copy(from: string, change: (dir: string) => void): string {
  const dir = join(scratch, String(counter++));
  cpSync(from, dir, { recursive: true });
  change(dir);
  return dir;
}
const editJson = (file: string, change: (json: Record<string, unknown>) => void) => {
  const json = JSON.parse(readFileSync(file, 'utf8'));
  change(json);
  writeFileSync(file, JSON.stringify(json));
};

describe('inspectFolder', () => {
  it('sizes by part as transformers counts them, of a model that loads', () => {
    const before = liveTensors();
    const report = inspectFolder(checkpointDir('qwen2-5-vl')) as ModelReport;
    expect(liveTensors()).toBe(before);
    // Numbers printed by make_checkpoints.py: sum of p.numel() over model.parameters().
    expect(report.total).toMatchObject({
      tensors: 81,
      parameters: 230656,
      bytes: 4 * 230656,
      dtypes: ['float32'],
    });
    expect(report.parts.map(({ part }) => part)).toEqual([
      'vision tower',
      'merger',
      'token embedding',
      'decoder',
      'head',
    ]);
    expect(report).toMatchObject({ notices: [], problems: [], stop_token_ids: [480, 481] });
    expect(report.chat_template).toContain('chat_template.jinja');
  });

  it('reads headers alone: weights that are only a header and a hole', () => {
    const dir = copy(checkpointDir('qwen2-5-vl'), (folder) => {
      const file = join(folder, 'model.safetensors');
      const bytes = readFileSync(file);
      const header = 8 + Number(bytes.readBigUInt64LE());
      const size = bytes.length;
      writeFileSync(file, bytes.subarray(0, header));
      truncateSync(file, size);
    });
    expect(inspectFolder(dir)).toMatchObject({ problems: [], total: { parameters: 230656 } });
  });

  it('lists what keeps a folder from loading, and what it holds all the same', () => {
    const dir = copy(checkpointDir('qwen2-5-vl-flat'), (folder) => {
      editJson(join(folder, 'config.json'), (json) =>
        Object.assign(json, { num_hidden_layers: 3, torch_dtype: 'float32' }),
      );
      rmSync(join(folder, 'preprocessor_config.json'));
    });
    const report = inspectFolder(dir) as ModelReport;
    expect(report.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('12 missing: model.layers.2.input_layernorm.weight'),
      expect.stringContaining('preprocessor_config.json: cannot be read'),
    ]);
    expect(report.total.tensors).toBe(81);
    expect(report.chat_template).toBeUndefined();
  });

  it('says what was filled in, and what is odd', () => {
    const dir = copy(checkpointDir('qwen2-5-vl-flat'), (folder) =>
      editJson(join(folder, 'config.json'), (json) => {
        Object.assign(json, { torch_dtype: 'float32' });
        delete (json['vision_config'] as Record<string, unknown>)['patch_size'];
      }),
    );
    expect(inspectFolder(dir)).toMatchObject({
      notices: [
        expect.stringContaining('leaves out vision_config.patch_size 14'),
        'config.json says float32, the embedding is stored in bfloat16: the files decide',
      ],
      problems: [],
    });
  });

  it('a chat template that knows only text is blamed by its file', () => {
    const text =
      '{% for m in messages %}{{ m.role }}: {% if m.content is string %}{{ m.content }}{% endif %}{% endfor %}';
    const dir = copy(checkpointDir('qwen2-5-vl'), (folder) =>
      writeFileSync(join(folder, 'chat_template.jinja'), text),
    );
    expect(inspectFolder(dir).problems).toEqual([
      {
        message: `${join(dir, 'chat_template.jinja')}: the template shows nothing where a message has a video (no <|video_pad|>)`,
        hint: expect.stringContaining('copy the chat template of the video-language model'),
      },
    ]);
  });

  it('an adapter: rank, scale, layers by kind, sizes', () => {
    const report = inspectFolder(join(goldenDir(), 'adapters/patterns')) as AdapterReport;
    expect(report).toMatchObject({
      kind: 'adapter',
      base_model_name_or_path: 'qwen2-5-vl',
      r: 4,
      lora_alpha: 6,
      layers: { q_proj: 2, v_proj: 2, down_proj: 2 },
      replaced: [],
      problems: [],
    });
    expect([...report.scales].sort()).toEqual([1.25, 2, 2.25, 3]);
    expect(report.total.tensors).toBe(12);
    expect(() => inspectFolder('/nowhere')).toThrow('/nowhere/config.json: cannot be read');
  });
});
