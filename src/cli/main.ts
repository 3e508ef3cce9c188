/**
 * The program itself: what `./twgrpo` starts.
 */
import { isEndedRun, reportEnd, reportStart } from '../base/index.ts';
import { runCli } from './program.ts';

// A reader that went away (`twgrpo … | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

// Not process.exit: what is still being written to a pipe must arrive.
if (!isEndedRun()) {
  reportStart();
  process.exitCode = reportEnd(await runCli(process.argv.slice(2)));
}
