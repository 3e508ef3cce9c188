/** `twgrpo plan`: memory and time of a run before anything is loaded, and what to change where it does not fit. */
import { basename, dirname } from 'node:path';
import { ConfigError, EXIT_CODES, type Output, readJsonFile, tableLines } from '../base/index.ts';
import { resolveModelConfig } from '../hub/index.ts';
import { parseModelConfig, weightShapes } from '../models/index.ts';
import {
  type Change,
  changeThatFits,
  H100,
  longestPrompt,
  type MemoryPlan,
  onDevice,
  PHASES,
  passSizes,
  planRun,
  planTime,
  type TimePlan,
} from '../plan/index.ts';
import { resolveGrpoConfig } from '../train/index.ts';
import type { CommandDefinition, ConfigOptions } from './command.ts';
import { configOptions } from './command.ts';
import { telling } from './locate.ts';
import { finiteNumber, wholeNumber } from './numbers.ts';
import { readRunOptions } from './run-options.ts';

interface Choice extends ConfigOptions {
  readonly model?: string;
  readonly gpus: string;
  readonly promptTokens?: number;
  readonly tflops: number;
  readonly bandwidth: number;
  readonly link: number;
}

/** `8x80`: eight devices of 80 GB, a process on each. */
function devicesOf(gpus: string): { readonly num_ranks: number; readonly bytes: number } {
  const [, count, size] = /^(\d+)x(\d+(?:\.\d+)?)$/.exec(gpus) ?? [];
  if (size === undefined || Number(count) < 1)
    throw new ConfigError(`--gpus ${gpus}: expected number x GB, for example 1x80`);
  return { num_ranks: Number(count), bytes: Number(size) * 1e9 };
}

const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

function printPlan(plan: MemoryPlan, time: TimePlan, out: Output): void {
  const rows = plan.items.map(({ name, bytes, place, phase }) => [
    name,
    gb(bytes),
    place === 'host' ? 'host memory' : (phase ?? 'always'),
  ]);
  for (const line of tableLines(['item', 'bytes', 'when'], rows)) out.print(`  ${line}`);
  out.print();
  const phases = PHASES.map((name) => [name, gb(plan.peaks[name])]);
  for (const line of tableLines(['phase', 'at most'], phases)) out.print(`  ${line}`);
  out.print();
  const seconds = Object.entries(time).map(([phase, value]) => `${phase} ${value.toFixed(1)} s`);
  out.print(`  a step, at the rates given: ${seconds.join(', ')}`);
  out.print(
    `  host memory for the copy that a checkpoint is written from: ${gb(plan.snapshot)}; with less than twice that free, training waits for the disk`,
  );
}

function printVerdict(plan: MemoryPlan, bytes: number, change: Change | undefined, out: Output): void {
  const needed = `${gb(onDevice(plan))} of ${gb(bytes)}: the peak of ${gb(plan.peak)}, 5 % for fragmentation and 0.6 GB for the context`;
  if (onDevice(plan) <= bytes) {
    out.print(out.green(`fits: ${needed}`));
    return;
  }
  out.print(out.red(`does not fit: ${needed}`));
  if (change === undefined) {
    out.print('no change of one or two keys is enough: take a smaller model or a larger device');
    return;
  }
  const sets = Object.entries(change.keys).map(([key, value]) => `--set ${key}=${value}`);
  out.print(`fits with ${sets.join(' ')}: ${gb(onDevice(change.plan))} (${change.cost})`);
}

