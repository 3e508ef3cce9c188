/**
 * One supervised step: the gradient of all packs of a batch, every target token counting the same, then the update.
 * Packs go through the model one after another, so memory is that of the largest pack whatever the batch. Several ranks share the packs
 * of a batch.
 */
import { setImmediate } from 'node:timers/promises';
import { SINGLE_PROCESS } from '../../dist/index.ts';
import type { HeldMedia, Placed } from '../../prompt/index.ts';
import { last, type MetricAccumulator } from '../../run/index.ts';
import { liveTensors, scope } from '../../tensor/index.ts';
import type { SftConfig } from '../config/sft-config.ts';
import type { StepOutcome, Trainer, TrainerParts } from '../loop/run-loop.ts';
import { scheduledAt } from '../optim/schedule.ts';
import type { Gradients } from '../shard/gradients.ts';
import type { Curriculum } from './curriculum.ts';
import type { SftEncoder, SftPack } from './sft-packs.ts';
import { accumulateSftGradient } from './sft-update.ts';

/** A pack with its frames. */
export interface ReadyPack {
  readonly pack: SftPack;
  readonly frames: HeldMedia;
  dispose(): void;
}

/** Gives packs in the order of training. */
export interface PackSource {
  /** The next `count` packs: those of this rank, with their places among all. The caller disposes them. */
  next(count: number): Promise<readonly Placed<ReadyPack>[]>;
  /** Begins to load the `count` packs after those, without waiting. */
  prefetch(count: number): void;
}

export interface SftTrainerParts extends TrainerParts {
  readonly config: SftConfig;
  readonly encoder: SftEncoder;
  readonly curriculum: Curriculum;
  /** Packs of the present stage. */
  readonly packs: () => PackSource;
  /** Questions learned from before this process. */
  readonly numQuestions: number;
}

export class SftTrainer implements Trainer<object> {
  /** Questions learned from so far. */
  numQuestions: number;
  readonly #parts: SftTrainerParts;

  constructor(parts: SftTrainerParts) {
    this.#parts = parts;
    this.numQuestions = parts.numQuestions;
  }

  /** One update on a batch of packs. */
  async trainStep(step: number, metrics: MetricAccumulator): Promise<StepOutcome<object>> {
    const { config, curriculum, packs, length } = this.#parts;
    const perStep = config.packs_per_micro_batch * config.gradient_accumulation_steps;
    const placed = await packs().next(perStep);
    const batch = placed.map(({ ready }) => ready);
    packs().prefetch(perStep);
    try {
      const factor = scheduledAt(1, length.position(step), config);
      const top = curriculum.rates(config);
      const rates = {
        learning_rate: factor * top.learning_rate,
        muon_learning_rate: factor * top.muon_learning_rate,
      };
      const tokens = await this.#learn(batch, step, rates, metrics);
      curriculum.countStep();
      metrics.add('learning_rate', last(rates.learning_rate));
      if (config.optimizer === 'muon') metrics.add('muon_learning_rate', last(rates.muon_learning_rate));
      metrics.add('live_tensors', last(liveTensors()));
      metrics.add('stage', last(curriculum.state().stage));
      return { counts: { tokens, videos: perStep }, details: {} };
    } finally {
      for (const one of batch) one.dispose();
    }
  }

  /** @returns tokens that went through the model on all ranks, vision and padding aside: prompts' text and targets */
  async #learn(
    batch: readonly ReadyPack[],
    step: number,
    rates: ReturnType<Curriculum['rates']>,
    metrics: MetricAccumulator,
  ): Promise<number> {
    const { config, model, encoder, updater, clock, processes = SINGLE_PROCESS } = this.#parts;
    clock.enter('encode');
    const rows = batch.map(({ pack }) => encoder.rows(pack));
    const all = rows.flat();
    const counts = await processes.gather(
      {
        packs: batch.length,
        questions: all.length,
        tokens: all.reduce((total, { ids }) => total + ids.length, 0),
        counted: all.reduce((total, { ids, lossFrom }) => total + ids.length - lossFrom, 0),
      },
      'the counts of a batch',
    );
    const total = (key: 'questions' | 'tokens' | 'counted') => counts.reduce((sum, one) => sum + one[key], 0);
    const counted = total('counted');
    const numRounds = Math.max(...counts.map(({ packs }) => packs));
    let [loss, numRight] = [0, 0];
    const accumulate = async (gradients: Pick<Gradients, 'round'>, numParts: number): Promise<number> => {
      [loss, numRight] = [0, 0];
      clock.enter('gradient');
      for (let i = 0; i < numRounds; i++) {
        // Lets the decoders of the next batch hand over what they have.
        await setImmediate();
        const one = batch[i];
        await gradients.round(i === numRounds - 1, () => {
          if (one === undefined) return;
          scope('pack', () => {
            const group = encoder.group(one.pack, rows[i]!, one.frames.frames);
            const update = accumulateSftGradient(model, group, 1 / counted, config, numParts);
            loss += update.loss;
            numRight += update.numRight;
          });
        });
      }
      return loss;
    };
    await updater.update(accumulate, { step: step + 1, rates, metrics });
    updater.endStep();
    this.numQuestions += total('questions');
    const parts = await processes.gather({ loss, numRight }, 'the loss of a step');
    metrics.add('loss', last(parts.reduce((sum, part) => sum + part.loss, 0) / counted));
    metrics.add('mean_token_accuracy', last(parts.reduce((sum, part) => sum + part.numRight, 0) / counted));
    metrics.add('target_tokens', last(counted));
    metrics.add('num_questions', last(this.numQuestions));
    return total('tokens');
  }
}
