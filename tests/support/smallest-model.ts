/** @file The smallest model that has every part: two decoder layers, one window block and one full block. */
import type { TinyCheckpointOptions } from '../../src/models/index.ts';

export const SMALLEST = {
  vocab_size: 300,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  vision: { depth: 2, hidden_size: 32, num_heads: 2 },
} as const satisfies TinyCheckpointOptions;
