/**
 * The dashboard's server: the built page, the API of `routes.ts`, and the guard in front of both. It listens on this machine alone
 * unless a host is given, reads files and writes none.
 */
import { randomBytes } from 'node:crypto';
import { hostname, networkInterfaces } from 'node:os';
import { type ServerType, serve } from '@hono/node-server';
import { Hono } from 'hono';
import { ConfigError } from '../base/index.ts';
import { guard } from './guard.ts';
import { readPage } from './page-files.ts';
import { apiRoutes } from './routes.ts';
import type { Workspace } from './workspace.ts';

export interface DashboardOptions {
  readonly workspace: Workspace;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** 0: any that is free. @default 6007 */
  readonly port?: number;
}

export interface Dashboard {
  /** Address to open, with the token of this start. */
  readonly url: string;
  readonly token: string;
  readonly port: number;
  close(): Promise<void>;
}

export const DEFAULT_PORT = 6007;
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

/** @throws ConfigError when the port or the host cannot be used, or the page was not built */
export async function startDashboard({
  workspace,
  host = LOOPBACK[0]!,
  port: wished = DEFAULT_PORT,
}: DashboardOptions): Promise<Dashboard> {
  const token = randomBytes(24).toString('base64url');
  let hosts: ReadonlySet<string> = new Set();
  const app = new Hono();
  app.use(guard({ token, hosts: () => hosts }));
  for (const { path, type, body } of readPage())
    app.get(path, (context) => context.body(Uint8Array.from(body), 200, { 'content-type': type }));
  app.route('/api', apiRoutes(workspace));
  app.notFound((context) => context.text('no such page', 404));
  const { server, port } = await listen(app, host, wished);
  hosts = new Set(namesOf(host).map((name) => `${name}:${port}`));
  const shown = host === '0.0.0.0' || host === '::' ? hostname() : host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${shown}:${port}/?token=${token}`,
    token,
    port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}

async function listen(app: Hono, host: string, port: number): Promise<{ server: ServerType; port: number }> {
  return await new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: host, port }, (address) =>
      resolve({ server, port: address.port }),
    );
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new ConfigError(`cannot listen on ${host}:${port} (${cause.code ?? cause.message})`, {
          hint:
            cause.code === 'EADDRINUSE'
              ? 'choose another --port; --port 0 takes any that is free'
              : 'give an address of this machine as --host',
          cause,
        }),
      );
    });
  });
}

/** Names in a `Host` header that mean this server. */
function namesOf(host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [...LOOPBACK, host.includes(':') ? `[${host}]` : host];
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return [
    ...LOOPBACK,
    hostname().toLowerCase(),
    ...addresses.map(({ address }) => (address.includes(':') ? `[${address}]` : address)),
  ];
}
