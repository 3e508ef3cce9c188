/** @file The rooms of the house: what each is for and which it may use. The architecture test and docs/architecture.md read it here. */

export interface Room {
  /** One sentence, as in docs/architecture.md. */
  readonly purpose: string;
  /** Rooms it may import; `types:room` allows `import type` only. */
  readonly uses: readonly string[];
}

/** From what all stand on to what nobody imports. */
export const ROOMS: Readonly<Record<string, Room>> = {
  base: {
    purpose: 'Errors, log, output, progress, atomic files, random numbers: what every room may use.',
    uses: [],
  },
  hub: {
    purpose: 'Names on the Hugging Face Hub: cache, downloads, uploads.',
    uses: ['base'],
  },
  tensor: {
    purpose: 'Any libtorch operator through one call; Tensor, scopes, autograd, random streams.',
    uses: ['base'],
  },
  dist: {
    purpose: 'Several processes as one run: who they are, how they start, what they tell each other.',
    uses: ['base', 'tensor'],
  },
  run: {
    purpose: 'The run directory: metrics, completions, token files, TensorBoard events, phase times.',
    uses: ['base'],
  },
  answers: {
    purpose: 'Reading answers out of completions, and scoring them.',
    uses: ['base'],
  },
  stats: {
    purpose: 'Accuracy with its intervals, and comparisons of runs.',
    uses: ['base'],
  },
  video: {
    purpose: 'FFmpeg in a killable child: probe, decode, sample, encode.',
    uses: ['base'],
  },
  data: {
    purpose: "Items, readers for the field's files, checks, prompts, question-answer inversion, samplers.",
    uses: ['base', 'answers', 'video', 'types:io'],
  },
  world: {
    purpose: 'Synthetic clips of moving, colliding shapes, with questions and true answers.',
    uses: ['base', 'data', 'video'],
  },
  logs: {
    purpose: 'Results logs of other programs and of `eval`, scored again.',
    uses: ['base', 'answers', 'data', 'stats'],
  },
  io: {
    purpose: 'Safetensors, tokenizer, chat template.',
    uses: ['base', 'tensor'],
  },
  models: {
    purpose: 'Qwen2-VL, Qwen2.5-VL and Qwen3-VL forward and backward, weights, processor, LoRA.',
    uses: ['base', 'tensor', 'io', 'types:video'],
  },
  rl: {
    purpose: 'Pure functions: rewards, advantages, token weights, losses.',
    uses: ['base', 'tensor', 'answers'],
  },
  prompt: {
    purpose: 'From a question to a prompt with its frames, ahead of time.',
    uses: ['base', 'tensor', 'types:dist', 'models', 'video', 'data'],
  },
  rollout: {
    purpose: 'Sampling chain, groups of completions from one prompt, their rewards.',
    uses: ['base', 'tensor', 'models', 'answers', 'rl', 'data', 'prompt'],
  },
  train: {
    purpose: 'Configuration, optimizers, the run loop, GRPO and supervised training, checkpoints.',
    uses: [
      'base',
      'tensor',
      'dist',
      'run',
      'io',
      'video',
      'models',
      'answers',
      'rl',
      'data',
      'prompt',
      'rollout',
    ],
  },
  plan: {
    purpose: 'Memory and time of a run, forecast from its configuration and the shapes of the weights.',
    uses: ['models', 'video', 'rl', 'types:train'],
  },
  eval: {
    purpose: 'Benchmarks, protocols, resumable evaluations.',
    uses: ['base', 'tensor', 'dist', 'video', 'models', 'answers', 'data', 'stats', 'prompt', 'rollout'],
  },
  report: {
    purpose: 'Pages and charts of evaluations, runs and worlds.',
    uses: ['base', 'run', 'answers', 'video', 'data', 'stats', 'logs', 'types:eval', 'world'],
  },
  dashboard: {
    purpose: 'The page over runs and evaluations: its server, what it is told, the report as one file.',
    uses: ['base', 'run', 'stats', 'video', 'data', 'prompt', 'report'],
  },
  demo: {
    purpose: 'What the demo trains, asks and prints.',
    uses: ['base', 'video', 'data', 'world', 'stats', 'prompt', 'train', 'eval', 'report'],
  },
  library: {
    purpose: 'What a program that imports the package uses: load, ask, train, evaluate.',
    uses: [
      'base',
      'tensor',
      'run',
      'video',
      'models',
      'rl',
      'data',
      'world',
      'stats',
      'prompt',
      'rollout',
      'train',
      'eval',
    ],
  },
  cli: {
    purpose: 'One file for each command.',
    uses: [
      'base',
      'hub',
      'tensor',
      'dist',
      'run',
      'video',
      'models',
      'answers',
      'data',
      'world',
      'stats',
      'logs',
      'prompt',
      'rollout',
      'train',
      'eval',
      'report',
      'dashboard',
      'demo',
      'plan',
    ],
  },
};
