/**
 * One process at a time: a lock is a file that only one process can create. Its owner gives a sign of life by touching it, from a
 * thread of its own, so that a long computation does not silence it. A lock is void when its owner is dead: a process of this
 * machine that no longer lives, or one of another machine that gave no sign of life while it was watched (clocks of two machines
 * are never compared).
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { mkdir, open, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import { compiledModule } from './compiled-module.ts';
import { asDiskError } from './disk.ts';
import { TwgrpoError } from './errors.ts';
import { isLiving, OWN_START } from './process-start.ts';

/** Who has a lock; undefined where its file was cut by a crash. */
export type LockHolder = Readonly<z.infer<typeof holderSchema>> | undefined;

export interface LockOptions {
  /** A lock of another machine that does not change for so long, in ms, is void. */
  readonly staleMs: number;
  /**
   * Called while another process has the lock; may throw to give up.
   * @param isSeenAlive whether the owner surely lives; else it is still being watched
   */
  readonly onHeld: (holder: LockHolder, isSeenAlive: boolean) => void;
  /** What the lock is for, as it begins a message. */
  readonly what: string;
}

export interface Lock {
  /** Aborted when the lock is lost: this process stood still for longer than `staleMs`, and another took over. */
  readonly lost: AbortSignal;
  /** Its file, and what that holds while the lock is this process's: for threads, which can not call `check`. */
  readonly proof: { readonly file: string; readonly text: string };
  /** @throws TwgrpoError when the lock is lost, without waiting for the event loop */
  check(): void;
  release(): Promise<void>;
}

const holderSchema = z.object({
  pid: z.int(),
  start: z.number().default(0),
  host: z.string().default('another machine'),
  space: z.string(),
  id: z.string(),
});

/** The space in which a pid is unique: host and, on Linux, the namespace of pids (containers share hosts). */
function pidSpace(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/** Takes the lock, once its owner, if it has one, is gone. @throws what `onHeld` throws */
export async function takeLock(file: string, options: LockOptions): Promise<Lock> {
  const text = JSON.stringify({
    ...{ pid: process.pid, start: OWN_START, host: hostname() },
    ...{ space: pidSpace(), id: randomUUID() },
  } satisfies LockHolder);
  await acquire(file, text, options);
  const lost = new AbortController();
  const lose = (): TwgrpoError => {
    const error = new TwgrpoError(`${options.what}: another process took over while this one stood still`);
    if (!lost.signal.aborted) lost.abort(error);
    return error;
  };
  const beat = new Worker(compiledModule(import.meta.url, 'lock-beat'), {
    workerData: { file, text, everyMs: options.staleMs / 4 },
  });
  beat.unref();
  beat.on('message', lose);
  return {
    lost: lost.signal,
    proof: { file, text },
    check: () => {
      if (lost.signal.aborted || textOf(file) !== text) throw lose();
    },
    release: async () => {
      await beat.terminate();
      if (textOf(file) === text) await rm(file, { force: true });
    },
  };
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function acquire(file: string, text: string, { staleMs, onHeld }: LockOptions): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  let seen: { readonly text: string; readonly mtimeMs: number } | undefined;
  let seenAt = 0;
  for (;;) {
    if (await create(file, text)) return;
    const now = await look(file);
    if (now === undefined) continue;
    const holder = readHolder(now.text);
    const isNear = holder?.space === pidSpace();
    let isSeenAlive = isNear && isLiving(holder.pid, holder.start);
    if (now.text !== seen?.text || now.mtimeMs !== seen.mtimeMs) {
      isSeenAlive ||= now.text === seen?.text;
      [seen, seenAt] = [now, performance.now()];
    }
    if ((isNear && !isSeenAlive) || performance.now() - seenAt > staleMs) {
      await takeAway(file, now.text, staleMs);
      continue;
    }
    onHeld(holder, isSeenAlive);
    await sleep(Math.min(200, staleMs / 4));
  }
}

/** False when the file is there already. */
async function create(file: string, text: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    try {
      await handle.writeFile(text);
    } catch (error) {
      await rm(file, { force: true });
      throw asDiskError(error, file);
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a void lock. Guarded, so that of two that find it void none removes the lock that the other has made since. */
async function takeAway(file: string, stale: string, staleMs: number): Promise<void> {
  const guard = `${file}.taking`;
  // Held for an instant; longer, its maker was killed in that instant. By our own clock: the time of day may jump.
  const since = performance.now();
  for (;;) {
    try {
      await mkdir(guard);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if ((await look(file))?.text !== stale) return;
    if (performance.now() - since > staleMs) await rmdir(guard).catch(() => undefined);
    await sleep(20);
  }
  try {
    if ((await look(file))?.text === stale) await rm(file, { force: true });
  } finally {
    await rmdir(guard);
  }
}

async function look(file: string): Promise<{ readonly text: string; readonly mtimeMs: number } | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    return { text, mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function readHolder(text: string): LockHolder {
  try {
    return holderSchema.safeParse(JSON.parse(text)).data;
  } catch {
    // Just created and not yet written, or cut by a crash: its age decides.
    return undefined;
  }
}
