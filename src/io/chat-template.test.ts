import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { CheckpointError, DataError } from '../base/index.ts';
import { type ChatMessage, ChatTemplate } from './chat-template.ts';

const GOLDENS = fileURLToPath(new URL('../../tests/goldens/', import.meta.url));
type Case = { messages: ChatMessage[]; options: Record<string, unknown>; text: string };
const goldens: { features_template: string; published: Case[]; features: Case[] } = JSON.parse(
  readFileSync(`${GOLDENS}tokenizer/chats.json`, 'utf8'),
);
const root = scratchFolder();

function render(template: ChatTemplate, { messages, options }: Case): string {
  const { add_generation_prompt, ...variables } = options;
  return template.render(messages, { add_generation_prompt: add_generation_prompt as boolean, variables });
}

describe('ChatTemplate', () => {
  it.each(['qwen2-5-vl', 'qwen2-5-vl-flat'])(
    'renders the published template as transformers does: %s',
    (name) => {
      const template = ChatTemplate.fromPretrained(`${GOLDENS}checkpoints/${name}`);
      for (const chat of goldens.published) expect(render(template, chat)).toBe(chat.text);
    },
  );

  it('has the extras of the transformers environment', () => {
    const template = new ChatTemplate(goldens.features_template, 'f', {
      eos_token: '<|im_end|>',
      bos_token: undefined,
    });
    for (const chat of goldens.features) expect(render(template, chat)).toBe(chat.text);
  });

  it('looks in the order of transformers: jinja file, chat_template.json, tokenizer_config.json', () => {
    const dir = join(root, 'order');
    mkdirSync(dir);
    expect(() => ChatTemplate.fromPretrained(dir)).toThrow(CheckpointError);
    const named = [
      { name: 'tool_use', template: 't' },
      { name: 'default', template: 'one' },
    ];
    writeFileSync(join(dir, 'tokenizer_config.json'), JSON.stringify({ chat_template: named }));
    expect(ChatTemplate.fromPretrained(dir).render([])).toBe('one');
    writeFileSync(join(dir, 'chat_template.json'), JSON.stringify({ chat_template: 'two' }));
    expect(ChatTemplate.fromPretrained(dir).render([])).toBe('two');
    writeFileSync(join(dir, 'chat_template.jinja'), 'three\n');
    expect(ChatTemplate.fromPretrained(dir).render([])).toBe('three');
  });

  it('a broken template is the folder, a refused conversation is the data', () => {
    expect(() => new ChatTemplate('{% if %}', '/m/chat_template.jinja')).toThrow(CheckpointError);
    const refusing = new ChatTemplate(
      "{{ raise_exception('roles must alternate') }}",
      '/m/chat_template.jinja',
    );
    expect(() => refusing.render([])).toThrow(DataError);
    expect(() => refusing.render([])).toThrow(/\/m\/chat_template\.jinja: .*roles must alternate/);
  });
});
