import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCommand } from '../../tests/support/run-command.ts';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';

const folder = scratchFolder();

/** Scripts that print what a shell offers for what was typed, one a line. */
const BASH = (script: string, typed: string) => `source ${script}
COMP_WORDS=(${typed
  .split(' ')
  .map((word) => `'${word}'`)
  .join(' ')})
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_twgrpo
printf '%s\\n' "\${COMPREPLY[@]}"
`;
const ZSH = (script: string, typed: string) => `compdef() { :; }
source ${script}
_files() { :; }
compadd() { shift; for word in "$@"; do [[ $word == \${words[CURRENT]}* ]] && print -r -- $word; done; }
words=(${typed
  .split(' ')
  .map((word) => `'${word}'`)
  .join(' ')})
CURRENT=\${#words}
_twgrpo_complete
`;
const FISH = (script: string, typed: string) => `source ${script}
complete -C '${typed}' | string replace -r '\\t.*' ''
`;

describe('twgrpo completion', () => {
  it.each(['bash', 'zsh', 'fish'])('knows the commands and their options in %s', async (shell) => {
    const { code, stdout } = await runCommand('completion', shell);
    expect(code).toBe(0);
    for (const word of ['dashboard', 'inspect', 'video', 'max-frames', 'resume', 'benchmark'])
      expect(stdout).toContain(word);
  });

  const shells = { bash: BASH, zsh: ZSH, fish: FISH };
  it.for(Object.entries(shells))(
    'completes what is typed in %s (skipped where it is not installed)',
    async ([shell, asks], { skip }) => {
      if (spawnSync(shell, ['--version']).status !== 0) skip();
      const script = join(folder, `twgrpo.${shell}`);
      writeFileSync(script, (await runCommand('completion', shell)).stdout);
      const ask = (typed: string) => {
        const file = join(folder, `ask.${shell}`);
        writeFileSync(file, asks(script, typed));
        return spawnSync(shell, [file], { encoding: 'utf8' }).stdout.trim().split('\n');
      };
      expect(ask('twgrpo insp')).toEqual(['inspect']);
      expect(ask('twgrpo inspect ')).toEqual(expect.arrayContaining(['model', 'run', 'video']));
      expect(ask('twgrpo inspect video --max-fr')).toEqual(['--max-frames']);
      expect(ask('twgrpo data che')).toEqual(['check']);
      expect(ask('twgrpo eval --video-preset auth')).toEqual(['authors', 'authors_eval']);
    },
  );
});
