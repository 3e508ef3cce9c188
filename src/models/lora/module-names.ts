/**
 * Which modules a PEFT config means: lists of endings, and patterns in Python's regular expressions.
 *
 * Source: huggingface/peft 0.21 `tuners/tuners_utils.py` `check_target_module_exists`, `utils/other.py` `get_pattern_key`.
 */
import { CheckpointError, withinTime } from '../../base/index.ts';

const LIMIT_MS = 3000;

/**
 * Work with the patterns of an adapter's config. One that a stranger wrote may keep a matcher busy for ever: `(a+)+$`.
 * @throws CheckpointError naming the file, after 3 s
 */
export function withPatternsOf<T>(file: string, work: () => T): T {
  return withinTime(
    LIMIT_MS,
    work,
    () =>
      new CheckpointError(
        `${file}: target_modules, exclude_modules, rank_pattern or alpha_pattern takes longer than ${LIMIT_MS / 1000} s to match`,
        { hint: 'write the names of the modules instead of a pattern' },
      ),
  );
}

/** PEFT's rule: a list holds whole names or endings after a dot, a string is a pattern for the whole name. @throws SyntaxError */
export function matches(module: string, names: readonly string[] | string): boolean {
  if (typeof names === 'string') return names === 'all-linear' || pythonPattern(names, '').test(module);
  return names.some((name) => module === name || module.endsWith(`.${name}`));
}

/**
 * The value that `rank_pattern` or `alpha_pattern` has for a module: the first pattern that is its name or an ending of it.
 * @param modules the module's names in the layouts it has had; patterns may be of any of them
 * @throws SyntaxError
 */
export function patternValue(
  patterns: Readonly<Record<string, number>> | undefined,
  modules: readonly string[],
): number | undefined {
  return Object.entries(patterns ?? {}).find(([pattern]) => {
    const regular = pythonPattern(pattern, '(?:.*\\.)?');
    return modules.some((module) => regular.test(module));
  })?.[1];
}

/**
 * A regular expression of Python that must match a whole name.
 * @param before what may stand before it
 * @throws SyntaxError for what JavaScript has no form of
 */
function pythonPattern(pattern: string, before: string): RegExp {
  const [, letters = ''] = /^\(\?([a-z]+)\)/.exec(pattern) ?? [];
  if (/[^aimsu]/.test(letters)) throw new SyntaxError(`flags (?${letters}) are not known here`);
  const own = (letters === '' ? pattern : pattern.slice(letters.length + 3))
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replaceAll('\\A', '^')
    .replaceAll('\\Z', '$');
  return new RegExp(`^${before}(?:${own})$`, letters.replaceAll(/[au]/g, ''));
}
