/** `twgrpo merge`: a model and its adapter as one model folder, for programs that read no adapters. */
import { EXIT_CODES } from '../base/index.ts';
import { mergeAdapter } from '../models/index.ts';
import type { CommandDefinition } from './command.ts';
import { lateProgress } from './late-progress.ts';
import { locateModel } from './locate.ts';

interface Options {
  readonly model: string;
  readonly adapter: string;
  readonly outputDir: string;
}

const HELP = `
Writes an ordinary model folder: weights in the dtype of the model's files, in shards of at most 5 GB with their index, config,
tokenizer, templates and processor files. One weight is in memory at a time. The folder appears whole or not at all.

With --json: {"output_dir": ..., "layers": layers that were changed, "replaced": [weights taken whole from the adapter],
"tie_word_embeddings": ..., "files": [...]}`;

export const merge: CommandDefinition = {
  examples: [
    'twgrpo merge --model Qwen/Qwen2.5-VL-7B-Instruct --adapter runs/lora/checkpoint-500 -o models/merged',
    'twgrpo merge --model models/a --adapter adapters/b -o models/c --json',
  ],
  configure: (command) =>
    void command
      .requiredOption('--model <name>', 'folder of the model, or its name on the hub')
      .requiredOption('--adapter <name>', 'LoRA adapter in PEFT format: a folder, or a name on the hub')
      .requiredOption('-o, --output-dir <folder>', 'the folder to write; it must not exist')
      .addHelpText('after', HELP),
  run: async ({ options, out }) => {
    const given = options<Options>();
    const model = await locateModel(given.model, out);
    const adapter = await locateModel(given.adapter, out);
    out.status(`merging ${adapter.path} into ${model.path}`);
    const progress = lateProgress('weights', out);
    try {
      const { layers, replaced, config, files } = mergeAdapter({
        model: model.path,
        adapter: adapter.path,
        output_dir: given.outputDir,
        notice: (text) => out.warn(text),
        onProgress: progress.update,
      });
      const whole = replaced.length === 0 ? '' : `, ${replaced.length} weights taken whole`;
      out.print(`${given.outputDir}: ${layers} layers merged${whole}`);
      out.json({
        output_dir: given.outputDir,
        layers,
        replaced,
        tie_word_embeddings: config.tie_word_embeddings,
        files,
      });
    } finally {
      progress.stop();
    }
    return EXIT_CODES.done;
  },
};
