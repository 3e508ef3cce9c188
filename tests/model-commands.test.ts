/** @file `twgrpo inspect model` and `twgrpo merge` through the real command. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkpointDir, goldenDir } from './support/model-goldens.ts';
import { runCommand } from './support/run-command.ts';

const scratch = mkdtempSync(join(tmpdir(), 'twgrpo-model-commands-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = checkpointDir('qwen2-5-vl-flat');
const adapter = join(goldenDir(), 'lora');

describe('merge', () => {
  it('writes a folder that inspect finds sound', async () => {
    const dir = join(scratch, 'merged');
    const merged = await runCommand(
      'merge',
      '--model',
      model,
      '--adapter',
      adapter,
      '-o',
      dir,
      '--json',
      '--quiet',
    );
    expect(merged).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(merged.stdout)).toEqual({
      output_dir: dir,
      layers: 8,
      replaced: [],
      tie_word_embeddings: false,
      files: ['model.safetensors'],
    });
    const seen = await runCommand('inspect', 'model', dir);
    expect(seen.code).toBe(0);
    expect(seen.stdout).toMatch(/^all +81 +230656 +450\.5 KiB +bfloat16$/m);
    expect(seen.stdout).toContain('loads: yes');
    const again = await runCommand('merge', '--model', model, '--adapter', adapter, '-o', dir);
    expect(again.code).toBe(3);
    expect(again.stderr).toContain(`${dir}: exists already`);
  });
});

describe('inspect model', () => {
  it('gives all of it as JSON, and 3 where a folder would not load', async () => {
    const { code, stdout } = await runCommand('inspect', 'model', adapter, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'adapter', r: 4, scales: [1.5] });
    const wrong = await runCommand('inspect', 'model', scratch);
    expect(wrong.code).toBe(3);
    expect(wrong.stderr).toContain('config.json: cannot be read');
  });
});
