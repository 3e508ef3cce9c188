/**
 * @file The process that tries the inputs of one target. It writes every input to a file before it reads it, so that whoever watches it
 * knows the input that it died of, or hangs at.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Random, TwgrpoError } from '../../src/base/index.ts';
import { Coverage } from './coverage.ts';
import { SELF_TESTS } from './self-test.ts';
import type { FuzzTarget } from './target.ts';
import { CURRENT, type WorkerNews, type WorkerOrder } from './worker-order.ts';

const BATCH = 25;
const MAX_CORPUS = 400;
const NEWS_MS = 250;

const order = JSON.parse(process.argv[2]!) as WorkerOrder;
// The targets load the engine and all readers, which a self-test does without.
const all = SELF_TESTS.some(isOrdered) ? SELF_TESTS : (await import('./targets.ts')).TARGETS;
await work(order, all.find(isOrdered)!);

function isOrdered({ name }: FuzzTarget): boolean {
  return name === order.target;
}

async function work({ seed, count, seconds, folder }: WorkerOrder, target: FuzzTarget): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const current = openSync(join(folder, CURRENT), 'w');
  const random = Random.stream(seed, target.name);
  const corpus = [...target.seeds(), ...keptInputs(target.name)];
  const coverage = target.isGuided === false ? undefined : new Coverage();
  const crashes = new Set<string>();
  const end = performance.now() + seconds * 1000;
  let [done, sound, toldAt] = [0, 0, 0];

  const tryInput = async (input: Uint8Array, isFirst = true): Promise<void> => {
    ftruncateSync(current, 0);
    writeSync(current, input, 0, input.length, 0);
    try {
      if ((await target.run(input, folder)) && isFirst) sound++;
      checkPrototypes();
    } catch (error) {
      if (error instanceof TwgrpoError && !error.message.startsWith('internal:')) return;
      report(error, input);
    }
  };
  const report = (error: unknown, input: Uint8Array): void => {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const kind = message.split('\n').slice(0, 3).join('\n').replaceAll(/\d+/g, '0').slice(0, 300);
    if (crashes.has(kind)) return;
    crashes.add(kind);
    const name = `crash-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`;
    writeFileSync(join(folder, name), input);
    process.send?.({ kind: 'crash', message: message.slice(0, 1500), file: name } satisfies WorkerNews);
  };
  const news = (kind: 'progress' | 'end'): void => {
    process.send?.({ kind, done, sound, coverage: coverage?.size ?? 0 } satisfies WorkerNews);
  };

  for (const input of corpus.slice(0, count)) {
    await tryInput(input);
    done++;
  }
  coverage?.fresh();
  while (done < count && performance.now() < end) {
    const batch = Array.from({ length: Math.min(BATCH, count - done) }, () =>
      target.mutate(random, random.pick(corpus), corpus),
    );
    for (const input of batch) {
      await tryInput(input);
      done++;
      if (performance.now() - toldAt < NEWS_MS) continue;
      toldAt = performance.now();
      news('progress');
    }
    const fresh = coverage?.fresh() ?? new Set();
    if (coverage === undefined || fresh.size === 0 || corpus.length >= MAX_CORPUS) continue;
    // Which inputs of the batch it was: each once more. A count that only the whole batch reached is nobody's.
    for (const input of batch) {
      await tryInput(input, false);
      const own = [...coverage.look()].filter((key) => fresh.delete(key));
      if (own.length > 0) corpus.push(input);
    }
  }
  news('end');
  process.disconnect?.();
  process.exit(0);
}

/** No input may leave a key on a prototype that all objects share. */
function checkPrototypes(): void {
  for (const prototype of [Object.prototype, Array.prototype, Function.prototype])
    for (const key of Object.keys(prototype)) {
      delete (prototype as unknown as Record<string, unknown>)[key];
      throw new Error(`the key ${JSON.stringify(key)} was left on a prototype`);
    }
}

/** Inputs that once broke something. */
function keptInputs(name: string): Uint8Array[] {
  const folder = join(import.meta.dirname, 'corpus', name);
  return existsSync(folder) ? readdirSync(folder).map((file) => readFileSync(join(folder, file))) : [];
}
