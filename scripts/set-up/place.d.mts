/** The kind of folder that holds this program. @param root folder of our package.json, here and below */
export function layoutOf(root: string): 'checkout' | 'bundle' | 'package';
/** The user's cache folder: private engine, and set-ups of installed packages. */
export function cacheRoot(): string;
/** The folder of engine.json and the addon, for the package in `root`. */
export function setUpFolder(root: string): string;
/** What set-up found on this machine: `engine.json`. */
export function engineFile(root: string): string;
/** The command that sets up this machine, as the user would type it. */
export function setUpCommand(root: string): string;
