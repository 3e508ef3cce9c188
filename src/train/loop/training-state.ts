/**
 * `training_state/trainer.json` of a checkpoint: what a resumed run needs beside weights and optimizer. One schema for every
 * kind of training; a file without `kind` was written by a GRPO run before there were two.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, checkJson, readJsonFile } from '../../base/index.ts';

const count = z.int().min(0);

/** Numbers that are not finite are null in JSON. */
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);

const metric = z.union([
  z.strictObject({ kind: z.literal('mean'), total: number, weight: z.number() }),
  z.strictObject({ kind: z.enum(['max', 'min', 'last']), value: number }),
]);

const common = {
  format: z.literal(1),
  step: count,
  /** Tokens that went through the model so far. */
  numTokens: count,
  badStepsInARow: count,
  /** Milliseconds of training so far, where `max_minutes` limits them. */
  used_ms: z.number().min(0).optional(),
  /** Position in the data, with a fingerprint of it: resuming on other data is refused. */
  sampler: z.record(z.string(), z.unknown()),
  num_threads: z.int(),
  /** Metrics of the steps since the last row, where `logging_steps` is above 1. */
  window: z.array(z.tuple([z.string(), metric])).optional(),
};

const stateSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('grpo'), ...common }),
  z.strictObject({
    kind: z.literal('sft'),
    ...common,
    /** Questions learned from so far. */
    numQuestions: count,
    /** Stage of the curriculum, from 0, and steps done in it. */
    stage: count,
    stage_steps: count,
    /** Last step whose held-out questions were asked; -1 before the first. */
    evaluated_step: z.int().min(-1),
  }),
]);

export type TrainingState = z.output<typeof stateSchema>;
export type TrainingKind = TrainingState['kind'];
export type StateOf<Kind extends TrainingKind> = Extract<TrainingState, { readonly kind: Kind }>;

/** What a kind of training saves beside what all save. */
export type OwnState<Kind extends TrainingKind> = Omit<StateOf<Kind>, keyof typeof common | 'kind'>;

const COMMANDS: Readonly<Record<TrainingKind, string>> = { grpo: 'train', sft: 'sft' };

/** @throws CheckpointError when the file is missing or damaged, naming file and key, or is another kind's */
export function readTrainingState<Kind extends TrainingKind>(
  checkpointDir: string,
  kind: Kind,
): StateOf<Kind> {
  const file = join(checkpointDir, 'training_state', 'trainer.json');
  const json = readJsonFile(file);
  const state = checkJson(stateSchema, { kind: 'grpo', ...(json as object) }, file, []);
  if (state.kind !== kind)
    throw new CheckpointError(
      `${checkpointDir}: a checkpoint of twgrpo ${COMMANDS[state.kind]}, which twgrpo ${COMMANDS[kind]} can not go on with`,
      { hint: 'start a new run with the checkpoint as model_name_or_path' },
    );
  return state as StateOf<Kind>;
}
