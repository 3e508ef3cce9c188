import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { parseAnswer } from '../answers/index.ts';
import { ConfigError, createLogger, TwgrpoError } from '../base/index.ts';
import type { RewardFunction, RewardInput } from '../rl/index.ts';
import { loadRewards } from './rewards.ts';

const folder = scratchFolder();
const write = (name: string, text: string) => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};
const logger = createLogger({ quiet: true, fd: 2 });
const config = { accuracy: 'soft', reward_timeout: 600, on_bad_reward: 'error', logger } as const;
const load = (...reward_funcs: string[]) => loadRewards({ ...config, reward_funcs });

const INPUTS: RewardInput[] = ['<answer>A</answer>', '<answer>A,B</answer>', 'no'].map((completion) => ({
  completion,
  prompt: 'Which?',
  solution: '<answer>A,B</answer>',
  options: ['x', 'y'],
  answer: parseAnswer(completion, { options: ['x', 'y'] }),
  truth: ['A', 'B'],
  completion_ids: [1, 2],
  truncated: false,
  item: {},
}));

describe('a reward module', () => {
  it('may be TypeScript with types of its own, asynchronous, and name what it can not judge', async () => {
    const file = write(
      'brief.ts',
      `import type { RewardInput } from 'twgrpo';
import { setTimeout } from 'node:timers/promises';

interface Verdict { readonly value: number | null }

async function judge({ completion, options }: RewardInput): Promise<Verdict> {
  await setTimeout(1);
  return completion === 'no' ? { value: null } : { value: completion.length / (options?.length ?? 1) };
}

export async function reward(inputs: readonly RewardInput[]): Promise<(number | null)[]> {
  return (await Promise.all(inputs.map(judge))).map(({ value }: Verdict) => value satisfies number | null);
}
`,
    );
    const [brief, accuracy] = await load(file, 'accuracy');
    expect([brief?.name, accuracy?.name]).toEqual(['brief', 'accuracy']);
    expect(await brief?.reward(INPUTS)).toEqual([9, 10, null]);
    expect(await accuracy?.reward(INPUTS)).toEqual([0.5, 1, 0]);
  });

  it('may be JavaScript, and may import files beside it', async () => {
    write('helper.mjs', 'export const half = 0.5;\n');
    const file = write(
      'plain.mjs',
      "import { half } from './helper.mjs';\nexport const reward = (inputs) => inputs.map(() => half);\n",
    );
    const [plain] = await load(file);
    expect(await plain?.reward(INPUTS)).toEqual([0.5, 0.5, 0.5]);
  });

  it.each([
    ['broken.ts', 'export function reward(inputs) {\n  return inputs.map(=> 1);\n}\n', /broken\.ts:2: /],
    [
      'stranger.ts',
      "import { x } from './other.ts';\nexport const reward = () => [x];\n",
      /imports \.\/other\.ts/,
    ],
    ['broken.mjs', 'export function reward( {', /broken\.mjs can not be imported/],
    ['empty.mjs', 'export const rewards = 1;\n', /must export a function called "reward".*rewards/],
  ])('%s is refused with its place', async (name, text, message) => {
    const loading = load(write(name, text));
    await expect(loading).rejects.toThrow(ConfigError);
    await expect(loading).rejects.toThrow(message);
  });

  it('is named when it throws, with the line of its source', async () => {
    const file = write(
      'thrower.ts',
      'interface None {}\nexport function reward(inputs: readonly None[]): number[] {\n  throw new TypeError("no luck");\n}\n',
    );
    const [thrower] = await load(file);
    const failure = await Promise.resolve(thrower?.reward(INPUTS)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TwgrpoError);
    expect(String(failure)).toContain(`reward module ${file} failed: TypeError: no luck`);
    expect((failure as TwgrpoError).hint).toContain('thrower.');
  });

  it('a name that is neither ours nor a file, and two of one name, are refused', async () => {
    await expect(load('acuracy')).rejects.toThrow(
      /'acuracy' is neither one of accuracy, task, format, format_strict/,
    );
    await expect(
      load('accuracy', write('accuracy.mjs', 'export const reward = () => [];\n')),
    ).rejects.toThrow(/two rewards are called accuracy/);
  });
});

describe('a reward function that does wrong', () => {
  const ways: readonly (readonly [string, RewardFunction, RegExp])[] = [
    [
      'throws',
      () => {
        throw new RangeError('no luck');
      },
      /no luck/,
    ],
    ['is rejected', () => Promise.reject(new Error('503')), /503/],
    ['never answers', () => new Promise(() => {}), /own did not answer within 0.2 s/],
    [
      'loops without end',
      () => {
        for (let i = 0; ; i++) if (i < 0) return [];
      },
      /own did not answer within 0.2 s/,
    ],
    [
      'gives NaN',
      () => [1, Number.NaN, 0],
      /finite numbers, or null where it can not judge, got NaN at place 1/,
    ],
    ['gives infinity', () => [1, 1, -1 / 0], /got -Infinity at place 2/],
    ['gives text', () => ['1', 1, 1] as never, /got "1" at place 0/],
    ['gives holes', () => [1, undefined, 1] as never, /got undefined at place 1/],
    ['gives too few', () => [1, 1], /must return 3 values, one for each completion, got 2 values/],
    ['gives no list', () => ({ reward: 1 }) as never, /must return 3 values.*got object/],
    ['gives nothing', async () => undefined as never, /got undefined/],
  ];

  it.each(ways)('%s: an error that names it, or a batch that is not judged', async (_, own, message) => {
    const keys = { ...config, reward_funcs: ['own'], reward_timeout: 0.2 };
    const [strict] = await loadRewards(keys, { own });
    await expect((async () => await strict!.reward(INPUTS))()).rejects.toThrow(message);
    const warn = vi.spyOn(logger, 'warn').mockImplementation(() => {});
    try {
      const [lenient] = await loadRewards({ ...keys, on_bad_reward: 'skip' }, { own });
      expect(await lenient!.reward(INPUTS)).toEqual([null, null, null]);
      expect(warn.mock.calls).toEqual([
        [{ err: expect.any(Error) }, 'reward own could not judge 3 completions: skipped'],
      ]);
    } finally {
      warn.mockRestore();
    }
  });
});
