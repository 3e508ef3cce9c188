/** Reward functions by the names in `reward_funcs`: built in, or a user's module. */
import { statSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAwake, ConfigError, type Logger, TwgrpoError, withinTime } from '../base/index.ts';
import {
  BUILT_IN_REWARDS,
  type BuiltInRewardOptions,
  builtInReward,
  checkRewards,
  type NamedReward,
  type RewardFunction,
  type RewardValue,
  rewardFromModule,
} from '../rl/index.ts';
import { importTypeScript } from './typescript-module.ts';

/** Keys of docs/training.md, and who hears of what is skipped. */
export interface RewardOptions extends BuiltInRewardOptions {
  readonly reward_funcs: readonly string[];
  readonly reward_timeout: number;
  readonly on_bad_reward: 'error' | 'skip';
  readonly logger: Logger;
}

/**
 * Finds every reward of the configuration: built in, one of the caller's own functions, or a user's module. A module is JavaScript (`.js`, `.mjs`) or one file of TypeScript (`.ts`,
 * `.mts`) that exports `reward(inputs)`, which may be async. Paths start from the working directory.
 *
 * What a module's function throws comes back as a TwgrpoError that names the module. A function that does not answer in time, or
 * with something else than finite numbers and null, is an error too; with `on_bad_reward: skip` its batch is not judged instead.
 * @param own functions by their names in `reward_funcs`
 * @throws ConfigError for an unknown name, a name used twice, a missing file or a module without that export, and for a function of
 *   the caller's that no name uses or that has a built-in name
 */
export async function loadRewards(
  config: RewardOptions,
  own: Readonly<Record<string, RewardFunction>> = {},
): Promise<NamedReward[]> {
  const rewards: NamedReward[] = [];
  for (const name of Object.keys(own)) {
    if (builtInReward(name, config) !== undefined)
      throw new ConfigError(`rewards: ${name} is the name of a built-in reward`, { hint: 'choose another' });
    if (!config.reward_funcs.includes(name))
      throw new ConfigError(
        `rewards: ${name} is not used; reward_funcs has ${config.reward_funcs.join(', ')}`,
        { hint: `add '${name}' to reward_funcs` },
      );
  }
  for (const name of config.reward_funcs) {
    const reward =
      builtInReward(name, config) ?? guarded(ownReward(name, own) ?? (await loadModule(name)), config);
    if (rewards.some((other) => other.name === reward.name))
      throw new ConfigError(
        `reward_funcs: two rewards are called ${reward.name}; their metrics would be mixed`,
        {
          hint: 'rename one of the files, or leave one out and use reward_weights',
        },
      );
    rewards.push(reward);
  }
  return rewards;
}

/** The function with a limit on its time and a look at what it returns. */
function guarded(
  { name, reward }: NamedReward,
  { reward_timeout, on_bad_reward, logger }: RewardOptions,
): NamedReward {
  const late = () =>
    new TwgrpoError(`reward ${name} did not answer within ${reward_timeout} s`, {
      hint: 'look at what it waits for, raise reward_timeout, or set on_bad_reward: skip',
    });
  return {
    name,
    reward: async (inputs) => {
      try {
        const values = await inTime(() => reward(inputs), 1000 * reward_timeout, late);
        checkRewards(name, values, inputs.length);
        return values;
      } catch (error) {
        if (on_bad_reward === 'error') throw error;
        logger.warn({ err: error }, `reward ${name} could not judge ${inputs.length} completions: skipped`);
        return inputs.map(() => null);
      }
    },
  };
}

/** Both parts of an asynchronous function: what it does at once, where only the interpreter can end it, and what it waits for. */
async function inTime(
  work: () => readonly RewardValue[] | Promise<readonly RewardValue[]>,
  limitMs: number,
  late: () => Error,
): Promise<readonly RewardValue[]> {
  const begun = withinTime(Math.ceil(limitMs), work, late);
  let end = (): void => {};
  const limit = new Promise<never>((_, reject) => {
    end = afterAwake(limitMs, () => reject(late()));
  });
  try {
    return await Promise.race([begun, limit]);
  } finally {
    end();
  }
}

function ownReward(name: string, own: Readonly<Record<string, RewardFunction>>): NamedReward | undefined {
  return Object.hasOwn(own, name) ? { name, reward: own[name]! } : undefined;
}

async function loadModule(name: string): Promise<NamedReward> {
  const file = resolve(name);
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new ConfigError(
      `reward_funcs: '${name}' is neither one of ${BUILT_IN_REWARDS.join(', ')} nor a file`,
      { hint: 'paths start from the working directory' },
    );
  let exports: Record<string, unknown>;
  try {
    exports = /\.m?ts$/.test(file)
      ? await importTypeScript(file)
      : ((await import(pathToFileURL(file).href)) as Record<string, unknown>);
  } catch (cause) {
    if (cause instanceof TwgrpoError) throw cause;
    throw new ConfigError(`reward_funcs: ${file} can not be imported: ${(cause as Error).message}`, {
      hint: 'a reward module is .js, .mjs, .ts or .mts; check JavaScript with: node --check',
      cause,
    });
  }
  try {
    const { name: title, reward } = rewardFromModule(exports, basename(file, extname(file)));
    return {
      name: title,
      reward: async (inputs) => {
        try {
          return await reward(inputs);
        } catch (cause) {
          throw new TwgrpoError(`reward module ${file} failed: ${messageOf(cause)}`, {
            hint: `correct the module; the checkpoint holds everything up to the last step${placeOf(cause, title)}`,
            cause,
          });
        }
      },
    };
  } catch (error) {
    if (!(error instanceof TwgrpoError)) throw error;
    throw new ConfigError(`reward_funcs: ${error.message}`, { hint: error.hint, cause: error });
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}

/** ` (letters.mjs:12:7)`, where the stack says it. */
function placeOf(cause: unknown, title: string): string {
  if (!(cause instanceof Error)) return '';
  const line = cause.stack?.split('\n').find((text) => text.includes(title));
  const place = line === undefined ? null : /([^/\\(]+:\d+:\d+)\)?$/.exec(line.trim());
  return place === null ? '' : ` (${place[1]})`;
}
