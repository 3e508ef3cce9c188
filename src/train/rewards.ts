/** Reward functions by the names in `reward_funcs`: built in, or a user's module. */
import { existsSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BUILT_IN_REWARDS, builtInReward, type NamedReward, RlError, rewardFromModule } from '../rl/index.ts';
import { ConfigError } from '../run/index.ts';
import type { GrpoConfig } from './config.ts';

/**
 * Loads every reward of the configuration. A user's module is JavaScript (`.js`, `.mjs`) that exports
 * `reward(inputs)`, which may be async.
 * @throws ConfigError for an unknown name, a missing file or a module without that export
 */
export async function loadRewards(
  config: Pick<GrpoConfig, 'reward_funcs' | 'accuracy' | 'answer_parser'>,
): Promise<NamedReward[]> {
  return await Promise.all(
    config.reward_funcs.map(async (name) => {
      const builtIn = builtInReward(name, config);
      if (builtIn !== undefined) return builtIn;
      const file = resolve(name);
      if (!existsSync(file))
        throw new ConfigError(
          `reward_funcs: '${name}' is neither one of ${BUILT_IN_REWARDS.join(', ')} nor a file`,
        );
      let exports: Record<string, unknown>;
      try {
        exports = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
      } catch (cause) {
        throw new ConfigError(`reward_funcs: ${file} can not be imported: ${(cause as Error).message}`, {
          hint: ['.js', '.mjs'].includes(extname(file))
            ? 'check the module with: node --check'
            : 'compile TypeScript first: a reward module is .js or .mjs',
          cause,
        });
      }
      try {
        return rewardFromModule(exports, basename(file, extname(file)));
      } catch (error) {
        if (!(error instanceof RlError)) throw error;
        throw new ConfigError(`reward_funcs: ${error.message}`, { hint: error.hint, cause: error });
      }
    }),
  );
}
