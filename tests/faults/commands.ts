/** @file The commands that write, each with small inputs: how it is begun, how it goes on, and what it leaves that a fault must not change. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTinyCheckpoint } from '../../src/models/index.ts';
import { SMALLEST } from '../support/smallest-model.ts';

export interface FaultCommand {
  readonly name: string;
  /** Arguments that begin the command, or go on with it where it was cut, writing under `root`. */
  readonly begin: (root: string) => readonly string[];
  readonly goOn: (root: string) => readonly string[];
  readonly env?: (root: string) => Readonly<Record<string, string>>;
  /** It finishes nothing when it is told to stop: what is there already counts. */
  readonly stopsAtOnce?: boolean;
  /** What it leaves, by name; equal for equal results. */
  readonly result: (root: string) => ReadonlyMap<string, string>;
}

export const HUB_MODEL = 'Qwen/Qwen2.5-VL-Tiny';

const VIDEO = fileURLToPath(new URL('../goldens/video/h264.mp4', import.meta.url));

/** Writes the inputs of all commands into `inputs`. */
export function writeInputs(inputs: string): void {
  mkdirSync(inputs, { recursive: true });
  createTinyCheckpoint(join(inputs, 'model'), SMALLEST);
  const rows = ['A', 'B', 'C', 'A,B', 'C'].map((answer, i) => ({
    id: `q${i}`,
    problem: `Which shape moves in part ${i}?\nA. circle\nB. square\nC. star`,
    video: VIDEO,
    solution: `<answer>${answer}</answer>`,
    process: `<think>the shape of part ${i} moves</think>`,
  }));
  writeFileSync(join(inputs, 'items.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const common = `model_name_or_path: ${join(inputs, 'model')}
jsonl_path: ${join(inputs, 'items.jsonl')}
video_root: /
max_frames: 2
max_pixels: 3136
max_steps: 4
save_steps: 2
save_total_limit: 2
logging_steps: 1
tensorboard: true
num_threads: 1
check_prompts: false
`;
  writeFileSync(
    join(inputs, 'train.yaml'),
    `${common}loss_type: tw_grpo\nnum_generations: 2\nmax_completion_length: 4\nprobe: false\nlearning_rate: 1.0e-3\n`,
  );
  writeFileSync(join(inputs, 'sft.yaml'), `${common}learning_rate: 1.0e-3\n`);
}

/** @param hub address of a hub that has the model `pull` asks for */
export function faultCommands(inputs: string, hub: string): readonly FaultCommand[] {
  const training = (name: 'train' | 'sft'): FaultCommand => {
    const args = (root: string) => [
      ...[name, '--config', join(inputs, `${name}.yaml`), '--set', `output_dir=${join(root, 'run')}`],
      '--json',
    ];
    return {
      name,
      begin: args,
      goOn: (root) => [...args(root), '--resume', 'auto'],
      result: (root) => runResult(join(root, 'run')),
    };
  };
  const evaluation = (name: string, args: (root: string) => readonly string[]): FaultCommand => ({
    name,
    begin: args,
    goOn: args,
    result: (root) => filesResult(root),
  });
  const asked = ['--video-root', '/', '--max-frames', '2', '--max-pixels', '3136'];
  return [
    training('train'),
    training('sft'),
    evaluation('eval', (root) => [
      ...['eval', '--model', join(inputs, 'model'), '--data', join(inputs, 'items.jsonl'), ...asked],
      ...['--max-completion-length', '4', '--batch-size', '2', '--output-dir', join(root, 'eval'), '--json'],
    ]),
    evaluation('data filter', (root) => [
      ...[
        'data',
        'filter',
        join(inputs, 'items.jsonl'),
        '--difficulty',
        '--keep-between',
        '0',
        '1',
        '--model',
        join(inputs, 'model'),
      ],
      ...[...asked, '--samples', '2', '--max-completion-length', '4', '--batch-size', '2'],
      ...['--output', join(root, 'kept.jsonl'), '--json'],
    ]),
    evaluation('world generate', (root) => [
      ...[
        'world',
        'generate',
        '--output-dir',
        join(root, 'world'),
        '--split',
        'train=18',
        '--split',
        'test=2',
      ],
      ...[
        '--size',
        '32x32',
        '--num-frames',
        '8',
        '--rung',
        'presence',
        '--threads',
        '1',
        '--report',
        '--json',
      ],
    ]),
    {
      stopsAtOnce: true,
      ...evaluation('pull', () => ['pull', HUB_MODEL, '--json']),
      // A lock of a dead process is void and stays until its file is asked for again, as huggingface_hub's do.
      result: (root) => new Map([...filesResult(root)].filter(([name]) => !name.startsWith('hub/.locks/'))),
      env: (root) => ({ HF_ENDPOINT: hub, HF_HUB_CACHE: join(root, 'hub') }),
    },
  ];
}

/** Numbers of a row that tell of time, not of the run. */
const isTime = (key: string): boolean =>
  key.startsWith('time/') || key.startsWith('memory/') || key === 'step_time' || key.endsWith('_per_second');

/** Weights, optimizer, state, rows, completions, tokens; not logs, times, identities. */
function runResult(run: string): ReadonlyMap<string, string> {
  return new Map(
    [...filesResult(run)].filter(
      ([name]) => !/^(logs\/|run\.json|events|\.lock|config(\.\d+)?\.yaml|checkpoint-\d+\.old)/.test(name),
    ),
  );
}

function filesResult(root: string): ReadonlyMap<string, string> {
  const names = existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }).sort() : [];
  return new Map(
    names
      .filter((name) => statSync(join(root, name)).isFile())
      .map((name) => [name, contentOf(join(root, name), name)]),
  );
}

function contentOf(path: string, name: string): string {
  const bytes = readFileSync(path);
  if (name.endsWith('metrics.jsonl'))
    return bytes
      .toString()
      .split('\n')
      .map((line) => (line === '' ? '' : JSON.stringify(withoutTimes(JSON.parse(line)))))
      .join('\n');
  if (name.endsWith('summary.json') || name.endsWith('settings.json'))
    return bytes.toString().replaceAll(/"(seconds|date|started|created|time)[a-z_]*": [^,\n]*/g, '');
  return createHash('sha256').update(bytes).digest('hex');
}

const withoutTimes = (row: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(row).filter(([key]) => !isTime(key)));
