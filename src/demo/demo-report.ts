/** The page that a demo leaves: what was done and found, the same questions answered before and after, and what to try next. */
import { join, relative, resolve } from 'node:path';
import { type BothWays, WAYS, type Way } from '../eval/index.ts';
import { readTrainingRun, sampleAnswers, type TrainingPage } from '../report/index.ts';
import type { BeforeAfter } from '../stats/index.ts';
import type { ResolvedConfig } from '../train/index.ts';
import { samplingSettings } from '../video/index.ts';
import { type DemoModeName, VIDEO_KEYS } from './demo-plan.ts';

interface PageParts {
  readonly resolved: ResolvedConfig;
  readonly summary: readonly string[];
  readonly results: Readonly<Record<Way, BeforeAfter>>;
  readonly before: BothWays;
  readonly after: BothWays;
  readonly next: TrainingPage['next'];
  readonly seed: number;
}

/** The content of report.html, with stills of the clips whose answers it shows. */
export async function demoPage(parts: PageParts): Promise<TrainingPage> {
  const { resolved, summary, results, before, after, next, seed } = parts;
  const { config, sources } = resolved;
  const chosen = Object.entries(config).filter(([key]) => key in sources);
  return {
    title: `TW-GRPO demo, seed ${seed}`,
    summary,
    results: WAYS.map((way) => results[way]),
    notes: [
      'Strict: the chosen set of options is the right set. Soft: |S| / |G| where the chosen set S is part of the right set G, else 0; it is the reward that training raises. Intervals are of 95 % (Wilson; soft: bootstrap). p: McNemar, exact, two-sided.',
      'Temperature 1 is the policy as it samples and as training rewards it; greedy takes the likeliest token each time.',
    ],
    run: readTrainingRun(config.output_dir),
    token_weight_max: config.token_weight_max,
    answers: await sampleAnswers(before.greedy, after.greedy, samplingSettings(VIDEO_KEYS)),
    settings: chosen.map(([key, value]) => [key, JSON.stringify(value)]),
    next,
  };
}

/** Commands that go on from a demo in `folder`. */
export function nextCommands(folder: string, checkpoint: string, mode: DemoModeName): TrainingPage['next'] {
  const config = here(join(folder, 'run', 'config.yaml'));
  const output = (name: string) => here(join(folder, name));
  return [
    ...(mode === 'full'
      ? []
      : [{ command: 'twgrpo demo --full', what: 'Train for longer, measure on more questions' }]),
    {
      command: `twgrpo train --config ${config} --set loss_type=grpo --set output_dir=${output('run-grpo')}`,
      what: 'The same run with plain GRPO, without token weights',
    },
    {
      command: `twgrpo train --config ${config} --set accuracy=exact --set output_dir=${output('run-exact')}`,
      what: 'The same run with a reward for exactly right answers only',
    },
    {
      command: `twgrpo demo --model ${here(checkpoint)} --seed 2`,
      what: 'Go on from the trained model, on other clips',
    },
    {
      command:
        'twgrpo train --config recipes/tw-grpo.yaml --set model_name_or_path=... --set jsonl_path=... --set video_root=...',
      what: 'Your own model and videos',
    },
  ];
}

/** A path as short as possible: relative inside of the working directory. */
export function here(path: string): string {
  const inside = relative(process.cwd(), resolve(path));
  return inside.startsWith('..') ? resolve(path) : inside || '.';
}
