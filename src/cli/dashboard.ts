/** `twgrpo dashboard`: the page over runs and evaluations, served to this machine until it is stopped. */
import { DEFAULT_PORT, startDashboard, Workspace } from '../dashboard/index.ts';
import type { CommandDefinition } from './command.ts';
import { wholeNumber } from './numbers.ts';
import { stopSignals } from './stop-signals.ts';
import { movedClipsOption, type RootChoice } from './video-options.ts';

interface Options extends Pick<RootChoice, 'videoRoot'> {
  readonly host?: string;
  readonly port: number;
}

export const dashboard: CommandDefinition = {
  examples: [
    'twgrpo dashboard runs/tw-grpo',
    'twgrpo dashboard runs/tw-grpo runs/grpo',
    'twgrpo dashboard runs --port 0',
  ],
  configure: (command) =>
    void movedClipsOption(command)
      .argument('[folders...]', 'runs, evaluations, or folders with some in them', ['runs'])
      .option('--port <n>', 'port to listen on; 0: any that is free', wholeNumber(0), DEFAULT_PORT)
      .option(
        '--host <address>',
        'listen on another address than 127.0.0.1: whoever has the printed address, with its token, sees your runs',
      ),
  run: async ({ args, options, out }) => {
    const { host, port, videoRoot } = options<Options>();
    const workspace = new Workspace(args.length === 0 ? ['runs'] : args, { video_root: videoRoot });
    const { runs, evaluations } = workspace.listing();
    const page = await startDashboard({ workspace, port, ...(host === undefined ? {} : { host }) });
    const stop = stopSignals(out, 'request');
    out.print(page.url);
    out.json({ url: page.url, port: page.port, runs: runs.length, evaluations: evaluations.length });
    out.status(
      `${runs.length} ${runs.length === 1 ? 'run' : 'runs'}, ${evaluations.length} ${evaluations.length === 1 ? 'evaluation' : 'evaluations'}; open the address above, stop with Ctrl-C`,
    );
    await new Promise<void>((resolve) => {
      stop.signal.addEventListener('abort', () => resolve());
    });
    await page.close();
    stop.off();
    return stop.exitCode();
  },
};
