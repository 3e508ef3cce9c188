/** `twgrpo push`: a checkpoint of a run to the Hugging Face Hub, with a model card that tells how it was made. */
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import {
  CheckpointError,
  createProgress,
  EXIT_CODES,
  type JsonObject,
  packageVersion,
  readJsonFile,
  sizeText,
  tableLines,
} from '../base/index.ts';
import {
  isHubAddress,
  lastPart,
  licenseOf,
  modelCard,
  type PushFile,
  parseDatasetFile,
  parseModelName,
  pushFiles,
} from '../hub/index.ts';
import { RunDirectory } from '../run/index.ts';
import { checkpointSteps, runConfigLayer, runFolderOf } from '../train/index.ts';
import type { CommandDefinition } from './command.ts';
import { wholeNumber } from './numbers.ts';

interface Options {
  readonly private?: boolean;
  readonly revision?: string;
  readonly checkpoint?: number;
  readonly withState?: boolean;
  readonly dryRun?: boolean;
}

/** The files of a checkpoint folder that make a model or an adapter. */
const MODEL_FILE = /\.(?:json|jinja|txt|safetensors)$/;
/** Smaller uploads are over before a bar is read. */
const SHOWN_BYTES = 8 * 2 ** 20;
const STATE_FOLDER = 'training_state';

const HELP = `
Uploads the newest checkpoint of the run, or the one named: its model files and a README.md made from the run (base model,
recipe, final metrics, data file with its fingerprint, versions). The optimizer's state stays here unless --with-state.
Needs a token that may write, in HF_TOKEN or the token file. --dry-run prints the model card and uploads nothing.`;

export const push: CommandDefinition = {
  examples: [
    'twgrpo push runs/tw-grpo me/my-model --dry-run',
    'twgrpo push runs/tw-grpo me/my-model --private',
    'twgrpo push runs/tw-grpo me/my-model --checkpoint 500 --revision step-500',
  ],
  configure: (command) =>
    void command
      .argument('<run>', 'folder of a run, or a checkpoint in it')
      .argument('<name>', 'owner/name on the hub; made if it does not exist')
      .option('--private', 'make a new repository private')
      .option('--revision <branch>', 'branch to commit to (default: main)')
      .option('--checkpoint <step>', 'this checkpoint instead of the newest', wholeNumber(0))
      .option(
        '--with-state',
        'also upload the state that a resumed run needs: optimizer, position in the data',
      )
      .option('--dry-run', 'print the files and the model card, and stop')
      .addHelpText('after', HELP),
  run: async ({ args, options, out }) => {
    const [given = '', name = ''] = args;
    const choice = options<Options>();
    const folder = runFolderOf(given);
    const { step, checkpoint } = chooseCheckpoint(folder, given, choice.checkpoint);
    const text = await cardOf(folder, checkpoint, step, name);
    const readme: PushFile = { path: 'README.md', size: Buffer.byteLength(text), content: { text } };
    const files = [...filesOf(checkpoint, choice.withState === true), readme];
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (choice.dryRun === true) {
      for (const line of tableLines(
        ['file', 'size'],
        files.map(({ path, size }) => [path, sizeText(size)]),
      ))
        out.print(line);
      out.print(`\n${text}`);
      const listed = files.map(({ path, size }) => ({ path, size }));
      out.json({ name, checkpoint, bytes, files: listed, model_card: text });
      return EXIT_CODES.done;
    }
    out.status(`${name}: uploading ${files.length} files, ${sizeText(bytes)}, from ${checkpoint}`);
    const mib = (count: number) => Math.ceil(count / 2 ** 20);
    const progress = createProgress({
      total: mib(bytes),
      label: 'push (MiB)',
      quiet: out.isQuiet || bytes < SHOWN_BYTES,
    });
    try {
      const result = await pushFiles({
        name,
        revision: choice.revision,
        isPrivate: choice.private === true,
        files,
        title: `${basename(folder)}, step ${step}`,
        say: (line) => out.status(line),
        onBytes: (count) => progress.update(mib(count)),
      });
      progress.stop();
      out.print(result.url);
      out.json({ name, checkpoint, bytes, ...result });
      return EXIT_CODES.done;
    } finally {
      progress.stop();
    }
  },
};

function chooseCheckpoint(folder: string, given: string, asked: number | undefined) {
  const steps = checkpointSteps(folder);
  const own = /^checkpoint-(\d+)$/.exec(basename(resolve(given)))?.[1];
  const isOwn = own !== undefined && dirname(resolve(given)) === resolve(folder);
  const step = asked ?? (isOwn ? Number(own) : steps.at(-1));
  if (step === undefined || !steps.includes(step))
    throw new CheckpointError(`${folder}: no checkpoint${step === undefined ? '' : ` of step ${step}`}`, {
      hint: steps.length === 0 ? 'the run has saved none yet' : `it has those of steps ${steps.join(', ')}`,
    });
  return { step, checkpoint: join(folder, `checkpoint-${step}`) };
}

function filesOf(checkpoint: string, withState: boolean): PushFile[] {
  const inFolder = (folder: string): PushFile[] =>
    readdirSync(join(checkpoint, folder))
      .filter((name) => MODEL_FILE.test(name))
      .sort()
      .map((name) => {
        const file = join(checkpoint, folder, name);
        return {
          path: folder === '' ? name : `${folder}/${name}`,
          size: statSync(file).size,
          content: { file },
        };
      });
  const model = inFolder('');
  if (!model.some(({ path }) => path.endsWith('.safetensors')))
    throw new CheckpointError(`${checkpoint}: no safetensors weights in it`);
  return [...model, ...(withState ? inFolder(STATE_FOLDER) : [])];
}

async function cardOf(folder: string, checkpoint: string, step: number, name: string): Promise<string> {
  const run = RunDirectory.open(folder);
  const config = runConfigLayer(folder).values;
  const base = parseModelName(String(config['model_name_or_path']));
  const data = String(config['jsonl_path']);
  const state = readJsonFile(join(checkpoint, STATE_FOLDER, 'trainer.json'), { optional: true }) as
    | { readonly sampler?: { readonly fingerprint?: string; readonly length?: number } }
    | undefined;
  const lossType = config['loss_type'];
  const metrics = run.readMetrics().findLast((row) => row.step <= step);
  const { git_commit, version, machine } = run.info;
  return modelCard({
    name,
    base_model: base?.name,
    base_commit: base?.revision,
    is_adapter: config['lora_r'] !== undefined,
    method: typeof lossType === 'string' ? lossType.replaceAll('_', '-') : 'sft',
    license: base === undefined ? undefined : await licenseOf(base.name),
    dataset: isHubAddress(data) ? parseDatasetFile(data).name : undefined,
    data: {
      file: isHubAddress(data) ? data : lastPart(resolve(data)),
      fingerprint: state?.sampler?.fingerprint,
      num_items: state?.sampler?.length,
    },
    step,
    metrics: (metrics ?? {}) as JsonObject,
    config,
    versions: {
      twgrpo: `${version}${git_commit === null ? '' : ` (${git_commit.slice(0, 12)})`}`,
      node: machine.node,
      ...(version === packageVersion() ? {} : { 'twgrpo that wrote this card': packageVersion() }),
    },
  });
}
