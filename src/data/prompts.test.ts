import { describe, expect, it } from 'vitest';
import { ConfigError } from '../base/index.ts';
import { PROMPT_TEMPLATES, promptMessages, promptText } from './prompts.ts';

const item = {
  media: [{ type: 'video' }],
  question: 'What moves?',
  options: ['The cube', 'The ball'],
} as const;

describe('prompts', () => {
  it('of training differ by the kind of question', () => {
    const text = (question_type: 'mixed' | 'single' | 'multiple'): string =>
      promptText(item, { template: 'tw-grpo', question_type });
    const start =
      'What moves?\nA. The cube\nB. The ball  Output the thinking process in <think> </think> and final answer';
    expect(text('mixed')).toBe(`${start} (letters separated by , if multiple) in <answer> </answer> tags.`);
    expect(text('single')).toBe(`${start} (select one letter) in <answer> </answer> tags.`);
    expect(text('multiple')).toBe(`${start} (select letters separated by ,) in <answer> </answer> tags.`);
    expect(promptText(item, { template: 'tw-grpo' })).toBe(text('mixed'));
  });

  it('keep a problem as its source wrote it', () => {
    const written = { ...item, problem: 'What moves? (A) The cube (B) The ball' };
    expect(promptText(written, { template: 'zero-shot' })).toBe(
      'What moves? (A) The cube (B) The ball Output the final answer (letters separated by , if multiple) in <answer> </answer> tags directly. ',
    );
    expect(promptText(written, { template: 'video-r1' })).toMatch(
      /^What moves\?Options:\nA\. The cube\nB\. The ball\n Please think about this question as if you were a human/,
    );
    expect(promptText(written, { template: 'zero-shot-letter' })).toBe(
      "What moves?Options:\nA. The cube\nB. The ball\n Answer with the option's letter from the given choices directly. Please provide only the single option letter (e.g., A, B, C, D, etc.) within the <answer> </answer> tags.",
    );
  });

  it('can be the question alone', () => {
    expect(promptText(item, { template: 'plain' })).toBe('What moves?\nA. The cube\nB. The ball');
  });

  it('place the video before the text, and a system turn only where the authors have one', () => {
    for (const template of PROMPT_TEMPLATES) {
      const messages = promptMessages(item, { template });
      expect(messages.map((message) => message.role)).toEqual(
        template.endsWith('-eval') ? ['system', 'user'] : ['user'],
      );
      const content = messages.at(-1)!.content;
      expect(Array.isArray(content) && content.map((part) => part.type)).toEqual(['video', 'text']);
    }
    const [message] = promptMessages({ ...item, media: [{ type: 'image' }] }, { template: 'tw-grpo' });
    expect(message!.content[0]).toEqual({ type: 'image' });
  });

  it('are known by name', () => {
    expect(() => promptText(item, { template: 'cot' })).toThrow(ConfigError);
    expect(() => promptText(item, { template: 'cot' })).toThrow(/must be one of tw-grpo, .*, got "cot"/);
  });
});
