/**
 * A first lesson for a model that knows nothing: answer with option letters, and with the right ones.
 *
 * The option letters anywhere in the completion are its answer; the reward is the overlap of answer and truth
 * (shared letters over all letters of both) plus half the share of characters that are option letters at all, so that
 * even random weights get a signal.
 *
 * @param {readonly {completion: string, solution: string, options?: readonly string[]}[]} inputs
 */
export function reward(inputs) {
  return inputs.map(({ completion, solution, options = [] }) => {
    const truth = new Set(solution.replace(/<\/?answer>/g, '').split(','));
    const known = 'ABCDEFGHIJ'.slice(0, options.length);
    const letters = [...completion].filter((character) => known.includes(character));
    const named = new Set(letters);
    const shared = [...named].filter((letter) => truth.has(letter)).length;
    const overlap = named.size === 0 ? 0 : shared / (named.size + truth.size - shared);
    return overlap + (0.5 * letters.length) / Math.max(completion.length, 1);
  });
}
