export type { ModelConfig } from './qwen2-5-vl/config.ts';
export { type ModelOptions, type PromptInputs, Qwen2_5VL } from './qwen2-5-vl/model.ts';
export type { Grid, MropePositions, TextAfterVision, VisionGrids } from './qwen2-5-vl/positions.ts';
