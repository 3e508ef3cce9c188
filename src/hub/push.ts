/** Files to a model repository on the hub, in one commit: large ones to its storage first, then the commit that names them. */
import { pathToFileURL } from 'node:url';
import { ConfigError, HubError } from '../base/index.ts';
import { HubAnswer, HubClient, type HubTimes } from './client.ts';
import { type HubEnvironment, hubEnvironment } from './environment.ts';
import { explained } from './explain.ts';
import { DEFAULT_REVISION, parseModelName } from './names.ts';

export interface PushOptions {
  /** `owner/name`; made if it does not exist. */
  readonly name: string;
  /** Branch; made if it does not exist. @default main */
  readonly revision?: string | undefined;
  /** Make a new repository private. An existing one stays what it is. */
  readonly isPrivate?: boolean;
  readonly files: readonly PushFile[];
  /** First line of the commit. */
  readonly title: string;
  readonly environment?: HubEnvironment;
  readonly say?: (text: string) => void;
  /** Bytes known to be sent, of all files. */
  readonly onBytes?: (bytes: number) => void;
  readonly times?: Partial<HubTimes>;
}

export interface PushFile {
  /** Path in the repository. */
  readonly path: string;
  readonly size: number;
  /** A file of this machine, or the text itself. */
  readonly content: { readonly file: string } | { readonly text: string };
}

/**
 * @returns the commit and its address
 * @throws ConfigError for a name or without a token; HubError when the hub refuses
 */
export async function pushFiles(
  options: PushOptions,
): Promise<{ readonly commit: string; readonly url: string }> {
  const { environment = hubEnvironment(), revision = DEFAULT_REVISION, files } = options;
  const name = parseModelName(revision === DEFAULT_REVISION ? options.name : `${options.name}@${revision}`);
  if (name === undefined || parseModelName(options.name)?.revision !== undefined)
    throw new ConfigError(`${options.name}: not a name on the hub for a model`, {
      hint: 'write owner/name; a branch is given with --revision',
    });
  const { token, tokenSource, endpoint, isOffline } = environment;
  if (isOffline) throw new ConfigError('HF_HUB_OFFLINE is set, so nothing can be uploaded');
  if (token === undefined)
    throw new HubError('an upload needs an access token, and there is none', {
      hint: `set HF_TOKEN to a token that may write (${endpoint}/settings/tokens), or write it to ${tokenSource}`,
    });
  const client = new HubClient({
    environment,
    ...(options.say === undefined ? {} : { say: options.say }),
    ...(options.times === undefined ? {} : { times: options.times }),
  });
  const { commitIter, createBranch, createRepo } = await import('@huggingface/hub');
  const repo = { type: 'model', name: name.name } as const;
  return await explained(client, name, async () => {
    await orExisting(() =>
      createRepo({
        repo,
        accessToken: token,
        visibility: options.isPrivate === true ? 'private' : 'public',
        ...client.params,
      }),
    );
    if (revision !== DEFAULT_REVISION)
      await orExisting(() => createBranch({ repo, branch: revision, ...client.params }));
    const upload = commitIter({
      repo,
      branch: revision,
      title: options.title,
      operations: files.map(({ path, content }) => ({
        operation: 'addOrUpdate',
        path,
        content: 'file' in content ? pathToFileURL(content.file) : new Blob([content.text]),
      })),
      // Its storage takes plain uploads too, which any hub understands.
      useXet: false,
      ...client.params,
    });
    const sizes = new Map(files.map(({ path, size }) => [path, size]));
    const sent = new Map<string, number>();
    for (;;) {
      const { done, value } = await upload.next();
      if (done) {
        if (value === undefined) throw new HubError(`${name.name}: the hub made no commit`);
        return { commit: value.commit.oid, url: value.commit.url };
      }
      if (value.event !== 'fileProgress' || value.state !== 'uploading') continue;
      sent.set(value.path, value.progress * (sizes.get(value.path) ?? 0));
      options.onBytes?.([...sent.values()].reduce((sum, bytes) => sum + bytes, 0));
    }
  });
}

/** Makes something, or finds that it exists already. */
async function orExisting(make: () => Promise<unknown>): Promise<void> {
  try {
    await make();
  } catch (error) {
    if (!(error instanceof HubAnswer) || error.status !== 409) throw error;
  }
}

/** The licence that a model's page names; undefined where it names none or cannot be asked. */
export async function licenseOf(
  name: string,
  environment: HubEnvironment = hubEnvironment(),
): Promise<string | undefined> {
  if (environment.isOffline) return undefined;
  const { modelInfo } = await import('@huggingface/hub');
  const { params } = new HubClient({ environment });
  try {
    const { cardData } = await modelInfo({
      name,
      revision: DEFAULT_REVISION,
      additionalFields: ['cardData'],
      ...params,
    });
    const license = (cardData as { readonly license?: unknown } | undefined)?.license;
    return typeof license === 'string' ? license : undefined;
  } catch (error) {
    if (error instanceof HubAnswer || (error instanceof Error && error.name === 'LostConnection'))
      return undefined;
    throw error;
  }
}
