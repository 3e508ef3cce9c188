/**
 * @file Commands on a disk that fails: killed at a named write, or told that the disk is full, broken, read-only; then they go on, and what
 * they leave equals an undisturbed command's, byte for byte. `npm test` tries some named points; `npm run test:faults` tries all that an
 * undisturbed command passes, and writes `build/faults/points.md`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gitCommit } from '../../src/base/index.ts';
import { HubServer } from '../support/hub-server.ts';
import { MODEL } from '../support/hub-world.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { type FaultCommand, faultCommands, HUB_MODEL, writeInputs } from './commands.ts';
import { tryFault, undisturbed } from './fault-trial.ts';
import { type Action, type Point, runFaulty, tracedPoints } from './faulty-command.ts';

const isWhole = process.env['TWGRPO_FAULTS'] === 'all';
const isLinux = process.platform === 'linux';
const base = scratchFolder();
let commands: ReadonlyMap<string, FaultCommand>;
const expected = new Map<string, ReadonlyMap<string, string>>();

beforeAll(async () => {
  if (!isLinux) return;
  const server = await HubServer.start('file');
  server.add(HUB_MODEL, MODEL);
  writeInputs(join(base, 'inputs'));
  commands = new Map(faultCommands(join(base, 'inputs'), server.address).map((one) => [one.name, one]));
});

const rootOf = (name: string): string => join(base, name.replaceAll(' ', '-'));

async function resultOf(name: string): Promise<ReadonlyMap<string, string>> {
  let result = expected.get(name);
  if (result === undefined) {
    result = await undisturbed(commands.get(name)!, join(rootOf(name), 'undisturbed'));
    expected.set(name, result);
  }
  return result;
}

/** `CALL PATH COUNT` */
function pointOf(text: string): Point {
  const [call, path, count] = text.split(' ');
  return { call: call!, path: path!, count: Number(count ?? 1) };
}

/** The named points of `npm test`: one of each kind of write, of each command. */
const NAMED: readonly (readonly [command: string, action: Action, point: string])[] = [
  ['train', 'kill', 'rename run/config.yaml'],
  ['train', 'kill', 'rename run/run.json'],
  ['train', 'torn', 'write run/completions/step-000003.jsonl'],
  ['train', 'torn', 'write run/metrics.jsonl 3'],
  ['train', 'kill', 'rename run/tokens/step-000003.bin'],
  ['train', 'torn', 'write run/.tmp-checkpoint-4/.tmp-model.safetensors 2'],
  ['train', 'kill', 'rename run/checkpoint-4'],
  ['train', 'ENOSPC', 'write run/metrics.jsonl 3'],
  ['train', 'ENOSPC', 'write run/.tmp-checkpoint-4/.tmp-model.safetensors 2'],
  ['train', 'once-EIO', 'fsync run/.tmp-checkpoint-2/training_state/.tmp-optimizer.safetensors'],
  ['train', 'EROFS', 'open run/completions/step-000003.jsonl'],
  ['train', 'short', 'write run/events 2'],
  ['train', 'term', 'write run/metrics.jsonl 3'],
  ['sft', 'torn', 'write run/metrics.jsonl 3'],
  ['eval', 'torn', 'write eval/rows.jsonl 2'],
  ['eval', 'kill', 'rename eval/report.json'],
  ['eval', 'once-ENOSPC', 'write eval/rows.jsonl 2'],
  ['data filter', 'kill', 'rename kept.jsonl'],
  ['world generate', 'torn', 'write world/.tmp-train.jsonl'],
  ['world generate', 'ENOSPC', 'rename world/videos/train/video_00000-01000/video_00001.mp4'],
  ['pull', 'kill', 'mkdir hub/models--Qwen--Qwen2.5-VL-Tiny/twgrpo'],
];

describe.skipIf(!isLinux || isWhole)('a fault', () => {
  it.each(NAMED)('%s, %s at %s', async (name, action, point) => {
    const whole = await resultOf(name);
    const { faults, ended } = await tryFault(commands.get(name)!, join(rootOf(name), 'trial'), whole, {
      action,
      point: pointOf(point),
    });
    expect(faults).toEqual([]);
    // A point that the command no longer passes tests nothing.
    if (/ENOSPC|EIO|EROFS/.test(action)) expect(ended.code).not.toBe(0);
  });

  it.each([0.3, 0.7])('train, killed after %f of its native calls', async (share) => {
    const calls = await nativeCalls('train');
    const { faults } = await tryFault(
      commands.get('train')!,
      join(rootOf('train'), 'trial'),
      await resultOf('train'),
      { killAtNativeCall: Math.floor(share * calls) },
    );
    expect(faults).toEqual([]);
  });
});

