/** What decides over a model's answers, as it stands in the settings of a run: a run that goes on must have the same. */
import type { AnswerParser } from '../answers/index.ts';
import type { JsonObject } from '../base/index.ts';
import type { TextAfterVision } from '../models/index.ts';
import type { SamplingOptions } from '../rollout/index.ts';
import { type FolderLimits, type VideoKeys, videoSettings } from '../video/index.ts';
import { modelFingerprint } from './model-fingerprint.ts';

export interface AnswerKeys {
  /** Folders. */
  readonly model: string;
  readonly adapter?: string | undefined;
  readonly data_fingerprint: string;
  readonly dtype: string;
  /** What "default" means depends on the device: the loaded model's, once there is one. */
  readonly compute_dtype?: string | undefined;
  readonly prompt_template: string;
  readonly question_type: string;
  readonly sampling: SamplingOptions;
  readonly seed: number;
  readonly max_completion_length: number;
  readonly answer_parser: AnswerParser;
  readonly video: VideoKeys;
  /** Of the model's config. */
  readonly pixel_unit: number;
  /** Of the model's processor. */
  readonly limits: FolderLimits | undefined;
  readonly clip: boolean;
  readonly text_after_vision?: TextAfterVision | undefined;
}

/** @throws CheckpointError when a folder cannot be read */
export function answerSettings(keys: AnswerKeys): JsonObject {
  const { model, adapter, sampling, video, pixel_unit, limits } = keys;
  // The unit is the model's own, which has a fingerprint.
  const { pixel_unit: _, ...frames } = videoSettings(video, pixel_unit, limits);
  return {
    data_fingerprint: keys.data_fingerprint,
    model_fingerprint: modelFingerprint(model),
    adapter_fingerprint: adapter === undefined ? null : modelFingerprint(adapter),
    dtype: keys.dtype,
    compute_dtype: keys.compute_dtype ?? 'default',
    prompt_template: keys.prompt_template,
    question_type: keys.question_type,
    sampling,
    seed: sampling.greedy === true ? null : keys.seed,
    max_completion_length: keys.max_completion_length,
    answer_parser: keys.answer_parser,
    video: { preset: video.video, ...frames },
    clip: keys.clip,
    text_after_vision: keys.text_after_vision ?? 'largest',
  };
}
