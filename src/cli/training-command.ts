/** What `train` and `sft` share: options, signals, log, bars, and the lines at the end. */
import { join } from 'node:path';
import {
  createLogger,
  createProgress,
  EXIT_CODES,
  type Logger,
  type Output,
  type Progress,
  sizeText,
} from '../base/index.ts';
import { readRankEnvironment } from '../dist/index.ts';
import {
  createTrainProgress,
  type Facts,
  type RunCheck,
  type RunProgress,
  type RunResult,
  type RunStart,
  type TrainProgress,
} from '../train/index.ts';
import type { CommandDefinition } from './command.ts';
import { type LaunchChoice, launchCommand, launchOptions } from './launch-options.ts';
import { printPlans } from './locate.ts';
import { locateRun, planRun } from './locate-run.ts';
import { printResolved, type RunOptions, readRunOptions, runOptions } from './run-options.ts';
import { stopSignals } from './stop-signals.ts';

/** Measuring prompts is shown when it takes longer than this. */
const SHOW_AFTER_MS = 2000;

/** What a run is given by the command. */
export interface RunCallbacks<Resolved, Report> {
  readonly resolved: Resolved;
  /** What the run's folder records in place of `resolved`. */
  readonly recorded: Resolved;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly resume: string | undefined;
  readonly onCheck: (done: number, total: number) => void;
  readonly onStart: (start: RunStart) => void;
  readonly onStep: (report: Report) => void;
}

export interface TrainingCommand<Resolved, Report, Result> {
  readonly examples: readonly string[];
  /** Before the bar. */
  readonly label: string;
  readonly resolve: (layers: ReturnType<typeof readRunOptions>['layers']) => Resolved;
  /** Everything that the run does before it loads weights. */
  readonly check: (
    options: Pick<RunCallbacks<Resolved, Report>, 'resolved' | 'logger' | 'resume'>,
  ) => Promise<RunCheck>;
  readonly run: (callbacks: RunCallbacks<Resolved, Report>, out: Output) => Promise<Result>;
  readonly facts: (report: Report) => Facts;
  /** Further lines at the end. */
  readonly lines?: (result: Result) => readonly string[];
}

interface ResolvedRun {
  readonly config: { readonly output_dir: string };
  readonly sources: Readonly<Record<string, string>>;
  readonly notices: readonly string[];
}

export function trainingCommand<
  Resolved extends ResolvedRun,
  Report extends RunProgress,
  Result extends RunResult,
>(command: TrainingCommand<Resolved, Report, Result>): CommandDefinition {
  return {
    examples: command.examples,
    configure: (parser) => void launchOptions(runOptions(parser)),
    run: async ({ options, out }) => {
      const given = options<RunOptions & LaunchChoice>();
      const { layers, resume } = readRunOptions(given);
      const resolved = command.resolve(layers);
      for (const notice of resolved.notices) out.warn(notice);
      if (given.dryRun) {
        const downloads = await planRun(resolved, resume, out);
        if (downloads.length > 0) {
          printResolved(out, resolved);
          printPlans(downloads, out);
          out.json({ ...resolved, downloads });
          return EXIT_CODES.done;
        }
        const found = (await locateRun(resolved, resume, out)).resolved;
        const logger = createLogger({ quiet: out.isQuiet, fd: 2, color: out.hasColor });
        const check = await command.check({ resolved: found, logger, resume });
        printResolved(out, resolved);
        out.print();
        out.print(checkText(check, resolved.config.output_dir));
        out.json({ ...resolved, check });
        return EXIT_CODES.done;
      }
      const nproc = given.nproc ?? 1;
      if (nproc > 1) return await launchCommand({ ...given, nproc }, out);
      const rank = readRankEnvironment()?.rank ?? 0;
      const located = await locateRun(resolved, resume, out);
      const { output_dir } = resolved.config;
      const logger = createLogger({
        quiet: out.isQuiet,
        fd: 2,
        color: out.hasColor,
        file: join(output_dir, 'logs', `rank-${rank}.jsonl`),
        rank,
      });
      const began = performance.now();
      const stop = stopSignals(out);
      let checking: Progress | undefined;
      let progress: TrainProgress | undefined;
      try {
        const result = await command.run(
          {
            ...located,
            logger,
            signal: stop.signal,
            resume,
            onCheck: (done, total) => {
              if (performance.now() - began < SHOW_AFTER_MS) return;
              checking ??= createProgress({ total, label: 'measuring prompts', quiet: out.isQuiet });
              checking.update(done);
            },
            onStart: (start) => {
              checking?.stop();
              out.status(`${startText(start)}; output in ${output_dir}`);
              progress = createTrainProgress(start, { label: command.label, quiet: out.isQuiet });
            },
            onStep: (report) => progress?.update(report, command.facts(report)),
          },
          out,
        );
        progress?.stop();
        const ofAll = result.max_steps === undefined ? '' : ` of ${result.max_steps}`;
        out.print(`${result.stopped ? 'stopped after' : 'done:'} ${result.step}${ofAll} steps`);
        if (result.skipped_videos > 0)
          out.print(`skipped  ${result.skipped_videos} items whose video can not be read`);
        if (result.checkpoint !== undefined) out.print(`model    ${result.checkpoint}`);
        out.print(`metrics  ${result.output_dir}/metrics.jsonl`);
        for (const line of command.lines?.(result) ?? []) out.print(line);
        out.json(result);
        return stop.exitCode(result.stopped_by);
      } finally {
        checking?.stop();
        progress?.stop();
        stop.off();
      }
    },
  };
}

/** `checked: 24 questions, 300 steps, a model of 3 M weights; ...` */
function checkText(check: RunCheck, output_dir: string): string {
  const { num_items, num_packs, max_steps, num_weights, checkpoint_bytes, free_bytes, checkpoint } = check;
  return [
    `checked: ${num_items} questions${num_packs === undefined ? '' : ` in ${num_packs} packs`}`,
    ...(max_steps === undefined ? [] : [`${max_steps} steps`]),
    `a model of ${num_weights} weights that fit its config.json`,
    ...(checkpoint_bytes === 0 ? [] : [`a checkpoint takes at least ${sizeText(checkpoint_bytes)}`]),
    `${sizeText(free_bytes)} free for ${output_dir}`,
    ...(checkpoint === undefined ? [] : [`goes on from ${checkpoint}`]),
  ].join(', ');
}

/** `24 questions in 12 packs, 300 steps or 8 minutes, resuming after step 7` */
function startText({ step, maxSteps, maxS, numItems, numPacks }: RunStart): string {
  const limits = [
    ...(maxSteps === undefined ? [] : [`${maxSteps} steps`]),
    ...(maxS === undefined ? [] : [`${maxS / 60} minutes`]),
  ];
  return [
    `${numItems} questions${numPacks === undefined ? '' : ` in ${numPacks} packs`}`,
    limits.join(' or '),
    ...(step > 0 ? [`resuming after step ${step}`] : []),
  ].join(', ');
}
