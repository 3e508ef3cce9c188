/** The kernels of native/few_rows.cpp are compiled for several widths of registers; tests meet the widest unless told otherwise. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const TESTS = [
  'src/models/decoder/session.test.ts',
  'src/rollout/generate.test.ts',
  'src/models/layers.test.ts',
];

it.each(['default', 'avx2'])('decodes and trains by the kernels of ATEN_CPU_CAPABILITY=%s', (capability) => {
  const { status, stdout, stderr } = spawnSync('npx', ['vitest', 'run', ...TESTS], {
    encoding: 'utf8',
    env: { ...process.env, ATEN_CPU_CAPABILITY: capability },
  });
  expect(status, stdout + stderr).toBe(0);
});
