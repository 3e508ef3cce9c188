/** `twgrpo pull`: a model, or a file of a dataset, from the Hugging Face Hub into the cache. */
import { statSync } from 'node:fs';
import { ConfigError, EXIT_CODES, type Output, sizeText, tableLines } from '../base/index.ts';
import {
  isHubAddress,
  parseModelName,
  planDataFile,
  planModel,
  type ResolvePlan,
  resolveDataFile,
  resolveModel,
} from '../hub/index.ts';
import type { CommandDefinition } from './command.ts';

interface Options {
  readonly dryRun?: boolean;
}

const HELP = `
A model's configuration, tokenizer, processors and safetensors weights; never pickled weights. Prints the folder, which every
command takes for --model or model_name_or_path; they also take the name itself and download what is not there yet. The
cache is that of Python's huggingface_hub: HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub. Private and gated models
need HF_TOKEN or the token file of "hf auth login"; HF_ENDPOINT names another hub; HF_HUB_OFFLINE=1 only looks in the cache.`;

export const pull: CommandDefinition = {
  examples: [
    'twgrpo pull Qwen/Qwen2.5-VL-7B-Instruct',
    'twgrpo pull Qwen/Qwen2.5-VL-3B-Instruct@main --dry-run',
    'twgrpo pull hf://datasets/owner/name/items.jsonl --json',
  ],
  configure: (command) =>
    void command
      .argument('<name>', 'owner/name, owner/name@revision, or hf://datasets/owner/name/path')
      .option('--dry-run', 'list the files and their bytes, check the room for them, and stop')
      .addHelpText('after', HELP),
  run: async ({ args, options, out }) => {
    const [name = ''] = args;
    const isFile = isHubAddress(name);
    if (!isFile && parseModelName(name) === undefined)
      throw new ConfigError(`${name}: not a name on the hub`, {
        hint: 'write owner/name, owner/name@revision, or hf://datasets/owner/name/path',
      });
    const asked = { refresh: true, quiet: out.isQuiet, say: (text: string) => out.status(text) };
    if (options<Options>().dryRun === true) {
      const plan = await (isFile ? planDataFile : planModel)(name, asked);
      return printPlan(plan, out);
    }
    const resolved = await (isFile ? resolveDataFile : resolveModel)(name, asked);
    const { path, source } = resolved;
    out.print(path);
    out.json({ ...resolved, is_folder: statSync(path).isDirectory(), ...source });
    return EXIT_CODES.done;
  },
};

/** @returns the exit code: that of missing data when there is no room */
function printPlan(plan: ResolvePlan, out: Output): number {
  const { path, files, bytes, freeBytes = Number.POSITIVE_INFINITY, source } = plan;
  const rows = files.map(({ path, size, isHere }) => [path, sizeText(size), isHere ? 'in the cache' : '']);
  for (const line of files.length === 0 ? [] : tableLines(['file', 'size', ''], rows)) out.print(line);
  out.print(`commit    ${source?.commit ?? 'none'}`);
  out.print(`folder    ${path}`);
  const room = Number.isFinite(freeBytes) ? `, ${sizeText(freeBytes)} free` : '';
  out.print(`download  ${bytes === 0 ? 'nothing, all of it is in the cache' : `${sizeText(bytes)}${room}`}`);
  out.json(plan);
  if (bytes <= freeBytes) return EXIT_CODES.done;
  out.warn('there is not enough room; choose another cache folder with HF_HUB_CACHE');
  return EXIT_CODES.data;
}
