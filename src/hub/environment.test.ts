import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { hubEnvironment } from './environment.ts';

const TOKEN = 'hf_secret0123456789';
const home = scratchFolder();

describe('the environment', () => {
  it.each([
    [{}, /\.cache\/huggingface\/hub$/],
    [{ XDG_CACHE_HOME: '/x' }, /^\/x\/huggingface\/hub$/],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, /^\/h\/hub$/],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, /^\/old$/],
    [{ HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/new' }, /^\/new$/],
    [{ HF_HUB_CACHE: '~/mine' }, /[^~]\/mine$/],
    [{ HF_HUB_CACHE: '' }, /\.cache\/huggingface\/hub$/],
  ])('%j: the cache', (env, cache) => {
    expect(hubEnvironment({ ...env, HF_TOKEN: 'x' }).cache).toMatch(cache);
  });

  it('the token: HF_TOKEN, else the file, else none', () => {
    expect(hubEnvironment({ HF_HOME: home }).token).toBeUndefined();
    writeFileSync(join(home, 'token'), `${TOKEN}\n`);
    expect(hubEnvironment({ HF_HOME: home })).toMatchObject({
      token: TOKEN,
      tokenSource: join(home, 'token'),
    });
    expect(hubEnvironment({ HF_HOME: home, HF_TOKEN: 'hf_other' })).toMatchObject({
      token: 'hf_other',
      tokenSource: 'HF_TOKEN',
    });
    expect(() => hubEnvironment({ HF_TOKEN: 'hf_a\nInjected: yes' })).toThrow(
      'holds characters that no token has',
    );
  });

  it('offline and the address', () => {
    const of = (env: NodeJS.ProcessEnv) => hubEnvironment({ HF_TOKEN: 'x', ...env });
    expect(['1', 'true', 'ON', 'yes'].map((HF_HUB_OFFLINE) => of({ HF_HUB_OFFLINE }).isOffline)).toEqual(
      Array(4).fill(true),
    );
    expect(['0', '', 'no'].map((HF_HUB_OFFLINE) => of({ HF_HUB_OFFLINE }).isOffline)).toEqual(
      Array(3).fill(false),
    );
    expect(of({}).endpoint).toBe('https://huggingface.co');
    expect(of({ HF_ENDPOINT: 'https://hub.example/' }).endpoint).toBe('https://hub.example');
    for (const HF_ENDPOINT of ['hub.example', 'ftp://hub.example', 'https://me:secret@hub.example'])
      expect(() => of({ HF_ENDPOINT })).toThrow('HF_ENDPOINT');
  });
});
