/**
 * From a command line to an exit code: builds the parser out of the command definitions, runs the chosen one, and
 * turns every error into one clear message. 0 done, 1 failed, 2 wrong usage, 3 data missing, 4 a peer lost.
 */
import { Writable } from 'node:stream';
import { Command, CommanderError } from 'commander';
import {
  asDiskError,
  EXIT_CODES,
  exitCodeOf,
  formatError,
  Output,
  packageVersion,
  presentWords,
  type Streams,
  ToldError,
  TwgrpoError,
} from '../base/index.ts';
import type { CommandEntry, CommonOptions } from './command.ts';

/**
 * All commands, in the order of the help text. A command's file is loaded only when it is called: help is instant,
 * and `doctor` starts where the engine does not.
 */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'see it work: draw videos, train a small model on them, compare before and after',
    load: async () => (await import('./demo.ts')).demo,
  },
  {
    name: 'train',
    summary: 'train a video-language model with GRPO or TW-GRPO',
    load: async () => (await import('./train.ts')).train,
  },
  {
    name: 'plan',
    summary: 'memory and time of a training run before anything is loaded, and what makes it fit',
    load: async () => (await import('./plan.ts')).plan,
  },
  {
    name: 'sft',
    summary: 'teach a model answers with their reasoning: supervised training, the cold start before train',
    load: async () => (await import('./sft.ts')).sft,
  },
  {
    name: 'generate',
    summary: 'ask a model about a video; the answer appears as it is written',
    load: async () => (await import('./generate.ts')).generate,
  },
  {
    name: 'logprobs',
    summary: 'the log-probability of every token of an answer, to compare with another implementation',
    load: async () => (await import('./logprobs.ts')).logprobs,
  },
  {
    name: 'eval',
    summary: 'measure a model on a benchmark or on your own questions; continues where it was stopped',
    load: async () => (await import('./eval.ts')).evaluateCommand,
  },
  {
    name: 'score',
    summary: "re-score results logs in the authors' format and compare with the scores inside",
    load: async () => (await import('./score.ts')).score,
  },
  {
    name: 'dashboard',
    summary: 'watch runs and evaluations in the browser, live or finished',
    load: async () => (await import('./dashboard.ts')).dashboard,
  },
  {
    name: 'inspect',
    summary: "a run's completions, the frames of a video, or what a model folder holds, in the terminal",
    load: async () => (await import('./inspect.ts')).inspect,
  },
  {
    name: 'report',
    summary: 'runs and evaluations as one HTML file that opens anywhere',
    load: async () => (await import('./report.ts')).report,
  },
  {
    name: 'qai',
    summary: 'question-answer inversion: make multi-answer questions out of single-answer ones',
    load: async () => (await import('./qai.ts')).qai,
  },
  {
    name: 'data',
    summary: 'check question files and their videos, and convert them',
    load: async () => (await import('./data.ts')).data,
  },
  {
    name: 'world',
    summary: 'draw a small physical world: videos, annotations and questions with known answers',
    load: async () => (await import('./world.ts')).world,
  },
  {
    name: 'merge',
    summary: 'put an adapter into its model for good: one ordinary model folder',
    load: async () => (await import('./merge.ts')).merge,
  },
  {
    name: 'pull',
    summary: 'download a model or a data file from the Hugging Face Hub',
    load: async () => (await import('./pull.ts')).pull,
  },
  {
    name: 'push',
    summary: 'upload a checkpoint to the Hugging Face Hub, with a model card made from its run',
    load: async () => (await import('./push.ts')).push,
  },
  {
    name: 'reproduce',
    summary: "whether everything is at hand to repeat the paper's run",
    load: async () => (await import('./reproduce.ts')).reproduce,
  },
  {
    name: 'doctor',
    summary: 'show engine, versions, threads, CUDA and FFmpeg, and what is missing',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'completion',
    summary: 'a script that completes the words of this command in bash, zsh or fish',
    load: async () => (await import('./completion.ts')).completion,
  },
];

const DESCRIPTION =
  'Reinforcement learning for video-language models: GRPO and TW-GRPO on Qwen2.5-VL and Qwen3-VL, in TypeScript on libtorch.';

const EPILOGUE = `
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 data or model files missing or invalid,
4 a distributed peer lost, 130 or 143 stopped by a signal.`;

