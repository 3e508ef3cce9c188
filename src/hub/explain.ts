/** The hub's answers as errors for the person who asked: which name, what is wrong with it, and the next step. */
import { closest, HubError } from '../base/index.ts';
import { HubAnswer, type HubClient, LostConnection } from './client.ts';
import { DEFAULT_REVISION, fullName, type RepoName } from './names.ts';

/**
 * Runs `action`; an answer that is none of success becomes a HubError about the name.
 * @param path the file asked for, where one is named
 */
export async function explained<T>(
  client: HubClient,
  name: RepoName,
  action: () => Promise<T>,
  path?: string,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof HubAnswer) throw await explainAnswer(client, name, error, path);
    if (error instanceof LostConnection) throw unreachable(client, name, error);
    throw error;
  }
}

function unreachable({ environment }: HubClient, name: RepoName, cause: LostConnection): HubError {
  return new HubError(`${fullName(name)}: the hub cannot be reached: ${cause.message}`, {
    cause,
    hint: `check the network and HF_ENDPOINT (now ${environment.endpoint}); what was downloaded is kept. Without a network: ${byHand(name)}`,
  });
}

/** Advice on getting a repository onto a machine that cannot reach the hub. */
export function byHand(name: RepoName): string {
  return name.type === 'model'
    ? `run "twgrpo pull ${fullName(name)}" on a machine with one and copy its cache folder here, or give the path of a folder`
    : 'download the file on a machine with one and give its path';
}

async function explainAnswer(
  client: HubClient,
  name: RepoName,
  cause: HubAnswer,
  path: string | undefined,
): Promise<HubError> {
  const { endpoint, token, tokenSource } = client.environment;
  const page = `${endpoint}/${name.type === 'dataset' ? 'datasets/' : ''}${name.name}`;
  const { status, code } = cause;
  const withToken =
    token === undefined
      ? `set HF_TOKEN to a token of yours (${endpoint}/settings/tokens), or write it to ${tokenSource}`
      : `check that the token from ${tokenSource} is of an account that may read it`;
  const full = fullName(name);
  if (code === 'GatedRepo' || (status === 403 && code !== 'RepoNotFound'))
    return new HubError(`${full}: access is granted to those who ask for it (${cause.message})`, {
      cause,
      hint: `accept its licence at ${page}, then ${withToken}`,
    });
  if (code === 'RevisionNotFound')
    return new HubError(`${full}: no revision ${name.revision ?? DEFAULT_REVISION} (${cause.message})`, {
      cause,
      hint: await revisionHint(client, name, page),
    });
  if (code === 'EntryNotFound' || (status === 404 && path !== undefined && code !== 'RepoNotFound'))
    return new HubError(`${full}: no file ${path ?? ''} (${cause.message})`, {
      cause,
      hint: `its files stand at ${page}/tree/${name.revision ?? DEFAULT_REVISION}`,
    });
  if (status === 401 || status === 404) {
    const kind = name.type === 'dataset' ? 'dataset' : 'model';
    const guess = name.type === 'model' ? await nearName(client, name.name) : undefined;
    return new HubError(
      `${full}: ${endpoint} knows no ${kind} of this name, or it is private (${cause.message})`,
      {
        cause,
        hint: `${guess === undefined ? 'check the spelling' : `did you mean ${guess}?`}${kind === 'model' ? ' A folder is given by its path, and none has this one.' : ''} If it is private, ${withToken}`,
      },
    );
  }
  return new HubError(`${full}: ${cause.message}`, {
    cause,
    hint: 'run the same command again later; what was downloaded is kept',
  });
}

async function revisionHint(client: HubClient, name: RepoName, page: string): Promise<string> {
  const refs = await orUnknown(async () => {
    const response = await client.open(`${client.environment.endpoint}/api/${name.type}s/${name.name}/refs`);
    const answer = (await response.json()) as Record<
      string,
      readonly { readonly name: string }[] | undefined
    >;
    return [...(answer['branches'] ?? []), ...(answer['tags'] ?? [])].map((ref) => String(ref.name));
  });
  if (refs === undefined || refs.length === 0)
    return `its revisions stand at ${page}/commits/${DEFAULT_REVISION}`;
  const guess = closest(name.revision ?? DEFAULT_REVISION, refs);
  return `${guess === undefined ? '' : `did you mean ${guess}? `}It has ${refs.slice(0, 8).join(', ')}${refs.length > 8 ? ', …' : ''}, and commits by their full hash`;
}

/** The model whose name is nearest, of those the hub finds by either half of the name. */
async function nearName(client: HubClient, name: string): Promise<string | undefined> {
  const [owner = '', own = ''] = name.split('/');
  const found = await orUnknown(async () => {
    const { listModels } = await import('@huggingface/hub');
    const names: string[] = [];
    for (const search of [{ query: own }, { owner }])
      for await (const model of listModels({ search, limit: 50, ...client.params })) names.push(model.name);
    return names;
  });
  return found === undefined ? undefined : closest(name, found);
}

/** A suggestion that cannot be had is left out: the error it belongs to stands without it. */
async function orUnknown<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch {
    return undefined;
  }
}
