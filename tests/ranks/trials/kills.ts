/**
 * @file Kills a random rank of a run at random times, N times, and compares what is left with the undisturbed run: weights bit for bit,
 * rows of metrics neither lost nor doubled. Then stops a rank and waits for the error that names it.
 *
 *   npm run trial:kills -- 20
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Random } from '../../../src/base/index.ts';
import { quickKeys, writeModel, writeQuestions } from '../../../src/train/test-support.ts';

const numKills = Number(process.argv[2] ?? 20);
const MAIN = fileURLToPath(new URL('../../../build/js/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'twgrpo-kills-'));
writeModel(folder);
writeQuestions(folder, 7);
const random = Random.stream(numKills, 'kills');

function start(name: string, keys: object, more: readonly string[] = []) {
  const output_dir = join(folder, name);
  const config = join(folder, `${name}.yaml`);
  writeFileSync(
    config,
    JSON.stringify({
      ...quickKeys(folder),
      dtype: 'float32',
      gradient_accumulation_steps: 2,
      ...keys,
      output_dir,
    }),
  );
  const argv = [MAIN, 'train', '--config', config, '--nproc', '2', ...more];
  const child = spawn(process.execPath, argv, { env: { ...process.env, OMP_NUM_THREADS: '1' } });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { output_dir, config, ended, stderr: () => stderr };
}

/** Process ids of the ranks of a run, from the command lines of this machine's processes. */
function ranksOf(config: string): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const words = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').split('\0');
      const variables = readFileSync(join('/proc', pid, 'environ'), 'utf8');
      // Fields 2 and 4: the parent is torchrun, not a rank that is about to start FFmpeg.
      const stat = readFileSync(join('/proc', pid, 'stat'), 'utf8');
      const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]!;
      const isOfTorchrun = readFileSync(join('/proc', parent, 'cmdline'), 'utf8').includes(
        'torch.distributed.run',
      );
      return isOfTorchrun && words.includes(config) && words[0]!.includes('node') && /\0RANK=/.test(variables)
        ? [Number(pid)]
        : [];
    } catch {
      return []; // gone meanwhile
    }
  });
}

const rowsOf = (run: string): { step: number; loss: number }[] => {
  const file = join(run, 'metrics.jsonl');
  return existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { step: number; loss: number }]))
    : [];
};

const keys = { max_steps: 60, save_steps: 3, save_total_limit: 2 };
const plain = start('plain', keys);
console.log('undisturbed run ends with', await plain.ended);
const run = start('killed', keys, ['--max-restarts', String(3 * numKills)]);
let kills = 0;
let isOver = false;
void run.ended.then(() => {
  isOver = true;
});
while (kills < numKills && !isOver) {
  // At any moment: while ranks start, meet, load, train or save.
  await sleep(1000 + random.below(6000));
  const ranks = ranksOf(run.config);
  if (ranks.length === 0) continue;
  const victim = random.pick(ranks);
  try {
    process.kill(victim, 'SIGKILL');
    kills += 1;
    console.log(
      `kill ${kills}: pid ${victim} of ${ranks.length} ranks, step ${rowsOf(run.output_dir).at(-1)?.step ?? 0}`,
    );
  } catch {
    // It had ended meanwhile.
  }
}
const code = await run.ended;
console.log(`disturbed run ends with ${code} after ${kills} kills`);
if (code !== 0) console.log(run.stderr().slice(-2000));
const weights = (name: string) => readFileSync(join(folder, name, 'checkpoint-60', 'model.safetensors'));
const state = (name: string) =>
  Buffer.concat(
    [1, 2].map((part) =>
      readFileSync(
        join(folder, name, 'checkpoint-60', 'training_state', `optimizer-0000${part}-of-00002.safetensors`),
      ),
    ),
  );
const steps = rowsOf(run.output_dir).map(({ step }) => step);
console.log('weights equal bit for bit:', weights('plain').equals(weights('killed')));
console.log('optimizer equal bit for bit:', state('plain').equals(state('killed')));
console.log(
  'rows 1 to 60, each once:',
  JSON.stringify(steps) === JSON.stringify(Array.from({ length: 60 }, (_, i) => i + 1)),
);
console.log(
  'losses equal:',
  JSON.stringify(rowsOf(plain.output_dir).map(({ loss }) => loss)) ===
    JSON.stringify(rowsOf(run.output_dir).map(({ loss }) => loss)),
);

const stopped = start('stopped', { max_steps: 400, dist_timeout: 6 }, ['--max-restarts', '0']);
while (rowsOf(stopped.output_dir).length < 3) await sleep(100);
const victim = ranksOf(stopped.config).find((pid) =>
  /\0RANK=1\0/.test(readFileSync(join('/proc', String(pid), 'environ'), 'utf8')),
)!;
process.kill(victim, 'SIGSTOP');
const since = performance.now();
while (!/DistError/.test(stopped.stderr())) await sleep(50);
console.log(
  `SIGSTOP of rank 1: the error after ${((performance.now() - since) / 1000).toFixed(1)} s (dist_timeout 6)`,
);
console.log(
  stopped
    .stderr()
    .split('\n')
    .filter((line) => /DistError|next step/.test(line))
    .join('\n'),
);
console.log('ends with', await stopped.ended);
