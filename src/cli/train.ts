/** `twgrpo train`: a GRPO or TW-GRPO run from a configuration. */
import { checkGrpo, grpoFacts, resolveGrpoConfig, runGrpo } from '../train/index.ts';
import { trainingCommand } from './training-command.ts';

export const train = trainingCommand({
  examples: [
    'twgrpo train --config recipes/tw-grpo.yaml --set model_name_or_path=models/Qwen2.5-VL-7B-Instruct',
    'twgrpo train --config recipes/qwen3-vl-4b-lora.yaml --set model_name_or_path=Qwen/Qwen3-VL-4B-Instruct',
    'twgrpo train --config recipes/tw-grpo.yaml --set loss_type=grpo --dry-run',
    'twgrpo train --config recipes/tw-grpo.yaml --resume auto',
    'twgrpo train --resume runs/tw-grpo',
  ],
  label: 'train',
  resolve: resolveGrpoConfig,
  check: checkGrpo,
  run: runGrpo,
  facts: grpoFacts,
});
