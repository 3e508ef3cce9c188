import { describe, expect, it } from 'vitest';
import { lookUpVerb, stem } from './verbs.ts';

describe('lookUpVerb', () => {
  it.each([
    ['opened', 'open', 'past'],
    ['opens', 'open', 'third'],
    ['opening', 'open', 'ing'],
    ['took', 'take', 'past'],
    ['taken', 'take', 'participle'],
    ['takes', 'take', 'third'],
    ['taking', 'take', 'ing'],
    ['put', 'put', 'past'],
    ['putting', 'put', 'ing'],
    ['happened', 'happen', 'past'],
    ['happens', 'happen', 'third'],
    ['stopped', 'stop', 'past'],
    ['stopping', 'stop', 'ing'],
    ['occurred', 'occur', 'past'],
    ['hoped', undefined, 'past'],
    ['hopped', 'hop', 'past'],
    ['filled', 'fill', 'past'],
    ['carried', 'carry', 'past'],
    ['carries', 'carry', 'third'],
    ['tried', 'try', 'past'],
    ['tied', 'tie', 'past'],
    ['tying', 'tie', 'ing'],
    ['lying', 'lie', 'ing'],
    ['lay', 'lay', 'base'],
    ['laid', 'lay', 'past'],
    ['moved', 'move', 'past'],
    ['moving', 'move', 'ing'],
    ['caused', 'cause', 'past'],
    ['made', 'make', 'past'],
    ['matches', 'match', 'third'],
    ['does', 'do', 'third'],
    ['goes', 'go', 'third'],
    ['has', 'have', 'third'],
    ['seeing', 'see', 'ing'],
    ['being', 'be', 'ing'],
    ['were', 'be', 'past'],
    ['swimming', 'swim', 'ing'],
    ['opened', 'open', 'participle'],
    ['entered', 'enter', 'past'],
    ['covered', 'cover', 'past'],
    ['visited', 'visit', 'past'],
    ['mixed', 'mix', 'past'],
    ['snowed', 'snow', 'past'],
    ['skied', 'ski', 'past'],
    ['danced', 'dance', 'past'],
    ['collides', 'collide', 'third'],
  ] as const)('%s comes from %s (%s)', (word, base, form) => {
    expect(lookUpVerb(word)?.base).toBe(base);
    if (base !== undefined) expect(lookUpVerb(word)?.forms.has(form)).toBe(true);
  });

  it('does not know what is no listed verb', () => {
    for (const word of ['red', 'table', 'deos', '', 'constructor', 'happpened'])
      expect(lookUpVerb(word)).toBeUndefined();
    expect(stem('walks')).toBe('walk');
    expect(stem('table')).toBe('table');
  });
});
