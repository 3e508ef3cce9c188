/** How a run divides its state among ranks, by `zero_stage`. */
import { ConfigError } from '../../base/index.ts';
import type { Processes } from '../../dist/index.ts';
import { type Device, type DType, resolveDevice, type Tensor } from '../../tensor/index.ts';
import type { GrpoConfig } from '../config/config-schema.ts';
import type { Placing } from '../loop/policy-model.ts';
import { type Gradients, GradientsOfParts, ReducedGradients } from './gradients.ts';
import { type OptimizedPiece, ScatteredGradients } from './scattered-gradients.ts';
import { ShardedWeights } from './sharded-weights.ts';

export type ShardKeys = Pick<
  GrpoConfig,
  'zero_stage' | 'lora_r' | 'gradient_checkpointing' | 'device' | 'dtype'
> & {
  readonly beta?: number;
  readonly optimizer?: 'adamw' | 'muon' | undefined;
};

/** What of a run's state lies where. */
export interface Division {
  /** Undefined in a run of one process. */
  readonly gradients: Gradients | undefined;
  /** What this rank's optimizer updates, where that is not all; by the parameter's name. */
  readonly pieces: ReadonlyMap<string, OptimizedPiece> | undefined;
  /** Undefined where weights are whole on every rank. */
  readonly weights: ShardedWeights | undefined;
}

export interface Sharding {
  /** Undefined where weights are read as they are. */
  readonly placing: Placing | undefined;
  /** @param trainable the parameters that train, after `placing` */
  readonly divide: (trainable: ReadonlyMap<string, Tensor>) => Division;
}

/** @throws ConfigError for what can not be divided */
export function checkShardKeys(config: Omit<ShardKeys, 'device' | 'dtype'>): void {
  const { zero_stage, optimizer, beta = 0 } = config;
  if (zero_stage > 0 && optimizer === 'muon')
    throw new ConfigError(`zero_stage ${zero_stage} is for optimizer: adamw; Muon needs whole matrices`, {
      hint: 'set optimizer: adamw, or zero_stage: 0',
    });
  if (zero_stage < 3) return;
  if (!config.gradient_checkpointing)
    throw new ConfigError(
      'zero_stage 3 needs gradient_checkpointing: it gathers a layer where that is computed again',
    );
  if (beta > 0 && config.lora_r === undefined)
    throw new ConfigError('zero_stage 3 can not hold a reference model beside the weights', {
      hint: 'set beta: 0, train an adapter (lora_r), whose reference is the model without it, or use zero_stage: 2',
    });
}

export function shardRun(config: ShardKeys, processes: Processes): Sharding {
  const { tensors } = processes;
  if (tensors === undefined)
    return {
      placing: undefined,
      divide: () => ({ gradients: undefined, pieces: undefined, weights: undefined }),
    };
  const { zero_stage: stage, lora_r } = config;
  let weights: ShardedWeights | undefined;
  const placing: Placing = {
    place: (whole, isTrained) => {
      const device: Device = resolveDevice(config.device, 'device');
      const dtype: DType | undefined = config.dtype === 'auto' ? undefined : config.dtype;
      weights = new ShardedWeights(whole, { tensors, dtype, device, isTrained });
      for (const tensor of whole.values()) tensor.dispose();
      return weights.views;
    },
  };
  return {
    placing: stage === 3 ? placing : undefined,
    divide: (trainable) => {
      // Beside weights in parts an adapter is small: every rank has all of it.
      if (stage === 0 || (stage === 3 && lora_r !== undefined)) {
        const gradients = new ReducedGradients(trainable, tensors);
        return {
          gradients: weights === undefined ? gradients : new GradientsOfParts(gradients, weights),
          ...{ pieces: undefined, weights },
        };
      }
      const held = weights;
      const scattered = new ScatteredGradients(trainable, {
        ...{ stage, processes, tensors },
        partOf: held === undefined ? undefined : (unit) => held.partOf(unit),
        isLayerwise: config.gradient_checkpointing,
      });
      return {
        gradients: held === undefined ? scattered : new GradientsOfParts(scattered, held),
        ...{ pieces: scattered.pieces, weights: held },
      };
    },
  };
}
