/**
 * One process at a time downloads a file: a lock is a file that only one process can create. Its owner gives a sign of life by
 * touching it; a lock without one (its owner was killed, its machine is gone) is taken away.
 *
 * Python's huggingface_hub locks with flock(2), which Node does not have, so a Python process is not kept out: the two then write
 * to files of different names, and the first to finish wins.
 */
import { randomUUID } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { mkdir, open, readFile, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { HubError } from '../base/index.ts';

interface LockOptions {
  /** A lock unchanged for so long, in ms, is stale. */
  readonly staleMs: number;
  /** Hears, once, that another process is waited for. */
  readonly say: (text: string) => void;
  /** Name of the locked file, for the notice. */
  readonly what: string;
}

const holderSchema = z.object({ pid: z.int(), space: z.string(), id: z.string() });

/** The space in which a pid is unique: host and, on Linux, the namespace of pids (containers share hosts). */
function pidSpace(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/**
 * Runs `body` while this process alone holds the lock; waits for it as long as its owner lives.
 * @param body is given a signal that is aborted if the lock is lost (the process was stopped for longer than `staleMs`)
 */
export async function withLock<T>(
  file: string,
  options: LockOptions,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const text = JSON.stringify({ pid: process.pid, space: pidSpace(), id: randomUUID() });
  await acquire(file, text, options);
  const lost = new AbortController();
  const beat = setInterval(async () => {
    if ((await look(file))?.text !== text) {
      lost.abort(new HubError(`${options.what}: another process took over while this one stood still`));
      return;
    }
    const now = new Date();
    // Gone between the two calls: the next beat sees it.
    await utimes(file, now, now).catch(() => undefined);
  }, options.staleMs / 4);
  beat.unref();
  try {
    return await body(lost.signal);
  } finally {
    clearInterval(beat);
    if ((await look(file))?.text === text) await rm(file, { force: true });
  }
}

async function acquire(file: string, text: string, { staleMs, say, what }: LockOptions): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  let seen: { readonly text: string; readonly mtimeMs: number } | undefined;
  let seenAt = 0;
  let hasSaid = false;
  for (;;) {
    if (await create(file, text)) return;
    const now = await look(file);
    if (now === undefined) continue;
    if (now.text !== seen?.text || now.mtimeMs !== seen.mtimeMs) [seen, seenAt] = [now, performance.now()];
    const holder = readHolder(now.text);
    if (isDead(holder) || performance.now() - seenAt > staleMs) {
      await takeAway(file, now.text, staleMs);
      continue;
    }
    if (!hasSaid) say(`${what}: waiting for process ${holder?.pid ?? 'unknown'}, which is downloading it`);
    hasSaid = true;
    await sleep(Math.min(200, staleMs / 4));
  }
}

/** False when the file is there already. */
async function create(file: string, text: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a stale lock. Guarded, so that of two that find it stale none removes the lock that the other has made since. */
async function takeAway(file: string, stale: string, staleMs: number): Promise<void> {
  const guard = `${file}.taking`;
  try {
    await mkdir(guard);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Held for an instant; older, its maker was killed in that instant.
    const made = await stat(guard).catch(() => undefined);
    if (made !== undefined && Date.now() - made.mtimeMs > staleMs) await rmdir(guard).catch(() => undefined);
    await sleep(20);
    return;
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

function readHolder(text: string): z.infer<typeof holderSchema> | undefined {
  try {
    return holderSchema.safeParse(JSON.parse(text)).data;
  } catch {
    // Just created and not yet written, or cut by a crash: its age decides.
    return undefined;
  }
}

/** True when the owner's pid can be asked for here, and no process has it. */
function isDead(holder: z.infer<typeof holderSchema> | undefined): boolean {
  if (holder === undefined || holder.space !== pidSpace()) return false;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
