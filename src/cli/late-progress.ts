/** A progress display for work whose size is known only once it has begun, and that may be done in no time. */
import { createProgress, type Output, type Progress } from '../base/index.ts';

export interface LateProgress {
  update(done: number, total: number): void;
  stop(): void;
}

/** Shows nothing of work that is done in two seconds. @param label name of what is counted */
export function lateProgress(label: string, out: Output): LateProgress {
  const begin = performance.now();
  let progress: Progress | undefined;
  return {
    update: (done, total) => {
      if (performance.now() - begin < 2000) return;
      progress ??= createProgress({ total, label, quiet: out.isQuiet });
      progress.update(done);
    },
    stop: () => progress?.stop(),
  };
}