/** Builds the parser; only the commands named in `argv` are loaded and know their own options. */
async function buildProgram(
  argv: readonly string[],
  commands: readonly CommandEntry[],
  streams: Streams,
  onDone: (code: number) => void,
): Promise<Command> {
  const program = new Command('twgrpo')
    .description(DESCRIPTION)
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showHelpAfterError('(run with --help to see what is possible)')
    .addHelpText('after', EPILOGUE)
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
      getOutHasColors: () => streams.stdout.isTTY === true,
      getErrHasColors: () => streams.stderr.isTTY === true,
    })
    .exitOverride();
  await addCommands(program, commands, argv, streams, onDone);
  return program;
}

/**
 * Adds commands to their parent; the one that `argv` names first with its options, and with the commands under it. A later word
 * that reads like a command (`world generate`) is not one, and its file is not loaded.
 */
async function addCommands(
  parent: Command,
  commands: readonly CommandEntry[],
  argv: readonly string[],
  streams: Streams,
  onDone: (code: number) => void,
): Promise<void> {
  const names = commands.map(({ name }) => name);
  const named = argv.findIndex((word) => names.includes(word));
  for (const { name, summary, load, isDefault = false } of commands) {
    const command = parent.command(name, { isDefault }).description(summary);
    if (name !== argv[named] && !(named < 0 && isDefault)) continue;
    const definition = await load();
    const { configure, examples, run, subcommands = [] } = definition;
    configure?.(command);
    command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`);
    await addCommands(command, subcommands, argv.slice(named + 1), streams, onDone);
    if (run === undefined) continue;
    addCommonOptions(command).action(async () => {
      const options = command.opts<CommonOptions>();
      const code = await run({
        args: command.args,
        options: <Options>() => options as Options & CommonOptions,
        out: outputOf(streams, options),
      });
      onDone(code ?? EXIT_CODES.done);
    });
  }
}

/** Of several processes the first one speaks; the others have their logs, and say only what ends them. */
function outputOf(streams: Streams, options: CommonOptions): Output {
  if (Number(process.env['RANK'] ?? process.env['SLURM_PROCID'] ?? 0) === 0)
    return new Output(streams, options);
  const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });
  return new Output({ stdout: nowhere(), stderr: nowhere() }, { ...options, quiet: true });
}

/** Adds the options that every command understands. */
export function addCommonOptions(command: Command): Command {
  return command
    .option('--json', 'print only JSON on stdout')
    .option('--quiet', 'say nothing on stderr but warnings and errors')
    .option('--no-color', 'no colours');
}

/** `--max_frames` for `--max-frames`: users of TRL write options as they write keys. Values and unknown words stay. */
function kebabFlags(argv: readonly string[], program: Command): string[] {
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
  const flags = new Set(all(program).flatMap(({ options }) => options.map(({ long }) => long)));
  return argv.map((word) => {
    const [flag = '', ...rest] = word.split('=');
    const kebab = flag.replaceAll('_', '-');
    return flag.includes('_') && flags.has(kebab) ? [kebab, ...rest].join('=') : word;
  });
}

/**
 * Runs one command line.
 * @param argv the words after `twgrpo`
 * @returns the exit code; never throws
 */
export async function runCli(
  argv: readonly string[],
  streams: Streams = process,
  commands: readonly CommandEntry[] = COMMANDS,
): Promise<number> {
  let exitCode: number = EXIT_CODES.done;
  try {
    const program = await buildProgram(argv, commands, streams, (code) => {
      exitCode = code;
    });
    const present = presentWords(kebabFlags(argv, program));
    for (const notice of present.notices) streams.stderr.write(`warning: ${notice}\n`);
    await program.parseAsync([...present.argv], { from: 'user' });
    return exitCode;
  } catch (caught) {
    const error = asDiskError(caught);
    // The parser has already explained itself; help and version are its exits with code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.done : EXIT_CODES.config;
    const code = exitCodeOf(error);
    if (error instanceof ToldError) return code;
    streams.stderr.write(`${formatError(error)}\n`);
    if (argv.includes('--json'))
      streams.stdout.write(`${JSON.stringify({ error: errorRecord(error, code) })}\n`);
    return code;
  }
}

function errorRecord(error: unknown, exitCode: number): Record<string, unknown> {
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  const hint = error instanceof TwgrpoError ? error.hint : undefined;
  return { name, message, ...(hint === undefined ? {} : { hint }), exit_code: exitCode };
}
