/**
 * @file The last line of every test run, in a form that people and machines read alike:
 * `N passed, N failed`, and `, N skipped` when some were.
 *
 * Counted as failed: a failed test, a file that does not load, a suite whose hook throws, a test that never
 * came to its end (its process died), and an error outside of any test. A run without a single test fails.
 */
import { writeSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Counts what happened in `modules`; see the file header for what counts as failed. */
export function countResults(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): Counts {
  const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
  for (const module of modules) {
    if (module.errors().length > 0) counts.failed += 1;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) counts.failed += 1;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'skipped') counts.skipped += 1;
      else counts.failed += 1;
    }
  }
  return counts;
}

export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Vitest makes one of these from the file's default export (vitest.config.ts). */
// biome-ignore lint/style/noDefaultExport: vitest loads a reporter by the default export of its file
export default class ClosingLine implements Reporter {
  #counts: Counts | undefined;

  onInit(): void {
    // On exit, not at the end of the run: other reporters and vitest itself still print in between.
    process.once('exit', () => {
      const counts = this.#counts ?? { passed: 0, failed: 1, skipped: 0 };
      writeSync(1, `${closingLine(counts)}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    this.#counts = countResults(modules, unhandledErrors);
    const { passed, failed } = this.#counts;
    if (failed > 0 || passed === 0) process.exitCode = 1;
  }
}
