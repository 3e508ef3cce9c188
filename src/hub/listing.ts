/** What the hub says of a repository: the commit of a revision, its files with sizes and checksums. */
import { z } from 'zod';
import { HubError } from '../base/index.ts';
import type { HubClient } from './client.ts';
import type { RemoteFile } from './download-file.ts';
import { checkListing } from './model-files.ts';
import { DEFAULT_REVISION, fileAddress, fullName, isCommit, type RepoFile, type RepoName } from './names.ts';

const MAX_LISTED = 100_000;

/** The commit that a revision is at now. */
export async function commitOf(client: HubClient, name: RepoName): Promise<string> {
  const { revision = DEFAULT_REVISION } = name;
  if (isCommit(revision)) return revision;
  const { datasetInfo, modelInfo } = await import('@huggingface/hub');
  const asked = { name: name.name, revision, ...client.params };
  const { sha } =
    name.type === 'dataset'
      ? await datasetInfo({ ...asked, additionalFields: ['sha'] })
      : await modelInfo({ ...asked, additionalFields: ['sha'] });
  if (typeof sha === 'string' && isCommit(sha)) return sha;
  throw new HubError(`${fullName(name)}: the hub names ${JSON.stringify(sha)} where a commit belongs`);
}

const entrySchema = z.object({
  type: z.string(),
  path: z.string(),
  size: z.number(),
  oid: z.string(),
  lfs: z.object({ oid: z.string(), size: z.number() }).nullish(),
});

/** Path, size and checksum from the hub's answer about one file. @throws HubError when the answer has another form */
function remoteFile(entry: unknown, repo: string): RemoteFile | undefined {
  const { data, error } = entrySchema.safeParse(entry);
  if (data === undefined)
    throw new HubError(
      `${repo}: the hub's list of files is not of the expected form (${error.issues[0]?.message})`,
    );
  if (data.type !== 'file') return undefined;
  const { path, lfs } = data;
  return lfs == null
    ? { path, size: data.size, checksum: data.oid }
    : { path, size: lfs.size, checksum: lfs.oid };
}

/** All files of a commit. @throws HubError for a listing that no model has */
export async function listRepo(
  client: HubClient,
  name: RepoName,
  commit: string,
): Promise<readonly RemoteFile[]> {
  const { listFiles } = await import('@huggingface/hub');
  const files: RemoteFile[] = [];
  for await (const entry of listFiles({
    repo: { type: name.type, name: name.name },
    revision: commit,
    ...client.params,
  })) {
    const file = remoteFile(entry, name.name);
    if (file !== undefined) files.push(file);
    if (files.length > MAX_LISTED)
      throw new HubError(`${name.name}: the hub lists more than ${MAX_LISTED} files: no model`);
  }
  checkListing(files, name.name);
  return files;
}

/** One file of a repository. @throws HubError when there is none of that name */
export async function describeFile(
  client: HubClient,
  repoFile: RepoFile,
  commit: string,
): Promise<RemoteFile> {
  const { type, name, path } = repoFile;
  const { pathsInfo } = await import('@huggingface/hub');
  const [entry] = await pathsInfo({
    repo: { type, name },
    paths: [path],
    revision: commit,
    ...client.params,
  });
  const file = entry === undefined ? undefined : remoteFile(entry, name);
  if (file === undefined || file.path !== path)
    throw new HubError(`${fileAddress(repoFile, commit.slice(0, 8))}: no such file in the ${type}`, {
      hint: `its files stand at ${client.environment.endpoint}/${type === 'dataset' ? 'datasets/' : ''}${name}/tree/${commit}`,
    });
  checkListing([file], name);
  return file;
}
