/**
 * The names that stored weights have, freed of what training put around them: `torch.compile`, data parallelism, FSDP, PEFT and
 * trainer classes save a model under longer names. A known prefix says nothing about the weights, so it is taken off, and
 * said; any other is refused where the weights are checked.
 *
 * Source: the wrappers' own code: torch `_dynamo/eval_frame.py` (`_orig_mod`), `nn/parallel/distributed.py` (`module`),
 * `distributed/fsdp/_common_utils.py` (`_fsdp_wrapped_module`), `distributed/algorithms/_checkpoint/checkpoint_wrapper.py`
 * (`_checkpoint_wrapped_module`), huggingface/peft `tuners/tuners_utils.py` (`base_model.model`).
 */

/** Published name of the token embedding. */
export const EMBEDDING = 'model.embed_tokens.weight';
/** Published name of the language model head. */
export const HEAD = 'lm_head.weight';

/** Wrappers of any part of a model. */
const ANYWHERE = /(^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./;

/** Wrappers of the whole model, and a text model inside another; the rest must go on as a model's own name does. */
const IN_FRONT = [
  /^(module\.)/,
  /^(base_model\.model\.)/,
  /^(language_model\.)(?:model|lm_head)\./,
  /^(model\.)(?:model|lm_head)\./,
] as const;

/** The name without wrappers, and the wrappers that were taken off. */
export function unwrapName(key: string): { readonly name: string; readonly wrappers: readonly string[] } {
  const wrappers: string[] = [];
  let name = key;
  for (;;) {
    const inside = ANYWHERE.exec(name);
    const front = IN_FRONT.map((pattern) => pattern.exec(name)?.[1]).find((found) => found !== undefined);
    if (inside !== null) {
      wrappers.push(`${inside[2]}.`);
      name = name.replace(ANYWHERE, '$1');
    } else if (front !== undefined) {
      wrappers.push(front);
      name = name.slice(front.length);
    } else return { name, wrappers };
  }
}

/** The longest run of whole parts that all names begin with, its dot included; empty for none, and for a single name. */
export function commonPrefix(names: readonly string[]): string {
  const [first = '', ...rest] = names;
  if (rest.length === 0) return '';
  const parts = first.split('.').slice(0, -1);
  while (parts.length > 0 && !rest.every((name) => name.startsWith(`${parts.join('.')}.`))) parts.pop();
  return parts.length === 0 ? '' : `${parts.join('.')}.`;
}

/** How many, three examples, and what all begin with: a model has hundreds of names. */
export function examples(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  const rest = names.length > 3 ? `, and ${names.length - 3} more` : '';
  const prefix = commonPrefix(names);
  return `${shown}${rest}${prefix === '' ? '' : ` (all begin with "${prefix}")`}`;
}
