export type { CommandDefinition, CommandEntry, CommonOptions, ConfigOptions, Invocation } from './command.ts';
export { COMMANDS, runCli } from './program.ts';