async function nativeCalls(name: string): Promise<number> {
  const root = join(rootOf(name), 'counted');
  mkdirSync(root, { recursive: true });
  const command = commands.get(name)!;
  const { stderr } = await runFaulty(command.begin(root), {
    root,
    killAtNativeCall: 0,
    env: command.env?.(root),
  });
  return Number(/native calls: (\d+)/.exec(stderr)?.[1]);
}

const ACTIONS: readonly Action[] = [
  ...(['kill', 'torn', 'ENOSPC', 'once-EIO', 'EROFS', 'once-EMFILE'] as const),
  ...(['short', 'slow', 'term'] as const),
];
/** Actions that only some calls have. */
const CALLS: Readonly<Partial<Record<Action, readonly string[]>>> = {
  torn: ['write'],
  short: ['write'],
  'once-EMFILE': ['open'],
  slow: ['fsync'],
  term: ['rename', 'write'],
};
const NATIVE_KILLS = 12;

/** The first, and one in the middle, of the calls of each name and path. */
function distinct(points: readonly Point[]): readonly Point[] {
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    const key = `${point.call} ${point.path}`;
    groups.set(key, [...(groups.get(key) ?? []), point]);
  }
  return [...groups.values()].flatMap((group) =>
    group.length === 1 ? group : [group[0]!, group[Math.floor(group.length / 2)]!],
  );
}

describe.runIf(isLinux && isWhole)('every point', () => {
  const rows: string[] = [];
  const told: string[] = [];
  const only = process.env['TWGRPO_FAULTS_ONLY']?.split(',');
  const every = Number(process.env['TWGRPO_FAULTS_EVERY'] ?? 1);

  it.each(
    ['train', 'sft', 'eval', 'data filter', 'world generate', 'pull'].filter(
      (name) => only === undefined || only.includes(name),
    ),
  )('%s', { timeout: 6 * 3600_000 }, async (name) => {
    const command = commands.get(name)!;
    const whole = await resultOf(name);
    const traced = join(rootOf(name), 'traced');
    mkdirSync(traced, { recursive: true });
    const points = distinct(
      await tracedPoints(command.begin(traced), { root: traced, env: command.env?.(traced) }),
    );
    const trial = join(rootOf(name), 'trial');
    const failures: string[] = [];
    for (const action of ACTIONS) {
      const calls = CALLS[action];
      const chosen = points
        .filter(({ call }) => calls === undefined || calls.includes(call))
        .filter((_, at) => at % every === 0);
      const before = failures.length;
      for (const point of chosen) {
        const { faults } = await tryFault(command, trial, whole, { action, point });
        const place = `${name}, ${action} at ${point.call} ${point.path} ${point.count}`;
        for (const fault of faults) failures.push(`${place}: ${fault}`);
        process.stderr.write(`${faults.length === 0 ? 'equal' : 'NOT'}  ${place}\n`);
      }
      rows.push(`| \`${name}\` | ${action} | ${chosen.length} | ${failures.length - before} |`);
    }
    if (!['world generate', 'pull'].includes(name)) {
      const calls = await nativeCalls(name);
      const before = failures.length;
      for (let at = 1; at <= NATIVE_KILLS; at++) {
        const killAtNativeCall = Math.floor((at / (NATIVE_KILLS + 1)) * calls);
        const { faults } = await tryFault(command, trial, whole, { killAtNativeCall });
        for (const fault of faults)
          failures.push(`${name}, killed at native call ${killAtNativeCall}: ${fault}`);
      }
      rows.push(`| \`${name}\` | kill at a native call | ${NATIVE_KILLS} | ${failures.length - before} |`);
    }
    told.push(...failures);
    expect(failures).toEqual([]);
  });

  afterAll(() => {
    const path = fileURLToPath(new URL('../../build/faults/points.md', import.meta.url));
    const lines = [
      '# Faults, point by point',
      '',
      `Made by \`npm run test:faults\` at ${gitCommit() ?? 'an unknown commit'}${every === 1 ? '' : `, every ${every}th point`}.`,
      'A point is a call that changes files (the first, and one in the middle, of each name and path that an undisturbed command passes).',
      'At it the command is killed, killed after half of the write (torn), or told of an error; then it goes on. Equal: every file that it',
      'leaves has the bytes of the undisturbed command, no row is lost or doubled, nothing is left over, and an error names file and cause',
      'without a stack.',
      '',
      '| Command | Fault | Points | Not equal |',
      '|---|---|---|---|',
      ...rows,
      ...(told.length === 0 ? [] : ['', 'Not equal:', '', ...told.map((line) => `- ${line.split('\n')[0]}`)]),
      '',
    ];
    writeFileSync(path, lines.join('\n'));
  });
});
