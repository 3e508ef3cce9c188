/**
 * Notices: sentences about what was read otherwise than a file states it. Not an error, and never silent: whoever reads files
 * takes a function that says them, and the command line prints them.
 */

/** Says one sentence, without a line break. */
export type Notice = (text: string) => void;

/** Says it as a warning of the process (`process.on('warning')`, else standard error): for callers that give no function. */
export const processWarning: Notice = (text) => process.emitWarning(text, 'TwgrpoNotice');
