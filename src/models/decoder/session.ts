/**
 * Generation from prompts that were computed once: a session holds the rows that continue them and gives the logits of each
 * row's next token.
 *
 * There are several ways to run one, with equal numbers up to rounding. A way is taken where it knows every weight and every key of the
 * configuration (never where it merely finds nothing strange), the fastest first; `plain` knows them all.
 *
 * Shapes: R rows still running, V vocabulary, D hidden.
 */
import { cat, dispose, keep, noGrad, scope, type Tensor } from '../../tensor/index.ts';
import type { ModelConfig } from '../config.ts';
import { embed, indexTensor, type ModelParams } from '../layers.ts';
import type { EncodedPrompt } from '../model.ts';
import { GroupCache } from './kv-cache.ts';
import { packDecoder, packedDecode } from './packed-decoder.ts';
import { type Prefill, prefill } from './prefill.ts';
import { type Rotary, textRotary } from './rope.ts';
import { decoderLayers, finalNorm, headLogits } from './text.ts';

export interface DecodeSession {
  /** Float32 (R, V): logits of the next token of every running row. They live until the next `step`, `keep` or `dispose`. */
  readonly logits: Tensor;
  /** Append one token to every running row. */
  step(ids: readonly number[]): void;
  /**
   * Let rows leave.
   * @param rows those that stay: indices among the running ones, ascending
   */
  keep(rows: readonly number[]): void;
  /** Free logits and caches. Safe to repeat. */
  dispose(): void;
}

/** What a session starts from. */
export interface SessionStart {
  readonly params: ModelParams;
  readonly config: ModelConfig;
  readonly device: string;
  readonly prompts: readonly EncodedPrompt[];
  /** How many rows continue each prompt. */
  readonly rows: number;
}

/** A way of running a step; its tensors belong to the scope it was made in. */
interface DecodeWay {
  /** Embeddings (R, D) of the newest token of each row to logits (R, V); stores keys and values in the cache. */
  decode(x_RD: Tensor, rotary: Rotary, cache: GroupCache): Tensor;
  /** What it holds. */
  readonly held?: unknown;
}

/** Undefined where it does not know the model. */
type TryWay = (start: SessionStart, prefills: readonly Prefill[]) => DecodeWay | undefined;

/** By name, the fastest first. */
export const DECODE_WAYS = {
  packed: ({ params, config, device }, prefills) => {
    const packed = packDecoder(params, config.text_config, device, prefills);
    if (packed === undefined) return undefined;
    return {
      decode: (x, rotary, { suffix }) => packedDecode(packed, config.text_config, x, rotary, suffix),
      held: packed,
    };
  },
  plain: ({ params, config: { text_config: text } }) => ({
    decode: (x, rotary, cache) => {
      const h = decoderLayers(params, text, x, rotary, (layer) => cache.attendIn(layer));
      return headLogits(params, finalNorm(params, text, h));
    },
  }),
} as const satisfies Record<string, TryWay>;

export type DecodeWayName = keyof typeof DECODE_WAYS;

/**
 * Prefill the prompts and open a session of `rows` rows each.
 *
 * @param ways Only tests name them.
 */
export function openSession(
  start: SessionStart,
  ways: readonly DecodeWayName[] = Object.keys(DECODE_WAYS) as DecodeWayName[],
): DecodeSession {
  return noGrad(() => {
    const { params, config, device, prompts, rows } = start;
    const opened = keep(
      scope('generate: prefill', () => {
        const prefills = prompts.map((prompt) => prefill(params, config, device, prompt));
        const logits = cat(
          prefills.map(({ hidden_1D }) => headLogits(params, hidden_1D).expand([rows, -1])),
          0,
        );
        for (const name of ways) {
          const way = (DECODE_WAYS[name] as TryWay)(start, prefills);
          if (way !== undefined) return { logits, way, layers: prefills.map(({ layers }) => layers) };
        }
        throw new Error(`internal: no way of decoding (${ways}) knows this model`);
      }),
    );
    const cache = new GroupCache(
      opened.layers,
      prompts.map(() => rows),
    );
    return new GrowingSession(start, opened.way, cache, opened.logits);
  });
}

/** Rows that leave are taken out of the caches, which grow with the rows' length. */
class GrowingSession implements DecodeSession {
  readonly #start: SessionStart;
  readonly #way: DecodeWay;
  readonly #cache: GroupCache;
  /** Text position of each row's next token. */
  #positions: readonly number[];
  #logits: Tensor;

  constructor(start: SessionStart, way: DecodeWay, cache: GroupCache, logits: Tensor) {
    this.#start = start;
    this.#way = way;
    this.#cache = cache;
    this.#logits = logits;
    this.#positions = start.prompts.flatMap(({ positions }) =>
      Array.from({ length: start.rows }, () => positions.next),
    );
  }

  get logits(): Tensor {
    return this.#logits;
  }

  step(ids: readonly number[]): void {
    const { params, config, device } = this.#start;
    this.#cache.grow();
    const positions = this.#positions;
    this.#replace(() => {
      const x = embed(params, 'model.embed_tokens.weight', indexTensor(ids, device));
      const options = { dtype: params.dtype, device };
      const rotary = textRotary([positions, positions, positions], config.text_config, options);
      return this.#way.decode(x, rotary, this.#cache);
    });
    this.#positions = positions.map((position) => position + 1);
  }

  keep(rows: readonly number[]): void {
    this.#cache.keepRows(rows);
    this.#positions = rows.map((row) => this.#positions[row]!);
    this.#replace((logits) => logits.index_select(0, indexTensor(rows, logits.device)));
  }

  dispose(): void {
    this.#logits.dispose();
    this.#cache.dispose();
    dispose(this.#way.held);
  }

  #replace(next: (logits: Tensor) => Tensor): void {
    const old = this.#logits;
    this.#logits = keep(scope('decode', () => noGrad(() => next(old))));
    old.dispose();
  }
}
