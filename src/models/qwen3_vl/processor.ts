export { readProcessor as readQwen3Processor } from '../qwen2_vl/processor.ts';
