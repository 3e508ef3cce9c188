/** `twgrpo sft`: supervised training from a configuration. */
import { type Output, percent } from '../base/index.ts';
import {
  checkSft,
  type HeldOutResult,
  resolveSftConfig,
  runSft,
  type StepReport,
  sftFacts,
} from '../train/index.ts';
import { type RunCallbacks, trainingCommand } from './training-command.ts';

/** `held-out after step 100: strict 41.5 % of 200 (presence 80 %, region 33 %), tokens 93.1 %, loss 0.21` */
function evaluationLine(step: number, { strict, slices, ...result }: HeldOutResult): string {
  const kinds = Object.entries(slices['kind'] ?? {}).map(
    ([kind, { n, right }]) => `${kind} ${percent(right / n)}`,
  );
  const detail = kinds.length === 0 ? '' : ` (${kinds.join(', ')})`;
  return `held-out after step ${step}: strict ${percent(strict)} of ${result.num_questions}${detail}, tokens ${percent(result.mean_token_accuracy)}, loss ${result.loss.toFixed(3)}`;
}

export const sft = trainingCommand({
  examples: [
    'twgrpo sft --config recipes/sft-cot.yaml --set model_name_or_path=models/Qwen2.5-VL-7B-Instruct',
    'twgrpo sft --config recipes/sft-cot.yaml --set max_minutes=60',
    'twgrpo sft --config recipes/sft-cot.yaml --dry-run',
    'twgrpo sft --resume runs/cold-start',
  ],
  label: 'sft',
  resolve: resolveSftConfig,
  check: checkSft,
  run: async (callbacks: RunCallbacks<Parameters<typeof runSft>[0]['resolved'], StepReport>, out: Output) =>
    await runSft({
      ...callbacks,
      onEvaluation: (step, _stage, evaluation) => out.status(evaluationLine(step, evaluation)),
    }),
  facts: sftFacts,
  lines: ({ eval_strict, output_dir }) =>
    eval_strict === undefined
      ? []
      : [`held out ${(100 * eval_strict).toFixed(1)} % strict, answers in ${output_dir}/eval`],
});
