/** `twgrpo inspect`: a run's completions, the frames of a video as the model sees them, what a model folder holds. */
import type { CommandDefinition } from './command.ts';

export const inspect: CommandDefinition = {
  examples: [
    'twgrpo inspect runs/tw-grpo',
    'twgrpo inspect runs/tw-grpo --step 120 --group 0 --row 3 --by entropy',
    'twgrpo inspect video clip.mp4 --max-frames 8',
    'twgrpo inspect model models/Qwen2.5-VL-7B-Instruct',
  ],
  subcommands: [
    {
      name: 'run',
      summary: 'does it learn; its best, worst and latest groups; one completion with its weights as colour',
      isDefault: true,
      load: async () => (await import('./inspect-run.ts')).inspectRun,
    },
    {
      name: 'video',
      summary: 'which frames of a video the model sees, with their times, and a contact sheet of them',
      load: async () => (await import('./inspect-video.ts')).inspectVideo,
    },
    {
      name: 'model',
      summary: 'sizes by part, dtypes, what was filled in and what is odd, of a model or an adapter',
      load: async () => (await import('./inspect-model.ts')).inspectModel,
    },
  ],
};
