export type { CommandDefinition, CommonOptions, ConfigOptions, Invocation } from './command.ts';
export { COMMANDS, runCli } from './program.ts';
