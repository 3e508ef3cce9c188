/** `twgrpo sft`: supervised training from a configuration. */
import { join } from 'node:path';
import { createLogger, createProgress, EXIT_CODES, percent } from '../base/index.ts';
import {
  type HeldOutResult,
  resolveSftConfig,
  runSft,
  type SftProgress,
  type SftStepReport,
} from '../train/index.ts';
import type { CommandDefinition } from './command.ts';
import { printResolved, type RunOptions, readRunOptions, runOptions } from './run-options.ts';
import { stopSignals } from './stop-signals.ts';

/** Measuring prompts is shown when it takes longer than this. */
const SHOW_AFTER_MS = 2000;

/** The numbers of a step that people watch. */
function stepFacts({ metrics }: SftStepReport): Record<string, number | string> {
  return {
    loss: Number(metrics['loss']),
    'token acc': `${(100 * Number(metrics['mean_token_accuracy'])).toFixed(1)} %`,
    'videos/s': Number(metrics['videos_per_second']),
    stage: Number(metrics['stage']) + 1,
  };
}

/** A bar counts what ends the run: steps, or seconds where time alone does. */
function barOf({ step, maxSteps, usedS, maxS }: SftProgress): {
  readonly done: number;
  readonly total: number;
} {
  if (maxS === undefined) return { done: step, total: maxSteps! };
  const isByTime = maxSteps === undefined || usedS / maxS >= step / maxSteps;
  return isByTime
    ? { done: Math.min(Math.round(usedS), maxS), total: Math.round(maxS) }
    : { done: Math.round((step / maxSteps) * maxS), total: Math.round(maxS) };
}

/** `held-out after step 100: strict 41.5 % of 200 (presence 80 %, region 33 %), tokens 93.1 %, loss 0.21` */
function evaluationLine(step: number, { strict, slices, ...result }: HeldOutResult): string {
  const kinds = Object.entries(slices['kind'] ?? {}).map(
    ([kind, { n, right }]) => `${kind} ${percent(right / n)}`,
  );
  const detail = kinds.length === 0 ? '' : ` (${kinds.join(', ')})`;
  return `held-out after step ${step}: strict ${percent(strict)} of ${result.num_questions}${detail}, tokens ${percent(result.mean_token_accuracy)}, loss ${result.loss.toFixed(3)}`;
}

export const sft: CommandDefinition = {
  examples: [
    'twgrpo sft --config recipes/sft-cot.yaml --set model_name_or_path=models/Qwen2.5-VL-7B-Instruct',
    'twgrpo sft --config recipes/sft-cot.yaml --set max_minutes=60',
    'twgrpo sft --config recipes/sft-cot.yaml --dry-run',
    'twgrpo sft --resume runs/cold-start',
  ],
  configure: (command) => void runOptions(command),
  run: async ({ options, out }) => {
    const given = options<RunOptions>();
    const { layers, resume } = readRunOptions(given);
    const resolved = resolveSftConfig(layers);
    for (const notice of resolved.notices) out.warn(notice);
    if (given.dryRun) {
      printResolved(out, resolved);
      return EXIT_CODES.done;
    }
    const logger = createLogger({
      quiet: out.isQuiet,
      fd: 2,
      color: out.hasColor,
      file: join(resolved.config.output_dir, 'logs', 'rank-0.jsonl'),
    });
    const began = performance.now();
    const stop = stopSignals(out);
    let progress: ReturnType<typeof createProgress> | undefined;
    try {
      const result = await runSft({
        resolved,
        logger,
        signal: stop.signal,
        resume,
        onCheck: (done, total) => {
          if (performance.now() - began < SHOW_AFTER_MS) return;
          progress ??= createProgress({ total, label: 'measuring prompts', quiet: out.isQuiet });
          progress.update(done);
        },
        onStart: (start) => {
          progress?.stop();
          const { step, maxSteps, maxS, numItems, numPacks } = start;
          const limits = [
            ...(maxSteps === undefined ? [] : [`${maxSteps} steps`]),
            ...(maxS === undefined ? [] : [`${maxS / 60} minutes`]),
          ];
          out.status(
            `${numItems} questions in ${numPacks} packs, ${limits.join(' or ')}${step > 0 ? `, resuming after step ${step}` : ''}; output in ${resolved.config.output_dir}`,
          );
          const { done, total } = barOf(start);
          const label = maxS === undefined ? 'sft' : 'sft (seconds)';
          progress = createProgress({ total, label, start: done, quiet: out.isQuiet });
        },
        onStep: (report) => progress?.update(barOf(report).done, { step: report.step, ...stepFacts(report) }),
        onEvaluation: (step, _stage, evaluation) => out.status(evaluationLine(step, evaluation)),
      });
      progress?.stop();
      out.print(`${result.stopped ? 'stopped after' : 'done:'} ${result.step} steps`);
      out.print(`model    ${result.checkpoint}`);
      out.print(`metrics  ${result.output_dir}/metrics.jsonl`);
      if (result.eval_strict !== undefined)
        out.print(
          `held out ${(100 * result.eval_strict).toFixed(1)} % strict, answers in ${result.output_dir}/eval`,
        );
      out.json(result);
      return stop.exitCode();
    } finally {
      progress?.stop();
      stop.off();
    }
  },
};