export const plan: CommandDefinition = {
  examples: [
    'twgrpo plan --model Qwen/Qwen2.5-VL-7B-Instruct --gpus 1x80',
    'twgrpo plan --config recipes/qwen3-vl-4b-lora.yaml --model Qwen/Qwen3-VL-4B-Instruct --gpus 1x24',
    'twgrpo plan --config recipes/tw-grpo-paper.yaml --model models/Qwen2.5-VL-7B-Instruct --gpus 1x141',
    'twgrpo plan --config recipes/full-7b-8x80.yaml --model Qwen/Qwen2.5-VL-7B-Instruct --gpus 8x80',
    'twgrpo plan --model config.json --gpus 1x24 --set lora_r=16 --set max_completion_length=1024 --json',
  ],
  configure: (command) =>
    void configOptions(command)
      .option(
        '--model <name>',
        'folder of a model, its config.json, or its name on the hub, of which only config.json is fetched (default: model_name_or_path)',
      )
      .option('--gpus <NxGB>', 'the devices: 8x80 is eight of 80 GB, with a process on each', '1x80')
      .option(
        '--prompt-tokens <n>',
        'tokens of the longest prompt, all but 200 of them video (default: what frames and pixels allow)',
        wholeNumber(201),
      )
      .option(
        '--tflops <n>',
        'products, in 10^12 operations a second (default: 40 % of an H100)',
        finiteNumber,
        H100.flops / 1e12,
      )
      .option(
        '--bandwidth <n>',
        'memory traffic, in GB a second (default: 60 % of an H100)',
        finiteNumber,
        H100.bandwidth / 1e9,
      )
      .option(
        '--link <n>',
        'between two devices, in GB a second each way (default: 60 % of NVLink)',
        finiteNumber,
        H100.link / 1e9,
      ),
  run: async ({ options, out }) => {
    const given = options<Choice>();
    const { num_ranks, bytes } = devicesOf(given.gpus);
    const { layers } = readRunOptions({ ...given, resume: false });
    // What a plan does not read need not be given.
    const unread = {
      loss_type: 'tw_grpo',
      jsonl_path: 'unread',
      output_dir: 'unread',
      ...(given.model === undefined ? {} : { model_name_or_path: given.model }),
    };
    const { config, notices } = resolveGrpoConfig([{ source: 'plan', values: unread }, ...layers]);
    for (const notice of notices) out.warn(notice);
    const name = given.model ?? config.model_name_or_path;
    const { path } = await resolveModelConfig(name, telling(out));
    const model = parseModelConfig(readJsonFile(path), path, (text) => out.warn(text));
    const shapes = weightShapes(model);
    const longest = longestPrompt(config, model);
    const prompt =
      given.promptTokens === undefined
        ? longest
        : {
            tokens: given.promptTokens,
            patches: (given.promptTokens - 200) * model.vision_config.spatial_merge_size ** 2,
          };
    const perStep = config.prompts_per_micro_batch * config.gradient_accumulation_steps;
    if (perStep < num_ranks)
      throw new ConfigError(`--gpus ${given.gpus}: ${perStep} prompts a step for ${num_ranks} processes`, {
        hint: `set gradient_accumulation_steps to at least ${Math.ceil(num_ranks / config.prompts_per_micro_batch)}`,
      });
    const found = planRun(config, model, prompt, num_ranks);
    const keys = {
      prompts_per_step: Math.ceil(perStep / num_ranks),
      num_ranks,
      zero_stage: config.zero_stage,
      max_completion_length: config.max_completion_length,
      gradient_checkpointing: config.gradient_checkpointing,
      isLora: config.lora_r !== undefined,
      offload_optimizer: config.offload_optimizer,
    };
    const time = planTime(found, passSizes(model, shapes), keys, prompt, {
      flops: given.tflops * 1e12,
      bandwidth: given.bandwidth * 1e9,
      link: given.link * 1e9,
    });
    const doesFit = onDevice(found) <= bytes;
    const change = doesFit ? undefined : changeThatFits(config, model, bytes, prompt, num_ranks);
    const title = basename(path) === 'config.json' ? basename(dirname(path)) : basename(path);
    out.print(
      out.bold(
        `${given.model ?? title}, ${[given.config ?? 'default keys', ...given.set].join(', ')}: prompts of up to ${prompt.tokens} tokens, ${config.num_generations} completions of ${config.max_completion_length}`,
      ),
    );
    out.print();
    printPlan(found, time, out);
    out.print();
    printVerdict(found, bytes, change, out);
    out.json({
      fits: doesFit,
      needed_bytes: onDevice(found),
      ...found,
      time,
      change: change ?? null,
      prompt,
    });
    return doesFit ? EXIT_CODES.done : EXIT_CODES.data;
  },
};
