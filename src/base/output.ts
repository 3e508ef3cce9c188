/** The output of a command: the result for a person or for a program, and progress on stderr. */

/** Options every command has that decide what is printed. */
export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly color: boolean;
}

/** The two places a command writes to. */
export interface Streams {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export class Output {
  readonly #streams: Streams;
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  /** True when stdout shows colours: a terminal, no `--no-color`, and NO_COLOR not set. */
  readonly hasColor: boolean;

  constructor(streams: Streams, options: OutputOptions) {
    this.#streams = streams;
    this.isJson = options.json === true;
    this.isQuiet = options.quiet === true;
    const isWished = options.color && (process.env['NO_COLOR'] ?? '') === '';
    this.hasColor = isWished && streams.stdout.isTTY === true;
  }

  /** The result for a person; nothing with `--json`. */
  print(text = ''): void {
    if (!this.isJson) this.#streams.stdout.write(`${text}\n`);
  }

  /** A piece of the result for a person, without a line break; nothing with `--json`. */
  write(text: string): void {
    if (!this.isJson) this.#streams.stdout.write(text);
  }

  /** The result for a program; nothing without `--json`. */
  json(value: unknown): void {
    if (this.isJson) this.#streams.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** A line about progress, on stderr; nothing with `--quiet`. */
  status(text: string): void {
    if (!this.isQuiet) this.#streams.stderr.write(`${text}\n`);
  }

  /** A line that another process wrote on its stderr. */
  line(text: string): void {
    this.#streams.stderr.write(`${text}\n`);
  }

  /** A warning, on stderr, also with `--quiet`. */
  warn(text: string): void {
    this.#streams.stderr.write(`warning: ${text}\n`);
  }

  bold(text: string): string {
    return this.#paint(1, 22, text);
  }
  dim(text: string): string {
    return this.#paint(2, 22, text);
  }
  red(text: string): string {
    return this.#paint(31, 39, text);
  }
  green(text: string): string {
    return this.#paint(32, 39, text);
  }
  yellow(text: string): string {
    return this.#paint(33, 39, text);
  }

  #paint(on: number, off: number, text: string): string {
    return this.hasColor ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  }
}
