/** A GRPO run: what the run loop needs to know of it, from the reward functions to what a step leaves in the run folder. */
import type { Logger } from '../../base/index.ts';
import { EpochSampler } from '../../data/index.ts';
import { type Processes, SINGLE_PROCESS } from '../../dist/index.ts';
import type { GenerationConfig } from '../../models/index.ts';
import { FrameStore, ItemFeed, promptLoader } from '../../prompt/index.ts';
import type { RewardFunction } from '../../rl/index.ts';
import { loadRewards } from '../../rollout/index.ts';
import type { GrpoConfig } from '../config/config.ts';
import { loadQuestions } from '../loop/load-questions.ts';
import { loadReference } from '../loop/policy-model.ts';
import {
  checkTraining,
  type Method,
  type RunCheck,
  type RunOptions,
  type RunResult,
  runTraining,
} from '../loop/run-loop.ts';
import { checkJudges } from './check-rewards.ts';
import { type GrpoStepReport, GrpoTrainer } from './grpo-trainer.ts';
import { logProbe } from './probe.ts';
import { recordStep } from './run-records.ts';

export interface GrpoRunOptions extends RunOptions<GrpoConfig, GrpoStepReport> {
  /** Decoded frames; several runs in one process may share a store, which stays the caller's. Default: one of `video_cache_mib`. */
  readonly frames?: FrameStore | undefined;
  /** Reward functions by the names that `reward_funcs` uses; the others are built in or modules. */
  readonly rewards?: Readonly<Record<string, RewardFunction>> | undefined;
}

/**
 * @throws ConfigError, DataError, CheckpointError, VideoError before or during training, each naming file and key
 * @throws TwgrpoError when too many updates in a row were refused, after saving
 */
export async function runGrpo(options: GrpoRunOptions): Promise<RunResult> {
  return await runTraining(grpoMethod, options);
}

/** What a run would begin with, found out as the run does. @throws what `runGrpo` throws before it loads weights */
export async function checkGrpo(options: GrpoRunOptions): Promise<RunCheck> {
  return await checkTraining(grpoMethod(options, SINGLE_PROCESS), options);
}

function grpoMethod(
  { resolved, logger, frames: shared, rewards: ownRewards }: GrpoRunOptions,
  processes: Processes,
): Method<'grpo', Pick<GrpoStepReport, 'groups'>> {
  const { config } = resolved;
  return {
    kind: 'grpo',
    prepare: async ({ folder, saved }) => {
      const { processor } = folder;
      const { questions, fingerprint } = loadQuestions(config);
      const rewards = await loadRewards({ ...config, logger }, ownRewards);
      const rewardNames = rewards.map(({ name }) => name);
      checkJudges(questions, rewardNames);
      const sampler = new EpochSampler({
        length: questions.length,
        seed: config.data_seed ?? config.seed,
        order: config.data_order,
        fingerprint,
      });
      if (saved !== undefined) sampler.loadState(saved.sampler);
      return {
        questions,
        numItems: questions.length,
        epochLength: questions.length,
        microBatchSize: config.prompts_per_micro_batch,
        start: (parts) => {
          const { model } = parts;
          const reference =
            config.beta > 0 && model.adapter === undefined ? loadReference(config, folder) : undefined;
          const frames = shared ?? new FrameStore({ budget_mib: config.video_cache_mib, logger });
          const feed = new ItemFeed({
            questions,
            sampler,
            load: promptLoader(processor, config, frames),
            on_bad_video: config.on_bad_video,
            logger,
            processes,
          });
          tellUnusedSampling(folder.generation, config, logger);
          let isProbeDue = config.probe;
          const trainer = new GrpoTrainer({
            ...parts,
            config,
            reference,
            prompts: feed,
            frames,
            rewards,
            stop_token_ids: folder.stop_token_ids,
            banned_token_ids: folder.banned_token_ids,
            tokenizer: processor.tokenizer,
            opening: processor.opening,
            logger,
            onExperience: ([first]) => {
              if (isProbeDue && first !== undefined && processes.is_main_process)
                logProbe(first, rewardNames, logger);
              isProbeDue = false;
            },
          });
          return {
            trainer,
            data: () => feed,
            record: (step, { groups }, run) => {
              if (config.log_completions) recordStep(run, step, groups, rewardNames);
            },
            state: () => ({}),
            dispose: async () => {
              await feed.dispose();
              if (shared === undefined) frames.dispose();
              reference?.dispose();
            },
          };
        },
      };
    },
  };
}

/** Training samples as the configuration says; what the model's folder would have it do must not be lost silently. */
function tellUnusedSampling(generation: GenerationConfig, config: GrpoConfig, logger: Logger): void {
  const unused = (['temperature', 'top_k', 'top_p', 'repetition_penalty'] as const).flatMap((key) =>
    generation[key] === undefined || generation[key] === config[key]
      ? []
      : [`${key} ${generation[key]} (used: ${config[key]})`],
  );
  if (unused.length > 0)
    logger.info(
      `sampling follows the configuration, not the model's generation_config.json: ${unused.join(', ')}`,
    );
}
