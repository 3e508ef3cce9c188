/** `twgrpo completion`: a script that teaches a shell the words of this command line. Made from the commands themselves. */
import { Argument, Command } from 'commander';
import type { CommandDefinition, CommandEntry } from './command.ts';
import { addCommonOptions, COMMANDS } from './program.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export const completion: CommandDefinition = {
  examples: [
    'source <(twgrpo completion bash)      # in ~/.bashrc',
    'source <(twgrpo completion zsh)       # in ~/.zshrc, after compinit',
    'twgrpo completion fish > ~/.config/fish/completions/twgrpo.fish',
  ],
  configure: (command) => void command.addArgument(new Argument('<shell>').choices(SHELLS)),
  run: async ({ args: [shell], out }) => {
    const script = SCRIPTS[shell as Shell](await wordsOf(COMMANDS, 'twgrpo'));
    out.write(script);
    out.json({ shell, script });
    return undefined;
  },
};

/** Words that may follow a command: those under it, and its options. */
interface Words {
  /** The command with those above it, for example `twgrpo data check`. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly {
    readonly flag: string;
    readonly about: string;
    readonly choices: readonly string[];
  }[];
}

async function wordsOf(entries: readonly CommandEntry[], path: string): Promise<Words[]> {
  const inner: Words[] = [];
  for (const { name, load } of entries) {
    const { configure, run, subcommands = [] } = await load();
    const command = new Command(name);
    configure?.(command);
    if (run !== undefined) addCommonOptions(command);
    const options = command.options.flatMap(({ long, description, argChoices, hidden }) =>
      long == null || hidden ? [] : [{ flag: long, about: description, choices: argChoices ?? [] }],
    );
    const help = { flag: '--help', about: 'show the help', choices: [] };
    const below = await wordsOf(subcommands, `${path} ${name}`);
    inner.push(
      { path: `${path} ${name}`, commands: subcommands, options: [...options, help] },
      ...below.slice(1),
    );
  }
  const top = ['--help', '--version'].map((flag) => ({ flag, about: '', choices: [] }));
  return [{ path, commands: entries, options: path === 'twgrpo' ? top : [] }, ...inner];
}

const SCRIPTS: Readonly<Record<Shell, (words: readonly Words[]) => string>> = { bash, zsh, fish };

/** Lines of a `case` over the command typed so far; both shells read them. */
function cases(words: readonly Words[]): string {
  return words
    .map(({ path, commands, options }) => {
      const names = [...commands.map(({ name }) => name), ...options.map(({ flag }) => flag)];
      return `    '${path}') words='${names.join(' ')}' ;;`;
    })
    .join('\n');
}

function choices(words: readonly Words[]): string {
  return words
    .flatMap(({ path, options }) =>
      options
        .filter((option) => option.choices.length > 0)
        .map(({ flag, choices }) => `    '${path} ${flag}') words='${choices.join(' ')}' ;;`),
    )
    .join('\n');
}

const isCommand = (words: readonly Words[]): string =>
  words
    .slice(1)
    .map(({ path }) => `'${path}'`)
    .join('|');

function bash(words: readonly Words[]): string {
  return `# bash completion of twgrpo: source <(twgrpo completion bash)
_twgrpo() {
  local path=twgrpo word words='' current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$path $word" in ${isCommand(words)}) path="$path $word" ;; esac
  done
  case "$path" in
${cases(words)}
  esac
  case "$path $before" in
${choices(words)}
  esac
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
}
complete -o default -o bashdefault -F _twgrpo twgrpo
`;
}

function zsh(words: readonly Words[]): string {
  return `#compdef twgrpo
# zsh completion of twgrpo: source <(twgrpo completion zsh), after compinit
_twgrpo_complete() {
  local path_so_far=twgrpo word words_here='' before=\${words[CURRENT-1]} i
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    case "$path_so_far $word" in ${isCommand(words)}) path_so_far="$path_so_far $word" ;; esac
  done
  case "$path_so_far" in
${cases(words).replaceAll("words='", "words_here='")}
  esac
  case "$path_so_far $before" in
${choices(words).replaceAll("words='", "words_here='")}
  esac
  compadd -- \${=words_here}
  _files
}
compdef _twgrpo_complete twgrpo
`;
}

function fish(words: readonly Words[]): string {
  const quote = (text: string) => `'${text.replace(/[\\']/g, (mark) => `\\${mark}`)}'`;
  const lines = words.flatMap(({ path, commands, options }) => {
    const at = `__twgrpo_at ${path.split(' ').slice(1).join(' ')}`.trim();
    return [
      ...commands.map(
        ({ name, summary }) => `complete -c twgrpo -f -n ${quote(at)} -a ${quote(name)} -d ${quote(summary)}`,
      ),
      ...options.map(({ flag, about, choices }) => {
        const values = choices.length > 0 ? ` -x -a ${quote(choices.join(' '))}` : '';
        return `complete -c twgrpo -n ${quote(at)} -l ${flag.slice(2)} -d ${quote(about.slice(0, 60))}${values}`;
      }),
    ];
  });
  return `# fish completion of twgrpo: twgrpo completion fish > ~/.config/fish/completions/twgrpo.fish
set -g __twgrpo_paths ${words
    .slice(1)
    .map(({ path }) => quote(path))
    .join(' ')}
function __twgrpo_at
  set -l path twgrpo
  for word in (commandline -opc)[2..-1]
    contains -- "$path $word" $__twgrpo_paths; and set path "$path $word"
  end
  test "$path" = (string join ' ' twgrpo $argv)
end
${lines.join('\n')}
`;
}
