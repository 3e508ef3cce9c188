/**
 * A first lesson for a model that knows nothing: name right options, avoid wrong ones, say little else.
 *
 * The option letters anywhere in the completion count, each once: +1 for a right one, -1 for a wrong one, divided by the
 * number of right options. On top comes half the share of characters that are option letters at all, so that even
 * random weights get a signal.
 *
 * @param {readonly {completion: string, solution: string, options?: readonly string[]}[]} inputs
 */
export function reward(inputs) {
  return inputs.map(({ completion, solution, options = [] }) => {
    const truth = new Set(solution.replace(/<\/?answer>/g, '').split(','));
    const known = 'ABCDEFGHIJ'.slice(0, options.length);
    const letters = [...completion].filter((character) => known.includes(character));
    const named = new Set(letters);
    const right = [...named].filter((letter) => truth.has(letter)).length;
    const share = completion.length === 0 ? 0 : letters.length / completion.length;
    return (2 * right - named.size) / truth.size + 0.5 * share;
  });
}
