/**
 * Where the Hugging Face Hub is, where its cache lies and who asks: the environment variables of Python's huggingface_hub, with the
 * same meaning and precedence.
 *
 * Source: huggingface/huggingface_hub `constants.py`, `utils/_auth.py`.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from '../base/index.ts';

export interface HubEnvironment {
  /** Base address without a slash at its end. */
  readonly endpoint: string;
  /** Absolute path of the folder that holds `models--owner--name`. */
  readonly cache: string;
  readonly isOffline: boolean;
  /** The access token; undefined where there is none. Secret: never part of a message. */
  readonly token: string | undefined;
  /** Source of the token, also of one that is missing: a variable's name or a file. */
  readonly tokenSource: string;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';

/** @throws ConfigError when HF_ENDPOINT is no http address, or the token holds what no header may */
export function hubEnvironment(env: Readonly<NodeJS.ProcessEnv> = process.env): HubEnvironment {
  const home =
    path(env['HF_HOME']) ?? join(path(env['XDG_CACHE_HOME']) ?? join(homedir(), '.cache'), 'huggingface');
  const { token, tokenSource } = findToken(env, home);
  return {
    endpoint: endpointOf(env['HF_ENDPOINT']),
    cache: resolve(path(env['HF_HUB_CACHE']) ?? path(env['HUGGINGFACE_HUB_CACHE']) ?? join(home, 'hub')),
    isOffline: [env['HF_HUB_OFFLINE'], env['TRANSFORMERS_OFFLINE']].some((value) =>
      /^(?:1|on|yes|true)$/i.test(value ?? ''),
    ),
    token,
    tokenSource,
  };
}

function endpointOf(given: string | undefined): string {
  const text = given === undefined || given === '' ? DEFAULT_ENDPOINT : given.replace(/\/+$/, '');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '')
    return text;
  throw new ConfigError(
    'HF_ENDPOINT: expected an address such as https://huggingface.co, without a password in it',
  );
}

function findToken(env: Readonly<NodeJS.ProcessEnv>, home: string) {
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = env[name]?.trim();
    if (token !== undefined && token !== '') return checkedToken(token, name);
  }
  const file = path(env['HF_TOKEN_PATH']) ?? join(home, 'token');
  try {
    const token = readFileSync(file, 'utf8').trim();
    if (token !== '') return checkedToken(token, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      throw new ConfigError(`${file}: the access token cannot be read (${code})`, { cause: error });
  }
  return { token: undefined, tokenSource: file };
}

function checkedToken(token: string, tokenSource: string) {
  if (/^[\x21-\x7e]+$/.test(token)) return { token, tokenSource };
  throw new ConfigError(`${tokenSource}: the access token holds characters that no token has`, {
    hint: 'write the token alone, as https://huggingface.co/settings/tokens shows it',
  });
}

/** A folder or file from a variable; empty is unset, `~` is the home folder. */
function path(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  return value === '~' || value.startsWith('~/') ? join(homedir(), value.slice(1)) : value;
}
