import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodedWrongly, encodedWrongly, type TokenizerCase } from '../../tests/support/tokenizer-cases.ts';
import { CheckpointError } from '../base/index.ts';
import { Tokenizer } from './tokenizer.ts';

const GOLDENS = fileURLToPath(new URL('../../tests/goldens/', import.meta.url));
const tokenizer = Tokenizer.fromPretrained(`${GOLDENS}checkpoints/qwen2-5-vl`);
const cases: TokenizerCase[] = JSON.parse(readFileSync(`${GOLDENS}tokenizer/strings.json`, 'utf8'));

describe('Tokenizer', () => {
  it("gives the Python tokenizer's ids on 1,000 strings", () => {
    expect(cases.length).toBe(1000);
    expect(encodedWrongly(tokenizer, cases)).toEqual([]);
  });

  it('reads quoted special tokens as words, as split_special_tokens does, and the others beside them as tokens', () => {
    const words: typeof cases = JSON.parse(readFileSync(`${GOLDENS}tokenizer/words.json`, 'utf8'));
    const end = tokenizer.tokenId('<|im_end|>');
    for (const { text, ids } of words) {
      const quoted = tokenizer.quoted(text);
      expect(tokenizer.encode(quoted), text).toEqual(ids);
      expect(tokenizer.encode(`<|im_end|>${quoted}<|im_end|>`), text).toEqual([end, ...ids, end]);
      expect(tokenizer.unquoted(quoted)).toBe(text);
    }
  });

  it('decodes those ids back to the normalized text', () => {
    expect(decodedWrongly(tokenizer, cases)).toEqual([]);
  });

  it('round trip: any text comes back in NFC', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.normalize('NFC'));
      }),
      { numRuns: 500 },
    );
  });

  it('streaming gives whole characters whose sum is the decoded text, for any ids', () => {
    const ids = fc.array(fc.integer({ min: 0, max: tokenizer.size - 1 }), { maxLength: 30 });
    fc.assert(
      fc.property(ids, (sequence) => {
        const stream = tokenizer.decodeStream();
        const pieces = [...sequence.map((id) => stream.push(id)), stream.end()];
        expect(pieces.join('')).toBe(tokenizer.decode(sequence));
        const bytes = Buffer.concat(sequence.map((id) => tokenizer.tokenBytes(id)));
        expect(pieces.join('')).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('holds back a cut character and shows it as U+FFFD at the end', () => {
    const stream = tokenizer.decodeStream();
    const ids = tokenizer.encode('🙂');
    expect(ids.length).toBeGreaterThan(1);
    expect(ids.slice(0, -1).map((id) => stream.push(id))).toEqual(ids.slice(0, -1).map(() => ''));
    expect(stream.end()).toBe('\ufffd');
    expect(ids.map((id) => stream.push(id)).join('')).toBe('🙂');
  });

  it('knows special and added tokens by content, and leaves special ones out on demand', () => {
    const end = tokenizer.tokenId('<|im_end|>');
    expect(tokenizer.specialIds.has(end)).toBe(true);
    expect(tokenizer.specialIds.has(tokenizer.tokenId('<tool_call>'))).toBe(false);
    expect(tokenizer.namedTokens).toMatchObject({ eos_token: '<|im_end|>', bos_token: undefined });
    const ids = tokenizer.encode('a<tool_call>b<|im_end|>');
    expect(tokenizer.decode(ids)).toBe('a<tool_call>b<|im_end|>');
    expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe('a<tool_call>b');
    expect(() => tokenizer.tokenId('<|nope|>')).toThrow(/added_tokens has no "<\|nope\|>"/);
    expect(() => tokenizer.decode([tokenizer.size])).toThrow(/no token has the id 496; the largest is 495/);
  });

  it('a folder without tokenizer.json, or one of another kind, is a CheckpointError naming the file', () => {
    expect(() => Tokenizer.fromPretrained('/nowhere')).toThrow(CheckpointError);
    expect(() => Tokenizer.fromPretrained('/nowhere')).toThrow(/\/nowhere\/tokenizer\.json: cannot be read/);
    const other = {
      model: { type: 'WordPiece', vocab: {} },
      added_tokens: [],
      decoder: { type: 'WordPiece' },
    };
    expect(() => new Tokenizer(other, {}, '/m/tokenizer.json')).toThrow(/\/m\/tokenizer\.json: model\.type/);
  });
});
