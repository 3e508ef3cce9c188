/**
 * The configuration of a GRPO run out of its layers.
 *
 * Order of precedence: defaults < loss preset < YAML file < `--set`.
 */

import { ConfigError } from '../../base/index.ts';
import { LOSS_PRESETS } from '../../rl/index.ts';
import { checkShardKeys } from '../shard/shard-run.ts';
import { type ConfigLayer, checkConfig, itemsOf, mergeLayers, type Resolved } from './config-layers.ts';
import { type GrpoConfig, grpoConfigSchema } from './config-schema.ts';

export type { ConfigLayer } from './config-layers.ts';
export type { GrpoConfig, GrpoConfigInput } from './config-schema.ts';

export type ResolvedConfig = Resolved<GrpoConfig>;

/**
 * Merges the layers, fills in the loss preset and the defaults, and checks everything at once.
 * @throws ConfigError that lists every misspelt, missing or impossible key with where it was set
 */
export function resolveGrpoConfig(layers: readonly ConfigLayer[]): ResolvedConfig {
  const known = layers.map(withAuthorsRewards);
  const told = known.flatMap(({ notice }) => notice ?? []);
  const merged = mergeLayers(
    known.map(({ layer }) => layer),
    grpoConfigSchema,
  );
  const { values, sources, origins } = merged;
  const lossType = values['loss_type'];
  if (typeof lossType === 'string' && lossType in LOSS_PRESETS) {
    const preset = LOSS_PRESETS[lossType as keyof typeof LOSS_PRESETS];
    // TRL's rule, where the preset's clip is one number for both sides.
    if ('epsilon' in values && !('epsilon_high' in values) && preset.epsilon === preset.epsilon_high) {
      values['epsilon_high'] = values['epsilon'];
      sources['epsilon_high'] = origins['epsilon_high'] = `epsilon, ${origins['epsilon']}`;
    }
    for (const [key, value] of Object.entries(preset)) {
      if (key in values) continue;
      values[key] = value;
      sources[key] = origins[key] = `loss_type ${lossType}`;
    }
  }
  const resolved = checkConfig(grpoConfigSchema, merged, {
    // A missing loss preset leaves all its keys missing; one line says it.
    isImplied: (key) => key !== 'loss_type' && key in LOSS_PRESETS.grpo,
  });
  checkAcross(resolved.config);
  return { ...resolved, notices: [...told, ...resolved.notices] };
}

/** `origin_accuracy` among the rewards is the authors' name of exact accuracy (their README has `ori_accuracy`). */
function withAuthorsRewards(layer: ConfigLayer): { readonly layer: ConfigLayer; readonly notice?: string } {
  const { reward_funcs: given, accuracy } = layer.values;
  const reward_funcs = typeof given === 'string' ? itemsOf(given) : given;
  if (!Array.isArray(reward_funcs)) return { layer };
  const theirs = reward_funcs.find((name) => name === 'origin_accuracy' || name === 'ori_accuracy');
  if (theirs === undefined) return { layer };
  if (accuracy !== undefined && accuracy !== 'exact')
    throw new ConfigError(
      `${layer.source}: reward_funcs names ${theirs}, which is accuracy: exact, but accuracy is ${JSON.stringify(accuracy)}`,
      { hint: 'write reward_funcs: [accuracy, ...] and the accuracy you mean' },
    );
  return {
    layer: {
      ...layer,
      values: {
        ...layer.values,
        reward_funcs: reward_funcs.map((name) => (name === theirs ? 'accuracy' : name)),
        accuracy: 'exact',
      },
    },
    notice: `${layer.source}: reward ${theirs} is read as accuracy with accuracy: exact`,
  };
}

/** What one key alone can't show. */
function checkAcross(config: GrpoConfig): void {
  checkShardKeys(config);
  if (config.reward_weights !== undefined && config.reward_weights.length !== config.reward_funcs.length)
    throw new ConfigError(
      `reward_weights has ${config.reward_weights.length} numbers, reward_funcs ${config.reward_funcs.length} names; they belong together`,
    );
  if (
    config.min_pixels !== undefined &&
    config.max_pixels !== undefined &&
    config.min_pixels > config.max_pixels
  )
    throw new ConfigError(
      `min_pixels (${config.min_pixels}) must not be above max_pixels (${config.max_pixels})`,
    );
  if (config.delta !== undefined && config.delta <= 1 + config.epsilon_high)
    throw new ConfigError(
      `delta (${config.delta}) must be above 1 + epsilon_high (${1 + config.epsilon_high})`,
    );
}
