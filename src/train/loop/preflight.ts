import { ConfigError, freeBytes, type Logger, sizeText } from '../../base/index.ts';
import { type ModelFolder, openModelFolder } from '../../models/index.ts';
import { resolveDevice } from '../../tensor/index.ts';
import { checkMuon } from '../optim/optimizer.ts';
import type { ModelKeys } from './policy-model.ts';

export interface PreflightConfig extends ModelKeys {
  readonly output_dir: string;
  readonly save_steps: number;
  readonly save_total_limit?: number | undefined;
  readonly save_only_model: boolean;
  readonly optimizer?: 'adamw' | 'muon' | undefined;
}

export interface Preflight {
  readonly num_weights: number;
  /** A lower bound, optimizer included: the headers of the files and the settings are not counted. */
  readonly checkpoint_bytes: number;
  readonly free_bytes: number;
}

/** Number of weights from which the log says that training on a processor is slow. */
const MANY_WEIGHTS = 1e9;

const BYTES: Readonly<Record<string, number>> = { float32: 4, bfloat16: 2, float16: 2 };

/**
 * @param checkpointDir what the run goes on from
 * @param maxSteps undefined where time alone ends the run
 * @throws ConfigError for a device the machine has not, for weights the optimizer can not train, or a disk without room for one checkpoint
 * @throws CheckpointError for a model folder that is incomplete or whose weights do not fit its configuration
 */
export function preflight(
  config: PreflightConfig,
  folder: ModelFolder,
  checkpointDir: string | undefined,
  maxSteps: number | undefined,
  logger: Logger,
): Preflight {
  const device = resolveDevice(config.device, 'device');
  if (device !== config.device) logger.info(`device ${config.device}: ${device}`);
  const isLora = config.lora_r !== undefined;
  const stored = folder.checkWeights();
  if (checkpointDir !== undefined && !isLora) openModelFolder(checkpointDir).checkWeights();
  const sizes = [...stored].map(([name, { dtype: saved, shape }]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const dtype = config.dtype === 'auto' ? saved : config.dtype;
    const width = BYTES[dtype]!;
    // Two moments, and a float32 copy of narrow weights. Muon keeps one moment; the smaller number is the bound.
    const isFrozen = config.freeze_vision && name.startsWith('visual.');
    const isMuon = config.optimizer === 'muon' && shape.length === 2 && folder.isHidden(name);
    if (isMuon && !isLora && !isFrozen) checkMuon(name, dtype);
    const state = config.save_only_model || isFrozen ? 0 : 4 + (width < 4 ? 4 : 0);
    return { count, bytes: count * (width + state) };
  });
  const sum = (of: 'count' | 'bytes') => sizes.reduce((total, one) => total + one[of], 0);
  const checkpoint_bytes =
    config.lora_r === undefined ? sum('bytes') : adapterBytes(config, config.lora_r, folder);
  const num_weights = sum('count');
  if (device === 'cpu' && num_weights > MANY_WEIGHTS)
    logger.warn(`${(num_weights / 1e9).toFixed(1)} billion weights on the processor: a step takes minutes`);
  const free_bytes = freeBytes(config.output_dir);
  const where = `output_dir ${config.output_dir}: ${sizeText(free_bytes)} free`;
  if (checkpoint_bytes > free_bytes)
    throw new ConfigError(`${where}, a checkpoint needs at least ${sizeText(checkpoint_bytes)}`, {
      hint: 'choose another output_dir, or set save_only_model or lora_r',
    });
  const numSaves = maxSteps === undefined ? 1 : Math.ceil(maxSteps / config.save_steps);
  const numKept = Math.min(numSaves, (config.save_total_limit ?? Number.POSITIVE_INFINITY) + 1);
  if (numKept * checkpoint_bytes > free_bytes)
    logger.warn(
      `${where}, ${numKept} checkpoints need at least ${sizeText(numKept * checkpoint_bytes)}; set save_total_limit or save_steps`,
    );
  return { num_weights, checkpoint_bytes, free_bytes };
}

/** A float32 adapter, with the two moments of its optimizer unless they are not saved (of Muon one). */
function adapterBytes(config: PreflightConfig, r: number, folder: ModelFolder): number {
  const frozen = { vision: config.freeze_vision, merger: config.freeze_merger };
  const numMoments = config.save_only_model ? 0 : config.optimizer === 'muon' ? 1 : 2;
  return 4 * (1 + numMoments) * folder.adapterSize({ r, target_modules: config.lora_target_modules }, frozen);
}
