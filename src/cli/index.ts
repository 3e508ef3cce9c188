export type { CommandDefinition, CommandEntry, CommonOptions, ConfigOptions, Invocation } from './command.ts';
export { runCli } from './program.ts';
