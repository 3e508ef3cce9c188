/** @file The README's quick start of the library, word for word. A test compares the two and runs it. */
import { writeFileSync } from 'node:fs';
import { createLogger } from '../../src/base/index.ts';
import { readItems, toQuestion } from '../../src/data/index.ts';
import { openModelFolder } from '../../src/models/index.ts';
import { FrameStore, promptLoader } from '../../src/prompt/index.ts';
import { answerPrompts } from '../../src/rollout/index.ts';
import { resolveGrpoConfig, runGrpo } from '../../src/train/index.ts';
import { generateWorld } from '../../src/world/index.ts';

// Four small videos with questions, and a reward of one's own: a number for each completion.
const world = await generateWorld({ output_dir: 'world', num_videos: 4, seed: 1 });
writeFileSync('short.mjs', 'export const reward = (all) => all.map(({ completion }) => -completion.length);');
const values = {
  model_name_or_path: 'assets/cold-start',
  jsonl_path: world.jsonl_path,
  video_root: world.video_root,
  output_dir: 'runs/quick-start',
  prompt_template: 'plain',
  loss_type: 'tw_grpo',
  reward_funcs: ['accuracy', 'short.mjs'],
  num_generations: 4,
  max_completion_length: 64,
  max_frames: 8,
  max_steps: 2,
};
const resolved = resolveGrpoConfig([{ source: 'quick start', values }]);
const { checkpoint } = await runGrpo({ resolved, logger: createLogger() });

// The trained model answers a question.
const folder = openModelFolder(checkpoint!);
const model = folder.loadModel();
const load = promptLoader(folder.processor, resolved.config, new FrameStore({ budget_mib: 0 }));
const question = toQuestion(readItems(world.jsonl_path).items[0]!, world);
const { inputs } = await load(question);
const [answer] = await answerPrompts([{ id: question.id, inputs: () => inputs }], {
  model,
  sampling: { greedy: true },
  max_completion_length: 64,
  stop_token_ids: folder.stop_token_ids,
});
console.log(question.problem, folder.processor.tokenizer.decode(answer!.ids));
