/** Whether a process lives, and since when: a number that was given anew belongs to another process. */
import { existsSync, readFileSync } from 'node:fs';

/**
 * When a process of this machine began, in clock ticks since the machine did; undefined when it does not live, 0 where the
 * system does not tell (then a living process of that number counts as the one that is meant).
 */
function startOf(pid: number): number | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  if (!existsSync('/proc/self/stat')) return 0;
  try {
    // Field 22; the second may hold blanks, so counting begins behind its bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** `startOf` of this process. */
export const OWN_START = startOf(process.pid) ?? 0;

/**
 * Whether the process that had this number and began at this time still lives.
 * @param start 0 where that is not known: any process of the number counts
 */
export function isLiving(pid: number, start = 0): boolean {
  const now = startOf(pid);
  return now !== undefined && (now === 0 || start === 0 || now === start);
}
