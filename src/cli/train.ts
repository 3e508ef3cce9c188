/** `twgrpo train`: a GRPO or TW-GRPO run from a configuration. */
import { join } from 'node:path';
import { createLogger, createProgress, EXIT_CODES, type Progress } from '../base/index.ts';
import { resolveGrpoConfig, runGrpo } from '../train/index.ts';
import type { CommandDefinition } from './command.ts';
import { printResolved, type RunOptions, readRunOptions, runOptions } from './run-options.ts';
import { stopSignals } from './stop-signals.ts';
import { createTrainProgress, type TrainProgress } from './train-progress.ts';

/** Measuring prompts is shown when it takes longer than this. */
const SHOW_AFTER_MS = 2000;

/** `300 steps`, `8 minutes`, `300 steps or 8 minutes` */
function lengthText(maxSteps: number | undefined, max_minutes: number | undefined): string {
  return [
    ...(maxSteps === undefined ? [] : [`${maxSteps} steps`]),
    ...(max_minutes === undefined ? [] : [`${max_minutes} minutes`]),
  ].join(' or ');
}

export const train: CommandDefinition = {
  examples: [
    'twgrpo train --config recipes/tw-grpo.yaml --set model_name_or_path=models/Qwen2.5-VL-7B-Instruct',
    'twgrpo train --config recipes/tw-grpo.yaml --set loss_type=grpo --dry-run',
    'twgrpo train --config recipes/tw-grpo.yaml --resume auto',
    'twgrpo train --resume runs/tw-grpo',
  ],
  configure: (command) => void runOptions(command),
  run: async ({ options, out }) => {
    const given = options<RunOptions>();
    const { layers, resume } = readRunOptions(given);
    const resolved = resolveGrpoConfig(layers);
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
    const { max_minutes } = resolved.config;
    let checking: Progress | undefined;
    let progress: TrainProgress | undefined;
    try {
      const result = await runGrpo({
        resolved,
        logger,
        signal: stop.signal,
        resume,
        onCheck: (done, total) => {
          if (performance.now() - began < SHOW_AFTER_MS) return;
          checking ??= createProgress({ total, label: 'measuring prompts', quiet: out.isQuiet });
          checking.update(done);
        },
        onStart: ({ step, maxSteps, usedS, numItems }) => {
          checking?.stop();
          out.status(
            `${numItems} questions, ${lengthText(maxSteps, max_minutes)}${step > 0 ? `, resuming after step ${step}` : ''}; output in ${resolved.config.output_dir}`,
          );
          progress = createTrainProgress({ maxSteps, max_minutes, step, usedS, quiet: out.isQuiet });
        },
        onStep: (report) => progress?.update(report),
      });
      progress?.stop();
      const ofAll = result.max_steps === undefined ? '' : ` of ${result.max_steps}`;
      out.print(`${result.stopped ? 'stopped after' : 'done:'} ${result.step}${ofAll} steps`);
      if (result.checkpoint !== undefined) out.print(`model    ${result.checkpoint}`);
      out.print(`metrics  ${result.output_dir}/metrics.jsonl`);
      out.json(result);
      return stop.exitCode();
    } finally {
      checking?.stop();
      progress?.stop();
      stop.off();
    }
  },
};
