/**
 * `twgrpo demo`: TW-GRPO at work on a laptop, offline. Draws clips, asks the small model that comes with the project about
 * some it has never seen, trains it for some minutes while you watch, asks again, and writes it all down in report.html.
 */
import { Option } from 'commander';
import {
  chooseFolder,
  chooseModel,
  DEFAULT_FOLDER,
  DEMO_MODES,
  type DemoModeName,
  type DemoRequest,
  here,
  printDemo,
  runDemo,
} from '../demo/index.ts';
import type { CommandDefinition } from './command.ts';
import { positiveNumber, wholeNumber } from './numbers.ts';
import { stopSignals } from './stop-signals.ts';

interface DemoOptions {
  readonly outputDir?: string;
  readonly model?: string;
  readonly seed: number;
  readonly quick?: boolean;
  readonly full?: boolean;
  readonly replace?: boolean;
  readonly minutes?: number;
  readonly questions?: number;
}

export const demo: CommandDefinition = {
  examples: [
    'twgrpo demo',
    'twgrpo demo --quick',
    'twgrpo demo --seed 2 --minutes 4 --output-dir runs/second-demo',
    'twgrpo demo --full --model runs/demo/run/checkpoint-400',
  ],
  configure: (command) =>
    void command
      .option(
        '--output-dir <folder>',
        `where everything is written (default: ${DEFAULT_FOLDER}, or the next free ${DEFAULT_FOLDER}-2, …)`,
      )
      .option('--model <folder>', 'the model to start from (default: assets/cold-start)')
      .option('--seed <number>', 'of the clips and the sampling', wholeNumber(0), 1)
      .addOption(new Option('--quick', 'two minutes in all, 150 held-out questions').conflicts('full'))
      .option('--full', 'twenty minutes of training, 1000 held-out questions')
      .option('--minutes <number>', 'wall time of training at most', positiveNumber)
      .option('--questions <number>', 'held-out questions, one a clip', wholeNumber(1))
      .option('--replace', 'remove an earlier demo in that folder first'),
  run: async ({ options, out }) => {
    const request = requestOf(options<DemoOptions>());
    const stop = stopSignals(out);
    try {
      const result = await runDemo({ ...request, signal: stop.signal, out });
      if (result === undefined) {
        out.print(`stopped; what there is so far lies in ${here(request.folder)}`);
        out.json({ stopped: true, output_dir: request.folder });
      } else {
        printDemo(result, out);
        out.json(result.record);
      }
      return stop.exitCode();
    } finally {
      stop.off();
    }
  },
};

function requestOf(given: DemoOptions): Omit<DemoRequest, 'signal' | 'out'> {
  const modeName: DemoModeName = given.quick ? 'quick' : given.full ? 'full' : 'normal';
  const { seed, minutes, questions } = given;
  return {
    modeName,
    mode: {
      ...DEMO_MODES[modeName],
      ...(minutes === undefined ? {} : { minutes }),
      ...(questions === undefined ? {} : { questions }),
    },
    model: chooseModel(given.model),
    folder: chooseFolder(given.outputDir, given.replace === true),
    seed,
  };
}
