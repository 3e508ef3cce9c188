import { defineConfig } from 'vitest/config';

// Forks, never threads: native addons do not survive worker threads of a test runner.
// One process for many files (`isolate: false`), so that libtorch loads once.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts', 'page/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    isolate: false,
    // One thread an operator: two workers with two threads each would wait for each other on a small machine.
    env: { OMP_NUM_THREADS: '1' },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    setupFiles: ['tests/setup.ts'],
    reporters: ['default', './tests/closing-line.ts'],
  },
});
