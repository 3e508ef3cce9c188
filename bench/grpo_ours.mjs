/**
 * @file Our side of the GRPO benchmark: the training step from the same building blocks as `GrpoTrainer`, with
 * completions of a fixed length. Speaks the same line protocol as grpo_peer.py; see there.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openSafetensors } from '../build/js/io/index.js';
import { loadModel, visionTokenIds } from '../build/js/models/index.js';
import { generateGroup } from '../build/js/rollout/index.js';
import {
  dispose,
  engineInfo,
  Generator,
  getNumThreads,
  keep,
  liveTensors,
  scope,
  setNumThreads,
} from '../build/js/tensor/index.js';
import { accumulateGroupGradient } from '../build/js/train/grpo/policy-update.js';
import { AdamW, clipGradNorm, resolveGrpoConfig } from '../build/js/train/index.js';

const peakBytes = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;

/** Wall time and processor time by name; entering a phase ends the one before. */
class Phases {
  seconds = {};
  cpuSeconds = {};
  #name;
  #since;
  enter(name) {
    const { user, system } = process.cpuUsage();
    const now = { wall: performance.now() / 1e3, cpu: (user + system) / 1e6 };
    if (this.#name !== undefined) {
      this.seconds[this.#name] = (this.seconds[this.#name] ?? 0) + now.wall - this.#since.wall;
      this.cpuSeconds[this.#name] = (this.cpuSeconds[this.#name] ?? 0) + now.cpu - this.#since.cpu;
    }
    this.#name = name;
    this.#since = now;
  }
}

class Ours {
  #model;
  #config;
  #optimizer;
  #trainable;
  #inputs;
  #generator = new Generator(7);
  #phases = new Phases();

  constructor({ model, inputs, threads, config = {} }) {
    setNumThreads(threads);
    // The authors' loss, with the gradient through the weights as in their code.
    this.#config = resolveGrpoConfig([
      {
        source: 'benchmark',
        values: {
          loss_type: 'tw_grpo',
          token_weight: 'authors',
          token_weight_detach: false,
          loss_norm: 'token',
          max_grad_norm: 20,
          model_name_or_path: model,
          jsonl_path: '-',
          output_dir: '-',
          ...config,
        },
      },
    ]).config;
    this.#model = loadModel(model);
    this.#model.freeze({ vision: true, merger: true });
    this.#trainable = new Map([...this.#model.parameters()].filter(([, weight]) => weight.requires_grad));
    this.#optimizer = new AdamW(this.#trainable, this.#config);
    const facts = JSON.parse(readFileSync(inputs.replace(/\.safetensors$/, '.json'), 'utf8'));
    const pixels = openSafetensors(inputs).get('pixel_values_videos');
    this.#inputs = { ...facts, pixel_values_videos: keep(scope(() => pixels.read())) };
    this.#splitUpdate();
  }

  /** Forward, loss and backward are one call of the trainer's; the phases are told apart at its model. */
  #splitUpdate() {
    const model = this.#model;
    const forward = model.completionHidden.bind(model);
    model.completionHidden = (...given) => {
      this.#phases.enter('forward');
      const result = forward(...given);
      this.#phases.enter('loss');
      const backward = (gradient) => {
        this.#phases.enter('backward');
        result.backward(gradient);
      };
      return { ...result, backward };
    };
  }

  facts() {
    const numel = (weights) => [...weights].reduce((sum, [, weight]) => sum + weight.numel(), 0);
    return {
      torch: engineInfo().torch_version,
      node: process.version,
      threads: getNumThreads(),
      parameters: numel(this.#model.parameters()),
      trainable: numel(this.#trainable),
      prompt_length: this.#inputs.input_ids.length,
      peak_bytes: peakBytes(),
    };
  }

  async step({
    num_generations,
    completion_length,
    gradient_checkpointing = false,
    completions,
    update = true,
  }) {
    this.#phases = new Phases();
    const phases = this.#phases;
    const started = performance.now();
    phases.enter('encode');
    const prompt = this.#model.encode(this.#inputs);
    try {
      phases.enter('generate');
      const ids = completions ?? (await this.#generate(prompt, num_generations, completion_length));
      phases.enter('forward');
      this.#optimizer.zeroGrad();
      const group = {
        prompt,
        inputs: this.#inputs,
        completions: ids,
        truncated: ids.map(() => false),
        advantages: advantagesOf(num_generations),
      };
      const config = { ...this.#config, gradient_checkpointing };
      const scale = {
        num_sequences: num_generations,
        num_tokens: num_generations * completion_length,
        max_completion_length: completion_length,
      };
      const result = accumulateGroupGradient(this.#model, group, {}, config, scale);
      phases.enter('optimizer');
      const norm = clipGradNorm(this.#trainable.values(), this.#config.max_grad_norm);
      if (update) this.#optimizer.step(this.#config.learning_rate);
      phases.enter(undefined);
      const step_s = (performance.now() - started) / 1000;
      const logps_sum = scope(() => result.logps_GT.to({ dtype: 'float64' }).sum().item());
      dispose([result.logps_GT, result.weights_GT, result.entropy_GT]);
      return {
        step_s,
        phases_s: phases.seconds,
        phases_cpu_s: phases.cpuSeconds,
        loss: result.loss,
        grad_norm: norm,
        logps_sum,
        peak_bytes: peakBytes(),
        live_tensors: liveTensors(),
        completions: ids,
      };
    } finally {
      prompt.dispose();
    }
  }

  async #generate(prompt, num_generations, completion_length) {
    const completions = await generateGroup(this.#model, prompt, {
      num_generations,
      max_completion_length: completion_length,
      temperature: 1,
      stop_token_ids: [],
      banned_token_ids: visionTokenIds(this.#model.config),
      generator: this.#generator,
    });
    return completions.map(({ ids }) => ids);
  }
}

/** As in grpo_peer.py: fixed rewards 0, 1/2, 1, 0, 1/2, 1, ... */
function advantagesOf(num) {
  const rewards = Array.from({ length: num }, (_, g) => (g % 3) / 2);
  if (num === 1) return [1];
  const mean = rewards.reduce((a, b) => a + b) / num;
  const std = Math.sqrt(rewards.reduce((sum, r) => sum + (r - mean) ** 2, 0) / (num - 1));
  return rewards.map((r) => (r - mean) / (std + 1e-4));
}

let ours;
for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...command } = JSON.parse(line);
  let answer;
  if (what === 'load') {
    ours = new Ours(command);
    answer = ours.facts();
  } else {
    answer = await ours.step(command);
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
