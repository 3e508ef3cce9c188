/**
 * @file Our side of the GRPO benchmark: steps of the product's own trainer and optimizer, on a prompt that was prepared before,
 * with completions of a fixed length and rewards of their place. Speaks the same line protocol as grpo_peer.py; see there.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createLogger } from '../src/base/index.ts';
import { type DataItem, toQuestion } from '../src/data/index.ts';
import { SINGLE_PROCESS } from '../src/dist/index.ts';
import { openSafetensors } from '../src/io/index.ts';
import {
  loadModel,
  type PromptInputs,
  type VideoLanguageModel,
  visionTokenIds,
} from '../src/models/index.ts';
import type { RewardInput } from '../src/rl/index.ts';
import { MetricAccumulator, PhaseClock } from '../src/run/index.ts';
import { engineInfo, keep, scope, setNumThreads, type Tensor } from '../src/tensor/index.ts';
import {
  createOptimizer,
  type GrpoConfig,
  GrpoTrainer,
  type Optimizer,
  type PromptSource,
  RunLength,
  resolveGrpoConfig,
  Updater,
} from '../src/train/index.ts';
import {
  type LoadCommand,
  PHASES,
  type SideFacts,
  type StepCommand,
  type StepRun,
  total,
} from './grpo-figures.ts';
import type { PromptFacts } from './grpo-inputs.ts';
import { peakBytes } from './harness.ts';

/** The authors' loss, with the gradient through the weights as in their code. */
function configOf(model: string, command: StepCommand): GrpoConfig {
  const values = {
    ...{ loss_type: 'tw_grpo', token_weight: 'authors', token_weight_detach: false, loss_norm: 'token' },
    ...{ max_grad_norm: 20, num_generations: command.num_generations, prompts_per_micro_batch: 1 },
    ...{ max_completion_length: command.completion_length, temperature: 1, seed: 7 },
    ...{ gradient_checkpointing: command.gradient_checkpointing ?? false },
    ...{ model_name_or_path: model, jsonl_path: '-', output_dir: '-' },
  };
  return resolveGrpoConfig([{ source: 'benchmark', values }]).config;
}

/** The head of the model has more words than its tokenizer, so texts are numbers; rewards here are of places, not of texts. */
const tokenizer = { decodeStream: () => ({ push: (id: number) => `${id} `, end: () => '' }) };

const ITEM: DataItem = {
  ...{ id: 'benchmark', question: '', options: ['yes', 'no'], answer: ['A'], dims: {}, provenance: {} },
  ...{ media: [], type: '', source: '', split: '' },
};

class Ours {
  readonly #folder: string;
  readonly #model: VideoLanguageModel;
  readonly #trainable: ReadonlyMap<string, Tensor>;
  readonly #inputs: PromptInputs;
  #optimizer: Optimizer | undefined;

  constructor({ model, inputs, threads }: LoadCommand) {
    setNumThreads(threads);
    this.#folder = model;
    this.#model = loadModel(model);
    this.#model.freeze({ vision: true, merger: true });
    this.#trainable = new Map([...this.#model.parameters()].filter(([, weight]) => weight.requires_grad));
    const facts = JSON.parse(readFileSync(inputs.replace(/\.safetensors$/, '.json'), 'utf8')) as PromptFacts;
    const pixels = openSafetensors(inputs).get('pixel_values_videos')!;
    this.#inputs = { ...facts, pixel_values_videos: keep(scope(() => pixels.read())) };
  }

  facts(): SideFacts {
    return {
      torch: engineInfo().torch_version,
      parameters: [...this.#model.parameters().values()].reduce((sum, weight) => sum + weight.numel(), 0),
      prompt_length: this.#inputs.input_ids.length,
    };
  }

  /**
   * One step. Without `update` it is made at a learning rate of 0, so that the weights stay. Given completions are not put in:
   * the trainer samples by its seed, and it is an error when it samples others.
   */
  async step(command: StepCommand): Promise<StepRun> {
    const config = configOf(this.#folder, command);
    this.#optimizer ??= createOptimizer(this.#trainable, config, (name) => this.#model.isHidden(name));
    const clock = new PhaseClock();
    const logger = createLogger({ quiet: true, fd: 2 });
    const metrics = new MetricAccumulator();
    const updater = new Updater({
      ...{ optimizer: this.#optimizer, max_grad_norm: config.max_grad_norm, processes: SINGLE_PROCESS },
      ...{ clock, logger },
    });
    const trainer = new GrpoTrainer({
      ...{ model: this.#model, updater, clock, logger, prompts: this.#prompts() },
      config: command.update === false ? { ...config, learning_rate: 0 } : config,
      length: new RunLength({ max_steps: 1, steps_of_data: 1 }),
      rewards: [{ name: 'place', reward: rewardsByPlace }],
      stop_token_ids: [],
      banned_token_ids: visionTokenIds(this.#model.config),
      tokenizer,
      frames: { numKept: 0 },
    });
    const before = process.cpuUsage();
    clock.enter('data');
    const { details } = await trainer.trainStep(0, metrics);
    const { phases, total: step_s } = clock.take();
    const { user, system } = process.cpuUsage(before);
    const rollouts = details.groups.flatMap((group) => group.rollouts);
    const completions = rollouts.map(({ ids }) => ids);
    if (
      command.completions !== undefined &&
      JSON.stringify(command.completions) !== JSON.stringify(completions)
    )
      throw new Error('the trainer sampled other completions from the same seed and weights');
    const { loss, grad_norm } = metrics.reduce();
    return {
      step_s,
      phases_s: Object.fromEntries(PHASES.map((phase) => [phase, phases.get(phase) ?? 0])),
      cpu_s: (user + system) / 1e6,
      loss: Number(loss),
      grad_norm: Number(grad_norm),
      logps_sum: total(rollouts.map(({ update }) => total([...(update?.logps ?? [])]))),
      peak_bytes: peakBytes(),
      completions,
    };
  }

  /** The same prompt at every step; its pixels stay. */
  #prompts(): PromptSource {
    const question = toQuestion(ITEM, { video_root: '.' });
    return {
      next: async () => [
        { place: 0, ready: { question, text: '', inputs: this.#inputs, dispose: () => {} } },
      ],
      prefetch: () => {},
    };
  }
}

/** Fixed rewards 0, 1/2, 1, 0, 1/2, 1, ..., the same as in grpo_peer.py. */
function rewardsByPlace(inputs: readonly RewardInput[]): number[] {
  return inputs.map((_, g) => (g % 3) / 2);
}

let ours: Ours | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as LoadCommand | StepCommand;
  let answer: SideFacts | StepRun;
  if (command.do === 'load') {
    ours = new Ours(command);
    answer = ours.facts();
  } else {
    if (ours === undefined) throw new Error('a step was asked for before anything was loaded');
    answer = await ours.step(command);
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
