/** @file The reduced form of the fuzzer: some inputs of every target in this process, and that a run notices all ways to break. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random, TwgrpoError } from '../../src/base/index.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { fuzz } from './fuzz.ts';
import { SELF_TESTS } from './self-test.ts';
import { TARGETS } from './targets.ts';

const scratch = scratchFolder();

const COUNTS: Readonly<Record<string, number>> = {
  safetensors: 2000,
  rows: 200,
  parquet: 100,
  tokenizer: 100,
  templates: 200,
  'run-config': 50,
};
const FEW = 12;

describe('every input is read or refused by an error of ours', () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))('%s', async (name, target) => {
    const random = Random.stream(7, name);
    const seeds = target.seeds();
    const count = COUNTS[name] ?? FEW;
    let tried = 0;
    for (; tried < count; tried++) {
      const input = tried < seeds.length ? seeds[tried]! : target.mutate(random, random.pick(seeds), seeds);
      try {
        await target.run(input, scratch);
      } catch (error) {
        if (!(error instanceof TwgrpoError) || error.message.startsWith('internal:')) throw error;
      }
    }
    expect(tried).toBe(count);
  });
});

describe('a run of the fuzzer', () => {
  const options = { seed: 1, folder: join(scratch, 'findings'), memoryMb: 400 };
  it.each([
    ['self-throws', 'crash', /x is not a function/],
    ['self-dies', 'crash', /the process ended with SIGABRT/],
    ['self-hangs', 'hang', /no end within 0\.5 s/],
    ['self-fills', 'memory', /MiB, more than 400/],
    ['self-pollutes', 'crash', /the key "polluted" was left on a prototype/],
  ])('notices what %s does, and keeps the input', async (name, kind, message) => {
    const target = SELF_TESTS.find((one) => one.name === name)!;
    const { findings, tried } = await fuzz(target, options);
    expect(tried).toBe(target.wanted);
    expect(findings.map((finding) => finding.kind)).toEqual([kind]);
    expect(findings[0]!.message).toMatch(message);
    expect(findings[0]!.file).toContain(join(options.folder, name));
  });
});
