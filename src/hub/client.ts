/**
 * HTTP as the hub needs it: the access token goes to the hub's own origin and nowhere else, redirects are followed by hand, answers
 * are bounded, silence ends, and what may pass (a lost connection, 429, 5xx) is tried again a bounded number of times.
 *
 * Source: huggingface/huggingface_hub `utils/_http.py` (error codes in headers, what is tried again, `Retry-After`).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HubError, packageVersion } from '../base/index.ts';
import type { HubEnvironment } from './environment.ts';

/** Time limits and waits of the client; tests shorten them. */
export interface HubTimes {
  /** Wait before the second attempt, in ms; doubled for each further one. */
  readonly backoffMs: number;
  /** Longest wait that a server may ask for with `Retry-After`, in ms. */
  readonly maxWaitMs: number;
  /** Without a byte for so long, in ms, a connection counts as lost. */
  readonly stallMs: number;
  /** A lock whose owner gives no sign for so long, in ms, is taken from it. */
  readonly staleLockMs: number;
}

const HUB_TIMES: HubTimes = {
  backoffMs: 1000,
  maxWaitMs: 300_000,
  stallMs: 60_000,
  staleLockMs: 30_000,
};

/** Attempts without a new byte between them. */
const MAX_ATTEMPTS = 5;
const MAX_REDIRECTS = 5;
/** Answers that are no files: listings, descriptions of a repository. */
const MAX_ANSWER_BYTES = 32 * 2 ** 20;
const RETRIED = new Set([408, 425, 429, 500, 502, 503, 504]);

/** An answer of the hub that is none of success. */
export class HubAnswer extends Error {
  readonly status: number;
  /** The hub's own name of the problem (`X-Error-Code`), for example `GatedRepo`. */
  readonly code: string | undefined;
  /** Wait that the server asks for, in ms. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, text: string, code: string | undefined, retryAfterMs: number | undefined) {
    super(text);
    this.name = 'HubAnswer';
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A connection that failed or broke; another attempt may do. */
export class LostConnection extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'LostConnection';
  }

  /** The error for a failure of `fetch`, with the address; our own errors and an abort that we asked for stay as they are. */
  static of(cause: unknown, url: string | URL, clean = (text: string): string => text): unknown {
    const isOurs = cause instanceof HubError || (cause instanceof Error && cause.name === 'AbortError');
    return isOurs ? cause : new LostConnection(clean(`${place(url)}: ${reasonOf(cause)}`), cause);
  }
}

export interface HubClientOptions {
  readonly environment: HubEnvironment;
  /** Hears what is going on: a wait, another attempt. */
  readonly say?: (text: string) => void;
  readonly times?: Partial<HubTimes>;
}

interface OpenOptions {
  readonly method?: string;
  readonly headers?: RequestInit['headers'];
  readonly body?: RequestInit['body'];
  readonly signal?: AbortSignal | undefined;
  /** Redirects may lead to other hosts, which see no token: files lie on servers of their own. */
  readonly isFile?: boolean;
}

export class HubClient {
  readonly environment: HubEnvironment;
  readonly times: HubTimes;
  readonly say: (text: string) => void;
  readonly #origin: string;
  #hasAnswered = false;

  constructor({ environment, say = () => {}, times }: HubClientOptions) {
    this.environment = environment;
    this.say = say;
    this.times = { ...HUB_TIMES, ...times };
    this.#origin = new URL(environment.endpoint).origin;
  }

