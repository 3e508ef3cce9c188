/**
 * Who may ask: only pages that this server gave out, in a browser that was opened with the address it printed.
 *
 * - The `Host` must be one the server listens on: a name of somebody else that was pointed at 127.0.0.1 (DNS rebinding) is refused.
 * - An `Origin` must be that host, and a request that another site made is refused (`Sec-Fetch-Site`).
 * - The token of this start must come with it: once in the address, from then on in a cookie that scripts cannot read and other sites
 *   do not send, or as a bearer token.
 * - Only GET and HEAD; no CORS header is ever sent.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';

export interface GuardOptions {
  readonly token: string;
  /** Host names with ports that the server answers to, for example `127.0.0.1:6007`; known once it listens. */
  readonly hosts: () => ReadonlySet<string>;
}

/** Nothing from elsewhere is loaded or run, nothing is sent elsewhere, nobody frames the page. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  'cache-control': 'no-store',
};

export function guard({ token, hosts }: GuardOptions): MiddlewareHandler {
  return async (context, next) => {
    for (const [name, value] of Object.entries(HEADERS)) context.header(name, value);
    const { req } = context;
    const { method, path } = req;
    const host = req.header('host')?.toLowerCase() ?? '';
    if (!hosts().has(host)) return context.text('this address is not mine', 421);
    const origin = req.header('origin');
    const site = req.header('sec-fetch-site');
    if (origin !== undefined && origin !== `http://${host}`) return context.text('wrong origin', 403);
    const given = req.query('token');
    const isOpening = path === '/' && given !== undefined;
    if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isOpening)
      return context.text('asked for by another site', 403);
    if (method !== 'GET' && method !== 'HEAD') return context.text('read only', 405);
    // Cookies know no ports: each server of this machine needs a name of its own.
    const cookie = `twgrpo_${host.split(':').at(-1)}`;
    if (isOpening) {
      if (!isSame(given, token)) return context.text(REFUSED, 401);
      setCookie(context, cookie, token, { httpOnly: true, sameSite: 'Strict', path: '/' });
      return context.redirect('/', 303);
    }
    const bearer = /^Bearer (\S+)$/.exec(req.header('authorization') ?? '')?.[1];
    if (!isSame(bearer ?? getCookie(context, cookie) ?? '', token)) return context.text(REFUSED, 401);
    return await next();
  };
}

const REFUSED = 'Open the address that twgrpo dashboard printed: it holds the token of this start.';

/** Compared as hashes, so that neither time nor length says how much was right. */
function isSame(given: string, token: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(token));
}
