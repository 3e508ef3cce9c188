/**
 * Generation from prompts that were computed once: a session holds the rows that continue them and gives the logits of each
 * row's next token.
 *
 * Several decoders can run one, with equal numbers up to rounding. The first that knows every weight and every key of the configuration
 * is taken (never one that merely finds nothing strange), the fastest first: `flash` on a GPU, `packed` on the processor; `plain` knows
 * them all.
 *
 * Shapes: R rows still running, V vocabulary, D hidden.
 */
import { cat, dispose, keep, noGrad, scope, type Tensor } from '../../tensor/index.ts';
import type { ModelConfig } from '../config.ts';
import { embed, indexTensor, type ModelParams } from '../layers.ts';
import type { EncodedPrompt } from '../model.ts';
import { flashDecoder } from './flash-decoder.ts';
import { FlashSession } from './flash-session.ts';
import { GroupCache } from './kv-cache.ts';
import { packDecoder, packedDecode } from './packed-decoder.ts';
import { type Prefill, prefill } from './prefill.ts';
import { type Rotary, textRotary } from './rope.ts';
import { decoderLayers, finalNorm, headLogits } from './text.ts';

export interface DecodeSession {
  /** Float32 (R, V): logits of the next token of every running row. They live until the next `step`, `keep` or `dispose`. */
  readonly logits: Tensor;
  /** Append one token to every running row. @param ids_R int64, on the model's device */
  step(ids_R: Tensor): void;
  /**
   * Let rows leave.
   * @param rows those that stay: indices among the running ones, ascending
   */
  keep(rows: readonly number[]): void;
  /** Free logits and caches. Safe to repeat. */
  dispose(): void;
}

/** The model and the prompts that a session starts from. */
export interface SessionStart {
  readonly params: ModelParams;
  readonly config: ModelConfig;
  readonly device: string;
  readonly prompts: readonly EncodedPrompt[];
  /** Number of rows that continue each prompt. */
  readonly rows: number;
}

/** One implementation of a decoding step; its tensors belong to the scope it was made in. */
interface Decoder {
  /** Embeddings (R, D) of the newest token of each row to logits (R, V); stores keys and values in the cache. */
  decode(x_RD: Tensor, rotary: Rotary, cache: GroupCache): Tensor;
  /** Tensors of its own, freed with the session. */
  readonly held?: unknown;
}

/** Makes a decoder for a model; undefined where it does not know the model. */
type MakeDecoder = (start: SessionStart, prefills: readonly Prefill[]) => Decoder | undefined;

/** The decoders over a cache that grows, by name, the fastest first. */
export const DECODERS = {
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
} as const satisfies Record<string, MakeDecoder>;

export type DecoderName = 'flash' | keyof typeof DECODERS;

const ALL_DECODERS: readonly DecoderName[] = ['flash', 'packed', 'plain'];

/**
 * Prefill the prompts and open a session of `rows` rows each.
 *
 * @param decoders those to try, in order; only tests name them
 */
export function openSession(
  start: SessionStart,
  decoders: readonly DecoderName[] = ALL_DECODERS,
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
        for (const name of decoders) {
          if (name === 'flash') {
            const flash = flashDecoder(params, config.text_config, device);
            if (flash !== undefined) return { logits, flash, prefills } as const;
            continue;
          }
          const decoder = (DECODERS[name] as MakeDecoder)(start, prefills);
          if (decoder !== undefined)
            return { logits, decoder, layers: prefills.map(({ layers }) => layers) } as const;
        }
        throw new Error(`internal: no decoder (${decoders}) knows this model`);
      }),
    );
    if (opened.flash !== undefined) {
      const session = new FlashSession(start, opened.flash, opened.prefills, opened.logits);
      dispose(opened.prefills);
      return session;
    }
    const cache = new GroupCache(
      opened.layers,
      prompts.map(() => rows),
    );
    return new GrowingSession(start, opened.decoder, cache, opened.logits);
  });
}

/** A session whose caches grow with the rows' length and lose the rows that leave. */
class GrowingSession implements DecodeSession {
  readonly #start: SessionStart;
  readonly #decoder: Decoder;
  readonly #cache: GroupCache;
  /** Text position of each row's next token. */
  #positions: readonly number[];
  #logits: Tensor;

  constructor(start: SessionStart, decoder: Decoder, cache: GroupCache, logits: Tensor) {
    this.#start = start;
    this.#decoder = decoder;
    this.#cache = cache;
    this.#logits = logits;
    this.#positions = start.prompts.flatMap(({ positions }) =>
      Array.from({ length: start.rows }, () => positions.next),
    );
  }

  get logits(): Tensor {
    return this.#logits;
  }

  step(ids_R: Tensor): void {
    const { params, config, device } = this.#start;
    this.#cache.grow();
    const positions = this.#positions;
    this.#replace(() => {
      const x = embed(params, 'model.embed_tokens.weight', ids_R);
      const options = { dtype: params.dtype, device };
      const rotary = textRotary([positions, positions, positions], config.text_config, options);
      return this.#decoder.decode(x, rotary, this.#cache);
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
    dispose(this.#decoder.held);
  }

  #replace(next: (logits: Tensor) => Tensor): void {
    const old = this.#logits;
    this.#logits = keep(scope('decode', () => noGrad(() => next(old))));
    old.dispose();
  }
}