  /** The parameters for every call of `@huggingface/hub`: the address, and a `fetch` with the rules of this file. */
  get params(): { readonly hubUrl: string; readonly fetch: typeof fetch } {
    return { hubUrl: this.environment.endpoint, fetch: this.#fetch };
  }

  /**
   * One attempt; the answer's body is still to be read.
   * @throws HubAnswer, LostConnection, HubError (a redirect that is refused)
   */
  async open(address: string | URL, options: OpenOptions = {}): Promise<Response> {
    const { method = 'GET', isFile = false, body = null, signal = null } = options;
    let url = new URL(address);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const headers = new Headers(options.headers);
      headers.set('user-agent', `twgrpo/${packageVersion()}`);
      headers.delete('authorization');
      const { token } = this.environment;
      if (token !== undefined && url.origin === this.#origin) headers.set('authorization', `Bearer ${token}`);
      let response: Response;
      try {
        response = await fetch(url, { method, headers, body, signal, redirect: 'manual' });
      } catch (cause) {
        throw LostConnection.of(cause, url, (text) => this.clean(text));
      }
      this.#hasAnswered = true;
      if (![301, 302, 303, 307, 308].includes(response.status)) {
        if (response.ok) return response;
        throw await this.#answerOf(response, url);
      }
      await response.body?.cancel();
      url = this.#redirect(url, response, { isFile, method });
    }
    throw new HubError(`${place(address)}: more than ${MAX_REDIRECTS} redirects`);
  }

  /**
   * Runs `action` until it succeeds, fails for good, or has failed five times without getting on.
   * @param what for the notices, for example a file's name
   * @param progress a number that grows when an attempt gets on: attempts are counted anew then
   */
  async retrying<T>(what: string, action: () => Promise<T>, progress: () => number = () => 0): Promise<T> {
    const { backoffMs, maxWaitMs } = this.times;
    let reached = progress();
    for (let attempt = 1; ; attempt++) {
      try {
        return await action();
      } catch (error) {
        if (progress() > reached) attempt = 1;
        reached = progress();
        // A host that was never reached is not waited for: there is no network, or its name is wrong.
        const isPassing =
          (error instanceof LostConnection && this.#hasAnswered) ||
          (error instanceof HubAnswer && RETRIED.has(error.status));
        if (!isPassing || attempt >= MAX_ATTEMPTS) throw error;
        const asked = error instanceof HubAnswer ? error.retryAfterMs : undefined;
        if (asked !== undefined && asked > maxWaitMs)
          throw new HubError(
            `${what}: the hub asks to wait ${Math.ceil(asked / 1000)} s, more than the ${maxWaitMs / 1000} s that are waited`,
            { hint: 'run the same command again later; what is whole is kept', cause: error },
          );
        const waitMs = asked ?? backoffMs * 2 ** (attempt - 1);
        this.say(
          `${what}: ${error.message}; waiting ${Number((waitMs / 1000).toPrecision(2))} s, then attempt ${attempt + 1} of ${MAX_ATTEMPTS}`,
        );
        await sleep(waitMs);
      }
    }
  }

  /** The text without the token in it. */
  clean(text: string): string {
    const { token } = this.environment;
    return token === undefined ? text : text.replaceAll(token, '***');
  }

  /** `fetch` for the library: whole answers within a bound, passing failures tried again, other ones thrown as HubAnswer. */
  readonly #fetch: typeof fetch = async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const method = init.method ?? 'GET';
    // A listing goes on where its Link header says; an upload's parts go where the hub says.
    if (method === 'GET' && url.origin !== this.#origin)
      throw new HubError(`the hub's answer leads to ${url.origin}, away from ${this.#origin}: refused`);
    const isUpload = method === 'PUT';
    return await this.retrying(place(url), async () => {
      // How long an upload's silence lasts is the server's business: it checks what it got.
      const watchdog = isUpload ? undefined : new Watchdog(this.times.stallMs);
      try {
        const response = await this.open(url, {
          method,
          headers: init.headers ?? {},
          body: init.body ?? null,
          signal: anySignal(watchdog?.signal, init.signal ?? undefined),
        });
        const body = await readBounded(response, url, watchdog);
        const { status, headers } = response;
        return new Response(status === 204 ? null : new Uint8Array(body), { status, headers });
      } finally {
        watchdog?.stop();
      }
    });
  };

  #redirect(from: URL, response: Response, { isFile, method }: { isFile: boolean; method: string }): URL {
    const location = response.headers.get('location') ?? '';
    const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    const isSafe =
      to !== undefined &&
      /^https?:$/.test(to.protocol) &&
      !(from.protocol === 'https:' && to.protocol === 'http:');
    const keepsMethod = method === 'GET' || response.status >= 307;
    if (isSafe && keepsMethod && (isFile || to.origin === from.origin)) return to;
    throw new HubError(
      this.clean(
        `${place(from)}: a redirect (${response.status}) to ${to === undefined ? 'no address' : place(to)} is refused`,
      ),
    );
  }

  async #answerOf(response: Response, url: URL): Promise<HubAnswer> {
    const { status, headers } = response;
    const code = headers.get('x-error-code') ?? undefined;
    const text = headers.get('x-error-message') ?? (await errorText(response));
    const said = this.clean(printable(text)).slice(0, 300);
    return new HubAnswer(
      status,
      `${this.clean(place(url))} answers ${status}${said === '' ? '' : ` (${said})`}`,
      code,
      retryAfter(headers.get('retry-after')),
    );
  }
}

