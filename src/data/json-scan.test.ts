import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_JSON_DEPTH, scanJson } from './json-scan.ts';

const problem = (text: string): string | undefined => scanJson(text).problem?.message;

describe('JSON scan', () => {
  it('accepts exactly what JSON.parse accepts, for generated values and damaged texts', () => {
    const isJson = (text: string): boolean => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 5 }),
        fc.nat(),
        fc.string({ maxLength: 2 }),
        (value, at, noise) => {
          const text = JSON.stringify(value, null, at % 3);
          expect(problem(text)).toBeUndefined();
          const place = at % (text.length + 1);
          const damaged = text.slice(0, place) + noise + text.slice(place + (at % 2));
          // Damage may make two keys equal, which only the scan refuses.
          if (!/appears twice/.test(problem(damaged) ?? ''))
            expect(problem(damaged) === undefined).toBe(isJson(damaged));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('tells line and reason', () => {
    expect(scanJson('{\n "a": 1,\n "a": 2}').problem).toEqual({
      line: 3,
      message: 'the key "a" appears twice in one object',
    });
    expect(problem('{"a":{"b":1,"\\u0062":2}}')).toMatch(/key "b" appears twice/);
    expect(problem('[{"a":1},{"a":1}]')).toBeUndefined();
    expect(problem('')).toBe('expected a JSON value, got nothing');
    expect(problem('[1,2')).toBe('the JSON ends before it is complete');
    expect(problem('[1] x')).toMatch(/nothing after the end/);
    expect(problem('["a\u0001b"]')).toMatch(/raw control character/);
    expect(problem('["a\\x"]')).toMatch(/unknown escape/);
    expect(problem('["a')).toBe('the text ends inside a string');
    expect(problem(`${'['.repeat(MAX_JSON_DEPTH)}${']'.repeat(MAX_JSON_DEPTH)}`)).toBeUndefined();
    expect(problem('['.repeat(1_000_000))).toMatch(/nested deeper than 100 levels/);
  });

  it('notes where each record begins', () => {
    expect(scanJson('[\n {"a":\n 1},\n\n {"b":[2,\n3]}, 7]').entryLines).toEqual([2, 5, 6]);
    expect(scanJson('{\n"x": {\n"y": 1},\n"z": 2}').entryLines).toEqual([2, 4]);
  });
});
