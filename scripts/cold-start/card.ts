/** @file The card of a cold-start model, out of its scores. */
import { percentNumber, percentRange } from '../../src/base/index.ts';
import type { Eye, Scores, Share } from './scores.ts';

/** A model of the same training that is shown less of each video. */
export type Baselines = ReadonlyMap<Exclude<Eye, 'video'>, Scores>;

const cell = (share: Share): string => `${percentNumber(share.strict)} (${percentRange(share)})`;
const BASELINE_WORDS = { frame: 'a single frame', none: 'no video' };
const SHOWN = { frame: 'the middle frame', none: 'an empty floor' };

export function card(scores: Scores, baselines: Baselines): string {
  const { made_by, training, kinds, num_weights, machine } = scores;
  const others = [...baselines];
  const rows = Object.entries(kinds).map(([kind, { n, greedy, sampled, best_constant }]) => {
    const theirs = others.map(([, { kinds: scored }]) => cell(scored[kind]!.greedy));
    const own = [kind, n, cell(greedy), cell(sampled), percentNumber(best_constant)];
    return `| ${[...own, ...theirs].join(' | ')} |`;
  });
  const header = [
    'kind',
    'questions',
    'greedy %',
    'temperature 1 %',
    'best constant %',
    ...others.map(([eye]) => `${BASELINE_WORDS[eye]} %`),
  ];
  return `---
license: apache-2.0
library_name: twgrpo
---
# Cold start

A Qwen2.5-VL-shaped model of ${(num_weights / 1e6).toFixed(2)} million weights that has learned to look at short synthetic videos. It is where
\`twgrpo demo\` starts from, and good for nothing else: it was trained on ${Object.keys(kinds).length - 1} kinds of question about three coloured objects.

- **Made by** \`${made_by}\` (${machine})
- **Data** videos with up to three questions each (\`src/world/questions/lesson.ts\`), each seen once, frames drawn and not decoded
- **Training** ${training}; Muon and AdamW by \`recipes/cold-start.yaml\`
- **Answers** are one track for each option: colour, its cell in each second (\`aa\` upper left to \`dd\` lower right; \`out\`, \`none\`), then the option's letter or \`no\`

Strict accuracy (the chosen set is the right set) on the held-out videos, with 95 % Wilson intervals:

| ${header.join(' | ')} |
|---|---:|${header
    .slice(2)
    .map(() => '---')
    .join('|')}|
${rows.join('\n')}

The best constant answer is the letter set that is most often right among the held-out questions of the kind.
${others.map(([eye, other]) => `The baseline "${BASELINE_WORDS[eye]}" (greedy) was trained with ${SHOWN[eye]} in place of every frame, ${other.training}: \`${other.made_by}\`.`).join('\n')}

\`node scripts/cold-start.mjs --check\` asks the model again and compares with this table.
`;
}
