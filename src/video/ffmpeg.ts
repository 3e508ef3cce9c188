/**
 * The one place that starts FFmpeg: finds the program and runs it as a child that can be killed, with a wall-clock limit,
 * a cap on its output and its messages kept. A decoder that hangs or crashes must not take the caller with it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAwake, readEngineFile, setUpCommandLine, VideoError } from '../base/index.ts';

export interface FfmpegProgram {
  readonly path: string;
  /** Place it was found in: `FFMPEG_PATH`, `PATH` or `set-up`. */
  readonly source: string;
  /** FFmpeg's version as it prints it, for example `7.0.2-static`. */
  readonly version: string;
}

const known = new Map<string, FfmpegProgram>();

/**
 * Finds FFmpeg: environment variable FFMPEG_PATH, then PATH, then the one that set-up noted in engine.json.
 * A wrong FFMPEG_PATH is an error, not a reason to look elsewhere.
 * @throws VideoError when there is none, or it does not run.
 */
export function findFfmpeg(environment: NodeJS.ProcessEnv = process.env): FfmpegProgram {
  const candidate = locate(environment);
  const cached = known.get(candidate.path);
  if (cached !== undefined) return cached;
  let banner: string;
  try {
    banner = execFileSync(candidate.path, ['-hide_banner', '-version'], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch (cause) {
    throw new VideoError(`FFmpeg from ${candidate.source} does not run: ${candidate.path}`, {
      hint: 'set FFMPEG_PATH to a working ffmpeg program',
      cause,
    });
  }
  const version = /^ffmpeg version (\S+)/.exec(banner)?.[1];
  if (version === undefined) {
    throw new VideoError(
      `${candidate.path} (from ${candidate.source}) is not FFmpeg: its -version says ${JSON.stringify(banner.slice(0, 80))}`,
      {
        hint: 'set FFMPEG_PATH to an ffmpeg program',
      },
    );
  }
  const program = { ...candidate, version };
  known.set(candidate.path, program);
  return program;
}

function locate(environment: NodeJS.ProcessEnv): { path: string; source: string } {
  const named = environment['FFMPEG_PATH'];
  if (named !== undefined && named !== '') {
    if (!isExecutable(named)) {
      throw new VideoError(`FFMPEG_PATH is ${named}, which is not a program`, {
        hint: 'set it to an ffmpeg program, or unset it',
      });
    }
    return { path: named, source: 'FFMPEG_PATH' };
  }
  const file = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';
  for (const folder of (environment['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && isExecutable(join(folder, file)))
      return { path: join(folder, file), source: 'PATH' };
  }
  const noted = readEngineFile()?.ffmpeg;
  if (noted !== undefined && isExecutable(noted)) return { path: noted, source: 'set-up' };
  throw new VideoError('FFmpeg was not found (looked at FFMPEG_PATH, PATH and what set-up noted)', {
    hint: `run \`${setUpCommandLine()}\`, or install FFmpeg, or set FFMPEG_PATH`,
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** `[7, 0]` for `7.0.2-static`; undefined for development builds named by date or commit. */
function majorMinor(program: FfmpegProgram): readonly [number, number] | undefined {
  const match = /^n?(\d+)\.(\d+)/.exec(program.version);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

/** Arguments that pass frames on as they are, neither doubled nor dropped to hold a constant rate. */
export function passthroughArguments(program: FfmpegProgram): string[] {
  const version = majorMinor(program);
  const isOld = version !== undefined && (version[0] < 5 || (version[0] === 5 && version[1] === 0));
  return isOld ? ['-vsync', '0'] : ['-fps_mode', 'passthrough'];
}

export interface RunFfmpegOptions {
  /** File or folder the messages speak about. */
  readonly subject: string;
  /** Wall-clock limit in seconds, after which the child is killed. */
  readonly timeoutS: number;
  /** Receives standard output; without it the output is discarded. */
  readonly onOutput?: (chunk: Buffer) => void;
  /** Standard output beyond this many bytes kills the child. */
  readonly maxOutputBytes?: number;
  /** Address space of the child in bytes at most, where the system can limit it (Linux). @default no limit */
  readonly maxMemoryBytes?: number;
  /** Bytes for standard input, written with back-pressure. */
  readonly input?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  readonly program?: FfmpegProgram;
}

export interface FfmpegResult {
  readonly exitCode: number;
  /** Messages, what FFmpeg wrote on standard error; at most the first and last 256 KiB. */
  readonly messages: string;
}

const MESSAGE_LIMIT = 256 * 1024;
const children = new Set<ChildProcess>();
let isExitHooked = false;

// A child that hangs without writing would outlive us: pipes only stop it when it writes.
function track(child: ChildProcess): void {
  if (!isExitHooked) {
    process.on('exit', () => {
      for (const one of children) one.kill('SIGKILL');
    });
    isExitHooked = true;
  }
  children.add(child);
  child.on('close', () => children.delete(child));
}

/**
 * Runs FFmpeg to its end. A non-zero exit is returned, not thrown: the caller knows what the messages mean.
 * @throws VideoError on time-out, on too much output, when stopped by the signal, or when it cannot be started.
 */
export async function runFfmpeg(args: readonly string[], options: RunFfmpegOptions): Promise<FfmpegResult> {
  const program = options.program ?? findFfmpeg();
  options.signal?.throwIfAborted();
  const [command, commandArgs] = limited(program.path, ['-hide_banner', '-nostdin', ...args], options);
  const child = spawn(command, commandArgs, {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    // Static builds crash when they convert the service name in an MPEG-TS file with the converters of another glibc. Of the arenas of
    // the allocator each takes 64 MiB of address space, one a core.
    env: { ...process.env, GCONV_PATH: '/nonexistent', MALLOC_ARENA_MAX: '2' },
  });
  track(child);

  let failure: VideoError | undefined;
  const stop = (error: VideoError): void => {
    failure ??= error;
    child.kill('SIGKILL');
  };
  const stopTimer = afterAwake(options.timeoutS * 1000, () => {
    stop(
      new VideoError(
        `${options.subject}: FFmpeg did not finish within ${options.timeoutS} s and was stopped`,
        {
          hint: 'the file may be damaged or very long; raise the time limit or leave the file out',
        },
      ),
    );
  });
  const abort = (): void => stop(new VideoError(`${options.subject}: stopped before FFmpeg finished`));
  options.signal?.addEventListener('abort', abort, { once: true });

  let numBytes = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    numBytes += chunk.length;
    if (options.maxOutputBytes !== undefined && numBytes > options.maxOutputBytes) {
      stop(
        new VideoError(
          `${options.subject}: FFmpeg wrote more than the ${options.maxOutputBytes} bytes that were expected`,
        ),
      );
    } else if (failure === undefined) {
      try {
        options.onOutput?.(chunk);
      } catch (cause) {
        stop(
          cause instanceof VideoError
            ? cause
            : new VideoError(`${options.subject}: reading the output failed`, { cause }),
        );
      }
    }
  });
  const head: Buffer[] = [];
  let headBytes = 0;
  let tail = Buffer.alloc(0);
  child.stderr?.on('data', (chunk: Buffer) => {
    if (headBytes < MESSAGE_LIMIT) {
      head.push(chunk);
      headBytes += chunk.length;
    } else {
      tail = Buffer.concat([tail, chunk]).subarray(-MESSAGE_LIMIT);
    }
  });

  try {
    const closed = new Promise<number>((resolve, reject) => {
      child.on('error', (cause) => {
        reject(new VideoError(`cannot start FFmpeg (${program.path})`, { cause }));
      });
      child.on('close', (code, signal) => {
        if (signal !== null && signal !== 'SIGKILL') {
          failure ??= new VideoError(`${options.subject}: FFmpeg crashed on it (${signal})`, {
            hint: 'convert the file to another format, or use another FFmpeg (FFMPEG_PATH)',
          });
        }
        resolve(code ?? -1);
      });
    });
    // Waiting for both at once: FFmpeg may end before it has read all its input, which is no error in itself.
    const [exitCode] = await Promise.all([
      closed,
      options.input === undefined ? undefined : feed(child, options.input, stop, options.subject),
    ]);
    if (failure !== undefined) throw failure;
    return { exitCode, messages: Buffer.concat([...head, tail]).toString('utf8') };
  } finally {
    stopTimer();
    options.signal?.removeEventListener('abort', abort);
  }
}

/** The command line under a limit of memory: Node can set none for a child, the shell can. */
function limited(
  program: string,
  args: readonly string[],
  { maxMemoryBytes }: RunFfmpegOptions,
): [command: string, args: string[]] {
  if (maxMemoryBytes === undefined || process.platform !== 'linux') return [program, [...args]];
  const kibibytes = Math.floor(maxMemoryBytes / 1024);
  // Where a lower limit holds already, it stays.
  return ['/bin/sh', ['-c', `ulimit -S -v ${kibibytes} 2>/dev/null; exec "$0" "$@"`, program, ...args]];
}

async function feed(
  child: ChildProcess,
  input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  stop: (error: VideoError) => void,
  subject: string,
): Promise<void> {
  const stdin = child.stdin;
  if (stdin === null) return;
  let isClosed = false;
  const waiting = new Set<() => void>();
  const markClosed = (): void => {
    isClosed = true;
    for (const wake of waiting) wake();
  };
  stdin.on('error', markClosed);
  stdin.on('close', markClosed);
  child.on('close', markClosed);
  try {
    for await (const chunk of input) {
      if (isClosed) return;
      if (!stdin.write(chunk)) {
        await new Promise<void>((resolve) => {
          waiting.add(resolve);
          stdin.once('drain', resolve);
          if (isClosed) resolve();
        });
        waiting.clear();
      }
    }
  } catch (cause) {
    stop(
      cause instanceof VideoError
        ? cause
        : new VideoError(`${subject}: the frames to write failed`, { cause }),
    );
  } finally {
    stdin.end();
  }
}
