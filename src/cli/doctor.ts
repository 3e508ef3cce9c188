/**
 * `twgrpo doctor`: what this machine offers, what is missing, and the command that repairs it.
 * It starts even when the engine does not, because that is when it is needed: rooms are loaded inside the checks.
 */
import { existsSync, statfsSync } from 'node:fs';
import { availableParallelism, freemem, totalmem } from 'node:os';
import path from 'node:path';
import {
  type EngineFile,
  EXIT_CODES,
  type Output,
  packageVersion,
  readEngineFile,
  setUpCommandLine,
  TwgrpoError,
} from '../base/index.ts';
import type { CommandDefinition } from './command.ts';
import { checkCheckpoint } from './doctor-checkpoint.ts';

/** `missing` makes the command fail; `warning` is worth knowing. */
type Status = 'ok' | 'warning' | 'missing';

interface Check {
  readonly name: string;
  readonly status: Status;
  /** One line for a person. */
  readonly summary: string;
  /** The command or step that repairs it. */
  readonly fix?: string;
  /** The same for a program. */
  readonly details: Readonly<Record<string, unknown>>;
}

const GIB = 2 ** 30;
const LOW_MEMORY_GIB = 4;
const LOW_DISK_GIB = 5;

const gib = (bytes: number): number => Math.round((bytes / GIB) * 10) / 10;

/** Facts out of libtorch's own build description, for example `oneDNN v3.7.1`, `Math Kernel Library Version 2024.2`. */
export function readBuildDescription(config: string): Record<string, string> {
  const patterns: Record<string, RegExp> = {
    onednn: /(?:oneDNN|MKL-DNN|MKLDNN) (v[\d.]+)/i,
    mkl: /(?:oneAPI )?Math Kernel Library Version ([\w.]+(?: Update \d+)?)/i,
    openmp: /OpenMP (\d+)/,
    lapack: /LAPACK is enabled \(usually provided by (\w+)\)/,
  };
  const facts: Record<string, string> = {};
  for (const [key, pattern] of Object.entries(patterns)) {
    const value = pattern.exec(config)?.[1];
    if (value !== undefined) facts[key] = value;
  }
  return facts;
}

async function checkEngine(found: EngineFile | undefined): Promise<Check[]> {
  const where = { torch_dir: found?.torch_dir, source: found?.torch_source, addon: found?.addon };
  let info: Awaited<ReturnType<typeof loadEngineInfo>>;
  try {
    info = await loadEngineInfo();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const summary = `the engine does not start: ${reason}`;
    return [
      {
        name: 'engine',
        status: 'missing',
        summary,
        fix: setUpCommandLine(),
        details: { ...where, error: reason },
      },
    ];
  }
  const facts = readBuildDescription(info.config);
  const parts = [
    info.cpu_capability,
    facts['onednn'] && `oneDNN ${facts['onednn']}`,
    facts['mkl'] && `MKL ${facts['mkl']}`,
  ];
  const cores = availableParallelism();
  return [
    {
      name: 'engine',
      status: 'ok',
      summary: `PyTorch ${info.torch_version} in ${found?.torch_dir ?? '?'} (${found?.torch_source ?? '?'})`,
      // Older builds with the other C++ ABI never get here: the addon would neither link nor load.
      details: { ...where, torch_version: info.torch_version, cxx11_abi: true },
    },
    {
      name: 'cpu',
      status: 'ok',
      summary: `${parts.filter(Boolean).join(', ')}; ${info.num_threads} threads on ${cores} cores`,
      details: { capability: info.cpu_capability, ...facts, num_threads: info.num_threads, cores },
    },
    checkCuda(info, found),
  ];
}

async function loadEngineInfo() {
  const { engineInfo } = await import('../tensor/index.ts');
  return engineInfo();
}

function checkCuda(
  info: { readonly cuda_available: boolean; readonly cuda_device_count: number },
  found: EngineFile | undefined,
): Check {
  const hasDriver = existsSync('/proc/driver/nvidia/version');
  const details = {
    available: info.cuda_available,
    devices: info.cuda_device_count,
    build: found?.cuda ?? null,
    driver: hasDriver,
  };
  const name = 'cuda';
  if (info.cuda_available)
    return { name, status: 'ok', summary: `${info.cuda_device_count} device(s)`, details };
  if (hasDriver && found?.cuda === false)
    return {
      name,
      status: 'warning',
      summary: 'an NVIDIA driver is installed, but this PyTorch is a CPU build',
      fix: `set TORCH_HOME to a CUDA build of PyTorch, then: ${setUpCommandLine()}`,
      details,
    };
  if (hasDriver)
    return {
      name,
      status: 'warning',
      summary: 'an NVIDIA driver is installed, but CUDA does not start',
      fix: 'nvidia-smi',
      details,
    };
  const build = found?.cuda ? 'this PyTorch could use one' : 'a CPU build of PyTorch';
  return { name, status: 'ok', summary: `no NVIDIA GPU here (${build})`, details };
}

