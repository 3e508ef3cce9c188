import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ConfigError, DataError, DistError } from '../base/index.ts';
import { type CommandDefinition, type CommandEntry, type ConfigOptions, configOptions } from './command.ts';
import { readBuildDescription } from './doctor.ts';
import { COMMANDS, runCli } from './program.ts';

class Sink extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

async function run(argv: readonly string[], commands: readonly CommandEntry[] = COMMANDS) {
  const stdout = new Sink();
  const stderr = new Sink();
  const code = await runCli(argv, { stdout, stderr }, commands);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

const entry = (name: string, definition: CommandDefinition): CommandEntry => ({
  name,
  summary: 'for a test',
  load: async () => definition,
});

const failing = (error: unknown): CommandEntry =>
  entry('fail', {
    examples: ['twgrpo fail'],
    run: () => {
      throw error;
    },
  });

describe('usage', () => {
  it('lists every command in the help, and shows examples in the help of each', async () => {
    const look = async (path: readonly string[], commands: readonly CommandEntry[]): Promise<void> => {
      const help = await run([...path, '--help']);
      expect(help.code).toBe(0);
      for (const { name, load } of commands) {
        const { examples, subcommands = [] } = await load();
        expect(help.stdout).toContain(`  ${name} `);
        expect(examples.length).toBeGreaterThan(0);
        const own = await run([...path, name, '--help']);
        expect(own.code).toBe(0);
        expect(own.stdout).toContain('Examples:');
        expect(own.stdout).toContain(examples[0]);
        if (subcommands.length > 0) await look([...path, name], subcommands);
        else for (const option of ['--json', '--quiet', '--no-color']) expect(own.stdout).toContain(option);
      }
    };
    await look([], COMMANDS);
  });

  it('prints the version', async () => {
    expect(await run(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  it('answers misuse with 2 and a suggestion, on stderr', async () => {
    const unknown = await run(['docter']);
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toContain("unknown command 'docter'");
    expect(unknown.stderr).toContain('Did you mean doctor?');
    expect(await run(['doctor', '--jsn'])).toMatchObject({ code: 2, stdout: '' });
    expect((await run(['doctor', '--jsn'])).stderr).toContain('Did you mean --json?');
    expect(await run(['doctor', 'extra'])).toMatchObject({ code: 2 });
    expect(await run([])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('loading', () => {
  const broken: CommandEntry = {
    name: 'broken',
    summary: 'cannot be loaded',
    load: () => Promise.reject(new Error('no engine')),
  };

  it('touches no command but the one called', async () => {
    expect((await run(['--help'], [broken])).code).toBe(0);
    expect((await run(['fail'], [broken, failing(new ConfigError('mine'))])).stderr).toContain('mine');
    const result = await run(['broken'], [broken]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('no engine');
  });
});

describe('errors', () => {
  it.each([
    [new ConfigError('learning_rate: expected a number'), 2],
    [new DataError('items.jsonl: no such file', { hint: 'check the path' }), 3],
    [new DistError('rank 1 is gone'), 4],
    [new Error('anything else'), 1],
  ])('%s ends with %i', async (error, code) => {
    const result = await run(['fail'], [failing(error)]);
    expect(result.code).toBe(code);
    expect(result.stdout).toBe('');
    expect(result.stderr).toContain(error.message);
  });

  it('become JSON on stdout with --json', async () => {
    const result = await run(['fail', '--json'], [failing(new DataError('no file', { hint: 'make one' }))]);
    expect(JSON.parse(result.stdout)).toEqual({
      error: { name: 'DataError', message: 'no file', hint: 'make one', exit_code: 3 },
    });
  });
});

describe('a command', () => {
  const echo = entry('echo', {
    examples: ['twgrpo echo a --set b=1'],
    configure: (command) => configOptions(command.argument('<word>')),
    run: ({ args, options, out }) => {
      const { config, set, dryRun } = options<ConfigOptions>();
      out.status('working');
      out.print(`person ${args[0]}`);
      out.json({ args, config, set, dryRun });
      return 3;
    },
  });

  it('gets its arguments and options, and gives its exit code', async () => {
    const result = await run(
      ['echo', 'a', '--config', 'c.yaml', '--set', 'b=1', '--set', 'c=2', '--json'],
      [echo],
    );
    expect(result.code).toBe(3);
    expect(JSON.parse(result.stdout)).toEqual({ args: ['a'], config: 'c.yaml', set: ['b=1', 'c=2'] });
    expect(result.stderr).toBe('working\n');
  });

  it('takes options in either spelling, values as they are', async () => {
    const named = entry('named', {
      examples: ['twgrpo named'],
      configure: (command) => command.option('--max-frames <n>').option('--prompt <text>'),
      run: ({ options, out }) => void out.json(options()),
    });
    const words = ['--max_frames=3', '--prompt', '--other_word', '--json'];
    expect(JSON.parse((await run(['named', ...words], [named])).stdout)).toMatchObject({
      maxFrames: '3',
      prompt: '--other_word',
    });
    expect((await run(['named', '--max_frame', '3'], [named])).code).toBe(2);
  });

  it('may have commands of its own under it', async () => {
    const group = entry('group', {
      examples: ['twgrpo group echo a'],
      subcommands: [echo, entry('other', { examples: ['twgrpo group other'], run: () => 1 })],
    });
    const result = await run(['group', 'echo', 'a', '--set', 'b=1', '--json'], [group]);
    expect(result.code).toBe(3);
    expect(JSON.parse(result.stdout)).toMatchObject({ args: ['a'], set: ['b=1'] });
    expect((await run(['group', 'other'], [group])).code).toBe(1);
    expect(await run(['group', 'ohter'], [group])).toMatchObject({ code: 2, stdout: '' });
    expect((await run(['group', 'ohter'], [group])).stderr).toContain('Did you mean other?');
    expect(await run(['group'], [group])).toMatchObject({ code: 2, stdout: '' });
  });

  it('keeps talk off stdout, and says nothing with --quiet', async () => {
    expect(await run(['echo', 'a', '--quiet'], [echo])).toEqual({
      code: 3,
      stdout: 'person a\n',
      stderr: '',
    });
  });
});

describe('doctor', () => {
  it('reads versions out of libtorch’s build description', () => {
    const config =
      'PyTorch built with:\n  - GCC 13.3\n  - C++ Version: 202002\n' +
      '  - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605 for Intel(R) 64 architecture applications\n' +
      '  - Intel(R) MKL-DNN v3.7.1 (Git Hash 8d263e693366ef8db40acc569cc7d8edf644556d)\n' +
      '  - OpenMP 201511 (a.k.a. OpenMP 4.5)\n  - CXX_FLAGS= -D_GLIBCXX_USE_CXX11_ABI=1 -fvisibility-inlines-hidden\n';
    expect(readBuildDescription(config)).toMatchObject({
      onednn: 'v3.7.1',
      openmp: '201511',
    });
    expect(readBuildDescription(config)['mkl']).toContain('2024.2');
  });

  it('gives a report that says what is missing and how to repair it', async () => {
    const { code, stdout } = await run(['doctor', '--json']);
    const report = JSON.parse(stdout);
    expect(Object.keys(report.checks)).toEqual(
      expect.arrayContaining(['engine', 'ffmpeg', 'node', 'memory', 'disk']),
    );
    expect(code).toBe(report.ok ? 0 : 3);
    for (const check of Object.values<{ status: string; fix?: string }>(report.checks))
      if (check.status !== 'ok') expect(check.fix).toBeTruthy();
  });
});