/** Aborts when nothing came for a while. */
export class Watchdog {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(stallMs: number) {
    this.#timer = setTimeout(
      () => this.#controller.abort(new LostConnection(`nothing came for ${stallMs / 1000} s`)),
      stallMs,
    );
  }
  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  /** Something came. */
  feed(): void {
    this.#timer.refresh();
  }
  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** A signal that follows all of those given; undefined where none is. */
export function anySignal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal | undefined {
  const given = signals.filter((signal) => signal !== undefined);
  return given.length === 0 ? undefined : AbortSignal.any(given);
}

/** Chunks of a body as they come. @throws LostConnection when the connection breaks or falls silent */
export async function* chunksOf(
  response: Response,
  url: string | URL,
  watchdog: Watchdog | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      let read: Awaited<ReturnType<typeof reader.read>>;
      try {
        read = await reader.read();
      } catch (cause) {
        throw LostConnection.of(cause, url);
      }
      if (read.done) return;
      watchdog?.feed();
      yield read.value;
    }
  } finally {
    // Already closed or broken is as good; leaving early (a body that is too long) ends the connection.
    reader.cancel().catch(() => undefined);
  }
}

async function readBounded(response: Response, url: URL, watchdog: Watchdog | undefined): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunksOf(response, url, watchdog)) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES)
      throw new HubError(
        `${place(url)}: the answer is longer than ${MAX_ANSWER_BYTES / 2 ** 20} MiB: refused`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function errorText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of chunksOf(response, response.url, undefined)) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > 4096) break;
    }
  } catch {
    // The status alone says enough.
  }
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    const { error, message } = JSON.parse(text) as { error?: unknown; message?: unknown };
    return String(error ?? message ?? '');
  } catch {
    // A page for browsers helps nobody here.
    return /^\s*</.test(text) ? '' : text;
  }
}

/** A URL as messages show it: without its query, which may hold a signature that opens the file. */
function place(address: string | URL): string {
  const url = URL.canParse(String(address)) ? new URL(address) : undefined;
  return url === undefined ? String(address) : `${url.origin}${url.pathname}`;
}

/** One line without control characters, whoever wrote it. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{C}]+/gu, ' ').trim();
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const inner = cause instanceof Error ? cause : error;
  const code = (inner as NodeJS.ErrnoException).code;
  return code === undefined ? inner.message : code === 'UND_ERR_SOCKET' ? 'the connection broke' : code;
}

/** `Retry-After`, in seconds or as a date, in ms. */
function retryAfter(text: string | null): number | undefined {
  if (text === null) return undefined;
  const seconds = /^\d+$/.test(text.trim()) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) * 1000 : undefined;
}
