/** The progress of questions that are asked, on the terminal: what was answered before, then a line that moves. */
import { createProgress, type Output, percent } from '../base/index.ts';

export interface AskingProgress {
  readonly update: (done: number, facts: { readonly strict: number }) => void;
  readonly stop: () => void;
}

/** @param folder where the rows go, named where some are there already */
export function askingProgress(label: string, total: number, folder: string, out: Output): AskingProgress {
  let progress: ReturnType<typeof createProgress> | undefined;
  return {
    update: (done, { strict }) => {
      if (progress !== undefined) return progress.update(done, { strict: percent(strict, 2) });
      if (done > 0) out.status(`${done} questions are answered already in ${folder}`);
      progress = createProgress({ total, label, start: done, quiet: out.isQuiet });
    },
    stop: () => progress?.stop(),
  };
}
