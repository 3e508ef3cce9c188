/** `twgrpo report`: runs and evaluations as one HTML file, for people who have neither the folder nor this program. */
import { statSync } from 'node:fs';
import { writeFileAtomic } from '../base/index.ts';
import { reportFile, Workspace } from '../dashboard/index.ts';
import type { CommandDefinition } from './command.ts';
import { lateProgress } from './late-progress.ts';
import { wholeNumber } from './numbers.ts';
import { movedClipsOption, type RootChoice } from './video-options.ts';

interface Options extends Pick<RootChoice, 'videoRoot'> {
  readonly output: string;
  readonly steps: number;
}

export const report: CommandDefinition = {
  examples: [
    'twgrpo report runs/tw-grpo --output tw-grpo.html',
    'twgrpo report runs/tw-grpo runs/grpo --steps 20',
  ],
  configure: (command) =>
    void movedClipsOption(command)
      .argument('<folders...>', 'runs, evaluations, or folders with some in them')
      .option('--output <file>', 'the file to write', 'report.html')
      .option(
        '--steps <n>',
        'steps whose completions stand in it, spread evenly over the run',
        wholeNumber(1),
        8,
      ),
  run: async ({ args, options, out }) => {
    const { output, steps, videoRoot } = options<Options>();
    const workspace = new Workspace(args, { video_root: videoRoot });
    const progress = lateProgress('steps with their clips', out);
    const text = await reportFile(workspace, { steps, onProgress: progress.update }).finally(progress.stop);
    writeFileAtomic(output, text);
    const bytes = statSync(output).size;
    out.print(`${output}  ${(bytes / 2 ** 20).toFixed(1)} MiB`);
    out.json({ output, bytes });
    return undefined;
  },
};