async function checkFfmpeg(found: EngineFile | undefined): Promise<Check> {
  const name = 'ffmpeg';
  try {
    const { findFfmpeg } = await import('../video/index.ts');
    const program = findFfmpeg();
    const source = program.path === found?.ffmpeg ? found.ffmpeg_source : program.source;
    const summary = `${program.version} ${program.path} (${source})`;
    return { name, status: 'ok', summary, details: { version: program.version, path: program.path, source } };
  } catch (error) {
    // Also when the room does not load, because the engine under it does not.
    const message = error instanceof Error ? error.message : String(error);
    const fix = (error instanceof TwgrpoError ? error.hint : undefined) ?? setUpCommandLine();
    return { name, status: 'missing', summary: message, fix, details: { path: null } };
  }
}

function checkNode(): Check {
  const { node: version } = process.versions;
  const isNew = Number(version.split('.')[0]) >= 20;
  return {
    name: 'node',
    status: isNew ? 'ok' : 'missing',
    summary: `${version} (${process.execPath})`,
    ...(isNew ? {} : { fix: 'install Node 20 or newer' }),
    details: { version, path: process.execPath, twgrpo: packageVersion() },
  };
}

function checkPython(found: EngineFile | undefined): Check {
  const python = found?.python ?? null;
  const torchrun = python === null ? '' : path.join(path.dirname(python), 'torchrun');
  const hasTorchrun = torchrun !== '' && existsSync(torchrun);
  const details = {
    path: python,
    version: found?.python_version ?? null,
    torchrun: hasTorchrun ? torchrun : null,
  };
  if (python === null)
    return {
      name: 'python',
      status: 'ok',
      summary: 'none with this engine; it is only needed for torchrun',
      details,
    };
  const launcher = hasTorchrun ? torchrun : 'no torchrun beside it: one process only';
  return {
    name: 'python',
    status: 'ok',
    summary: `${found?.python_version ?? ''} ${python} (${launcher})`.trim(),
    details,
  };
}

function checkMemory(): Check {
  const free = gib(freemem());
  const total = gib(totalmem());
  const isLow = free < LOW_MEMORY_GIB;
  return {
    name: 'memory',
    status: isLow ? 'warning' : 'ok',
    summary: `${free} GiB free of ${total} GiB`,
    ...(isLow ? { fix: 'close other programs, or train a smaller model' } : {}),
    details: { free_gib: free, total_gib: total },
  };
}

function checkDisk(): Check {
  const folder = process.cwd();
  const { bavail, bsize } = statfsSync(folder);
  const free = gib(bavail * bsize);
  const isLow = free < LOW_DISK_GIB;
  return {
    name: 'disk',
    status: isLow ? 'warning' : 'ok',
    summary: `${free} GiB free at ${folder}`,
    ...(isLow ? { fix: 'free some space, or choose another output_dir' } : {}),
    details: { free_gib: free, folder },
  };
}

function printReport(checks: readonly Check[], out: Output): void {
  const width = Math.max(...checks.map((check) => check.name.length));
  const marks: Record<Status, string> = {
    ok: out.green('ok     '),
    warning: out.yellow('warning'),
    missing: out.red('missing'),
  };
  for (const { name, status, summary, fix } of checks) {
    out.print(`${name.padEnd(width)}  ${marks[status]}  ${summary}`);
    if (fix !== undefined) out.print(`${' '.repeat(width + 11)}${out.bold(`fix: ${fix}`)}`);
  }
}

export const doctor: CommandDefinition = {
  examples: ['twgrpo doctor', 'twgrpo doctor --json', 'twgrpo doctor --checkpoint runs/a/checkpoint-500'],
  configure: (command) =>
    void command.option(
      '--checkpoint <folder>',
      'look at nothing but this checkpoint: is every file as it was saved?',
    ),
  run: async ({ options, out }) => {
    const { checkpoint } = options<{ readonly checkpoint?: string }>();
    if (checkpoint !== undefined) return checkCheckpoint(checkpoint, out);
    const found = readEngineFile();
    const checks = [
      ...(await checkEngine(found)),
      await checkFfmpeg(found),
      checkNode(),
      checkPython(found),
      checkMemory(),
      checkDisk(),
    ];
    const isOk = checks.every((check) => check.status !== 'missing');
    printReport(checks, out);
    out.json({
      ok: isOk,
      checks: Object.fromEntries(
        checks.map(({ name, status, summary, fix, details }) => [name, { status, summary, fix, ...details }]),
      ),
    });
    return isOk ? EXIT_CODES.done : EXIT_CODES.data;
  },
};
