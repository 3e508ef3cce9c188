/** Options as they stand in files: `A. red`, `(A) red`, `A) red`, `A: red`, or plain texts; alone or inside a problem text. */
import { LETTERS } from './item.ts';

const LABEL = /^\s*(?:\(([A-Za-z])\)|([A-Z])[.):])\s*/;

/** Letter and text of a labelled option; no letter when it is plain. */
export function splitLabel(option: string): { readonly letter: string | undefined; readonly text: string } {
  const match = LABEL.exec(option);
  if (match === null) return { letter: undefined, text: option.trim() };
  return { letter: (match[1] ?? match[2])!.toUpperCase(), text: option.slice(match[0].length).trim() };
}

/**
 * Texts of options whose letters, where all have one, run A, B, C …; plain texts stay as they are.
 * @returns undefined when only some are labelled, or the letters do not run in order
 */
export function unlabel(options: readonly string[]): string[] | undefined {
  const parts = options.map(splitLabel);
  const isRunning = parts.every((part, index) => part.letter === LETTERS[index]);
  if (isRunning) return parts.map((part) => part.text);
  // "A. Lincoln" among plain options is a name, not a label.
  return parts.filter((part) => part.letter !== undefined).length < options.length && parts[0]?.letter !== 'A'
    ? options.map((option) => option.trim())
    : undefined;
}

/**
 * Question and options out of one problem text: the last run of lines that begin A, B, C …, or the same labels inside one line.
 * @returns undefined when there are no such options
 */
export function splitProblem(
  problem: string,
): { readonly question: string; readonly options: string[] } | undefined {
  return splitByLines(problem) ?? splitInline(problem);
}

function splitByLines(problem: string): { question: string; options: string[] } | undefined {
  const lines = problem.split('\n');
  for (let start = lines.length - 1; start >= 0; start--) {
    if (labelOf(lines[start]!) !== 'A') continue;
    const options: string[] = [];
    for (const line of lines.slice(start)) {
      if (labelOf(line) === LETTERS[options.length]) options.push(line.replace(BARE_LABEL, '').trim());
      else if (line.trim() !== '' && options.length > 0) options[options.length - 1] += `\n${line.trim()}`;
    }
    const question = lines
      .slice(0, start)
      .join('\n')
      .replace(/\s*options:\s*$/i, '')
      .trim();
    if (options.length >= 2 && question !== '' && options.every((option) => option !== ''))
      return { question, options };
  }
  return undefined;
}

// Inside a problem text the authors also write `A text`, without a dot.
const BARE_LABEL = /^\s*(?:\(([A-Z])\)|([A-Z])[.):]?(?=\s))\s*/;

function labelOf(line: string): string | undefined {
  const match = BARE_LABEL.exec(line);
  return match === null ? undefined : (match[1] ?? match[2]);
}

function splitInline(problem: string): { question: string; options: string[] } | undefined {
  const starts: { at: number; end: number }[] = [];
  let from = 0;
  for (const letter of LETTERS) {
    const match = new RegExp(`(?:^|\\s)(?:\\(${letter}\\)|${letter}[.)])\\s`, 'g');
    match.lastIndex = from;
    const found = match.exec(problem);
    if (found === null) break;
    starts.push({ at: found.index, end: found.index + found[0].length });
    from = found.index + found[0].length - 1;
  }
  if (starts.length < 2) return undefined;
  const question = problem
    .slice(0, starts[0]!.at)
    .replace(/\s*options:\s*$/i, '')
    .trim();
  const options = starts.map(({ end }, index) => problem.slice(end, starts[index + 1]?.at).trim());
  return question === '' || options.some((option) => option === '') ? undefined : { question, options };
}
