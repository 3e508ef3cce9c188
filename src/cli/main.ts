/**
 * The program itself: what `./twgrpo` starts.
 */
import { EXIT_CODES, isEndedRun, reportEnd, reportStart } from '../base/index.ts';
import { runCli } from './program.ts';

// A reader that went away (`twgrpo … | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

// Not process.exit: what is still being written to a pipe must arrive.
if (!isEndedRun()) {
  reportStart();
  const code = await runCli(process.argv.slice(2));
  process.exitCode = reportEnd(code);
  if (code === EXIT_CODES.dist && !process.argv.some((word) => word.startsWith('--nproc'))) {
    for (const stream of [process.stdout, process.stderr])
      await new Promise<void>((resolve) => stream.write('', () => resolve()));
    const { leaveAtOnce } = await import('../tensor/index.ts');
    leaveAtOnce(code);
  }
}
