/** @file The targets of the fuzzer, by name. */
import type { FuzzTarget } from './target.ts';
import { jpeg, mp4, webm } from './targets/media.ts';
import { modelFolder } from './targets/model-folder.ts';
import { parquet, rows } from './targets/rows.ts';
import { runConfig } from './targets/run-config.ts';
import { safetensors } from './targets/safetensors.ts';
import { templates } from './targets/templates.ts';
import { tokenizer } from './targets/tokenizer.ts';

export const TARGETS: readonly FuzzTarget[] = [
  safetensors,
  rows,
  parquet,
  mp4,
  webm,
  jpeg,
  tokenizer,
  templates,
  modelFolder,
  runConfig,
];
