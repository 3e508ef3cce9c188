/**
 * The gradient of the supervised loss for the answers of one prompt's beginning.
 *
 * Rows that begin alike (questions about one video, answers to one question) share that beginning: it is computed once,
 * vision included, and each row attends to it and to itself only. Packing rows therefore changes no number, only the time.
 *
 * Legend: G rows of one beginning, C positions, D hidden, M tokens that count in the loss, V vocabulary.
 */
import {
  type EncodedPrompt,
  indexTensor,
  type PromptInputs,
  type VideoLanguageModel,
} from '../../models/index.ts';
import { cross_entropy_loss, type Device, noGrad, scope, type Tensor } from '../../tensor/index.ts';

/** The way back through a chunk holds about four times its logits. */
const LOGITS_CHUNK_MIB = { cpu: 64, device: 256 } as const;

/** torch's number for a summed reduction. */
const SUM = 2;

/** One answer with what stands before it but after the shared beginning. */
export interface SftRow {
  readonly ids: readonly number[];
  /** First of `ids` that counts in the loss; those before it (the question) are only read. */
  readonly lossFrom: number;
}

export interface SftGroup {
  /** The shared beginning. */
  readonly inputs: PromptInputs;
  readonly rows: readonly SftRow[];
}

export interface SftUpdate {
  /** Summed cross-entropy of the counted tokens (nats). */
  readonly loss: number;
  readonly numTokens: number;
  /** Counted tokens that are the likeliest ones. */
  readonly numRight: number;
}

export interface SftUpdateOptions {
  readonly gradient_checkpointing: boolean;
  /** Of the logits alone. @default what suits the device */
  readonly logits_chunk_mib?: number | undefined;
}

/**
 * Adds the gradient of (summed cross-entropy) x `scale` to `.grad` of the trainable parameters.
 *
 * @param scale 1 over the counted tokens of the whole batch, so that every token of it counts the same
 * @param numParts so many parts of the rows one after another: less memory, more time, the same up to rounding
 */
export function accumulateSftGradient(
  model: VideoLanguageModel,
  group: SftGroup,
  scale: number,
  options: SftUpdateOptions,
  numParts = 1,
): SftUpdate {
  if (numParts > 1) return accumulateInParts(model, group, scale, options, numParts);
  return scope('accumulateSftGradient', () => {
    const prompt: EncodedPrompt = model.encodePrompt(group.inputs);
    const completions = group.rows.map(({ ids }) => ids);
    const { gradient_checkpointing } = options;
    const forward = model.completionHidden(prompt, completions, { gradient_checkpointing });
    const leaf = forward.hidden_GCD.detach().requires_grad_(true);
    const update = crossEntropy(model, leaf, group, options, (summed) => summed.mul(scale).backward());
    forward.backward(leaf.grad!);
    return update;
  });
}

function accumulateInParts(
  model: VideoLanguageModel,
  { inputs, rows }: SftGroup,
  scale: number,
  { logits_chunk_mib }: SftUpdateOptions,
  numParts: number,
): SftUpdate {
  const size = Math.ceil(rows.length / numParts);
  const smaller = {
    gradient_checkpointing: true,
    logits_chunk_mib: chunkMib(logits_chunk_mib, model.device) / numParts,
  };
  const updates: SftUpdate[] = [];
  for (let start = 0; start < rows.length; start += size)
    updates.push(
      accumulateSftGradient(model, { inputs, rows: rows.slice(start, start + size) }, scale, smaller),
    );
  const total = (key: keyof SftUpdate) => updates.reduce((sum, one) => sum + one[key], 0);
  return { loss: total('loss'), numTokens: total('numTokens'), numRight: total('numRight') };
}

const chunkMib = (mib: number | undefined, device: Device): number =>
  mib ?? LOGITS_CHUNK_MIB[device === 'cpu' ? 'cpu' : 'device'];

/** The loss of a group without its gradient. */
export function sftLoss(
  model: VideoLanguageModel,
  group: SftGroup,
  options: Pick<SftUpdateOptions, 'logits_chunk_mib'>,
): SftUpdate {
  return scope('sftLoss', () =>
    noGrad(() => {
      const prompt = model.encodePrompt(group.inputs);
      const { hidden_GCD } = model.completionHidden(
        prompt,
        group.rows.map(({ ids }) => ids),
      );
      return crossEntropy(model, hidden_GCD, group, options);
    }),
  );
}

/**
 * Summed cross-entropy over the counted tokens, a chunk of logits at a time.
 * @param onChunk is given the summed loss (a scalar) of each chunk while its graph lives
 */
function crossEntropy(
  model: VideoLanguageModel,
  hidden_GCD: Tensor,
  { rows }: SftGroup,
  { logits_chunk_mib }: Pick<SftUpdateOptions, 'logits_chunk_mib'>,
  onChunk?: (summed: Tensor) => void,
): SftUpdate {
  const longest = hidden_GCD.shape[1]!;
  const places = rows.flatMap(({ ids, lossFrom }, g) =>
    Array.from({ length: ids.length - lossFrom }, (_, i) => g * longest + lossFrom + i),
  );
  const targets = rows.flatMap(({ ids, lossFrom }) => ids.slice(lossFrom));
  const chunk_mib = chunkMib(logits_chunk_mib, model.device);
  const rowsAtOnce = Math.max(1, Math.floor((chunk_mib * 2 ** 20) / (4 * model.lmHead().shape[0]!)));
  let loss = 0;
  let numRight = 0;
  for (let from = 0; from < targets.length; from += rowsAtOnce) {
    scope(() => {
      const chunk = <T>(all: readonly T[]) => all.slice(from, from + rowsAtOnce);
      const hidden_MD = hidden_GCD.flatten(0, 1).index_select(0, indexTensor(chunk(places), model.device));
      const target_M = indexTensor(chunk(targets), model.device);
      const logits_MV = model.logits(hidden_MD);
      const summed = cross_entropy_loss(logits_MV, target_M, undefined, SUM);
      loss += summed.item() as number;
      numRight += logits_MV.detach().argmax(-1).eq(target_M).sum().item() as number;
      onChunk?.(summed);
    });
  }
  return { loss, numTokens: targets.length, numRight };
}
