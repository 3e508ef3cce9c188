/** @file One fault in one command: it happens, the command goes on, and what it leaves is held against the undisturbed command's. */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import type { FaultCommand } from './commands.ts';
import { type Action, type Ended, type Point, runFaulty } from './faulty-command.ts';

export interface Trial {
  /** What is wrong; empty when nothing was lost. */
  readonly faults: readonly string[];
  /** How the disturbed command ended. */
  readonly ended: Ended;
}

const KILLS: readonly Action[] = ['kill', 'torn'];
const HARMLESS: readonly Action[] = ['short', 'slow'];

/** The words that an error of the disk must hold beside the name of the file. */
const WORDS: Readonly<Partial<Record<Action, RegExp>>> = {
  ENOSPC: /no space|space/i,
  'once-ENOSPC': /space/i,
  EROFS: /read-only/i,
  'once-EIO': /i\/o error|input\/output/i,
  'once-EMFILE': /too many open files/i,
};

/** Runs the command with the fault in a new folder, goes on with it undisturbed, and compares. */
export async function tryFault(
  command: FaultCommand,
  root: string,
  expected: ReadonlyMap<string, string>,
  fault: { readonly action: Action; readonly point: Point } | { readonly killAtNativeCall: number },
): Promise<Trial> {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  const env = command.env?.(root);
  const isDisk = 'action' in fault;
  const ended = await runFaulty(command.begin(root), { root, env, ...(isDisk ? { fault } : fault) });
  const faults: string[] = [];
  const isKilled = !isDisk || KILLS.includes(fault.action);
  if (isKilled && ended.signal !== 'SIGKILL')
    faults.push(`the fault did not happen: the command ended with ${ended.code}`);
  if (isDisk && HARMLESS.includes(fault.action) && ended.code !== 0) faults.push(`ended with ${ended.code}`);
  const isTold = ended.code === 143 || ended.code === 0;
  const isEnded = command.stopsAtOnce === true && ended.signal === 'SIGTERM';
  if (isDisk && fault.action === 'term' && !isTold && !isEnded)
    faults.push(`SIGTERM: ended with ${ended.code} ${ended.signal}`);
  const words = isDisk ? WORDS[fault.action] : undefined;
  if (words !== undefined) {
    if (ended.signal !== null) faults.push(`ended by ${ended.signal}: ${ended.stderr.slice(-300)}`);
    else if (ended.code !== 0) {
      if (/^\s+at .*:\d+/m.test(ended.stderr)) faults.push(`a stack: ${ended.stderr.slice(-600)}`);
      if (!words.test(ended.stderr) && !/folder can not be made/.test(ended.stderr))
        faults.push(`the error does not say what happened: ${ended.stderr.slice(-400)}`);
    }
  }
  // What the fault left, to be looked at when the test fails.
  const left = `${root}.left`;
  rmSync(left, { recursive: true, force: true });
  cpSync(root, left, { recursive: true });
  const again = await runFaulty(command.goOn(root), { root, env });
  if (again.code !== 0) faults.push(`going on ended with ${again.code}: ${again.stderr.slice(-600)}`);
  const found = command.result(root);
  // A run that was told to stop, or ends with an error, saves there, and so keeps other checkpoints than one that was not.
  const isStopped = !isKilled && isDisk && !HARMLESS.includes(fault.action);
  const names = isStopped ? withoutOlderCheckpoints(expected) : expected;
  faults.push(...differences(names, isStopped ? withoutOlderCheckpoints(found) : found));
  return { faults, ended };
}

function withoutOlderCheckpoints(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const stepOf = (name: string) => Number(/^checkpoint-(\d+)\//.exec(name)?.[1] ?? Number.POSITIVE_INFINITY);
  const newest = Math.max(...[...files.keys()].map(stepOf).filter(Number.isFinite));
  return new Map([...files].filter(([name]) => stepOf(name) >= newest));
}

function differences(
  expected: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): readonly string[] {
  const names = [...new Set([...expected.keys(), ...found.keys()])].sort();
  return names.flatMap((name) => {
    if (expected.get(name) === found.get(name)) return [];
    if (!found.has(name)) return [`${name} is missing`];
    return [expected.has(name) ? `${name} differs` : `${name} is left over`];
  });
}

/** The undisturbed command's result. @throws Error when it fails */
export async function undisturbed(command: FaultCommand, root: string): Promise<ReadonlyMap<string, string>> {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  const ended = await runFaulty(command.begin(root), { root, env: command.env?.(root) });
  if (ended.code !== 0) throw new Error(`${command.name} ended with ${ended.code}: ${ended.stderr}`);
  return command.result(root);
}
