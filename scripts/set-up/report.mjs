/**
 * @file What set-up says, and how it fails. All of it goes to stderr, because stdout belongs to the command that follows.
 */
const isQuiet = process.argv.includes('--quiet');

/** Said always. @param {string} text */
export const say = (text) => process.stderr.write(`[set-up] ${text}\n`);
/** Said unless --quiet. @param {string} text */
export const note = (text) => isQuiet || say(text);

/** @param {number} ms */
export const duration = (ms) => {
  const s = ms / 1000;
  return s < 60 ? `${s.toFixed(1)} s` : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
};

/** A failure that the user can act on: printed without a stack trace. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {{ hint?: string | undefined, exitCode?: number }} [options] hint: the next step
   */
  constructor(message, { hint, exitCode = 1 } = {}) {
    super(message);
    this.name = 'SetupError';
    this.hint = hint;
    this.exitCode = exitCode;
  }
}
