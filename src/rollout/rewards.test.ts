import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { parseAnswer } from '../answers/index.ts';
import { ConfigError, TwgrpoError } from '../base/index.ts';
import type { RewardInput } from '../rl/index.ts';
import { loadRewards } from './rewards.ts';

const folder = scratchFolder();
const write = (name: string, text: string) => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};
const load = (...reward_funcs: string[]) => loadRewards({ reward_funcs, accuracy: 'soft' });

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
