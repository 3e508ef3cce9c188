/**
 * Names on the Hugging Face Hub: `owner/name`, `owner/name@revision` for a model, `hf://datasets/owner/name@revision/path/file`
 * for a file of a dataset.
 *
 * Source: huggingface/huggingface_hub `utils/_validators.py` (names), `hf_file_system.py` (`hf://` paths).
 */
import { ConfigError } from '../base/index.ts';

export interface RepoName {
  readonly type: 'model' | 'dataset';
  /** `owner/name` */
  readonly name: string;
  /** Branch, tag or commit; undefined: `main`. */
  readonly revision: string | undefined;
}

/** A file of a model or a dataset. */
export interface RepoFile extends RepoName {
  /** Path in the repository, with `/`. */
  readonly path: string;
}

export const DEFAULT_REVISION = 'main';
const PART = String.raw`[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?`;
const REVISION = String.raw`[A-Za-z0-9_](?:[\w./-]*[\w-])?`;
const MODEL = new RegExp(`^(${PART}/${PART})(?:@(${REVISION}))?$`);
const DATASET_SCHEME = 'hf://datasets/';
const DATASET_FILE = new RegExp(`^${DATASET_SCHEME}(${PART}/${PART})(?:@([^/]+))?/(.+)$`);

/** The commit that a revision names by itself. */
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** The name that a text is; undefined where it can only be a path. */
export function parseModelName(text: string): RepoName | undefined {
  const [, name = '', revision] = MODEL.exec(text) ?? [];
  if (name === '' || !isName(name) || (revision !== undefined && !isRevision(revision))) return undefined;
  return { type: 'model', name, revision };
}

/** True for texts that begin as `hf://` names do; whether they are one is `parseDatasetFile`'s business. */
export const isHubAddress = (text: string): boolean => text.startsWith('hf://');

/**
 * A file of a dataset. A revision with slashes is written with `%2F` (`@refs%2Fpr%2F3`).
 * @throws ConfigError for another form of `hf://` address
 */
export function parseDatasetFile(text: string): RepoFile {
  const [, name = '', encoded, path = ''] = DATASET_FILE.exec(text) ?? [];
  const revision = encoded?.replaceAll(/%2f/gi, '/');
  if (isName(name) && isPlainPath(path) && (revision === undefined || isRevision(revision)))
    return { type: 'dataset', name, revision, path };
  throw new ConfigError(`${text}: not the name of a file on the hub`, {
    hint: 'write hf://datasets/owner/name/path/file.jsonl, or hf://datasets/owner/name@revision/path/file.jsonl',
  });
}

/** Where a file stands, as an address of the hub. */
export const fileAddress = ({ type, name, path }: RepoFile, revision: string): string =>
  `${type === 'dataset' ? DATASET_SCHEME : 'hf://'}${name}@${revision}/${path}`;

/** `owner/name@revision`, as it was or could have been given. */
export const fullName = ({ name, revision }: RepoName): string =>
  revision === undefined ? name : `${name}@${revision}`;

/**
 * True for a path that stays below the folder it is joined to, on every system: no `..`, nothing absolute, no drive, no
 * backslash, no control characters.
 */
export function isPlainPath(path: string): boolean {
  return (
    path.length > 0 &&
    path.length < 1024 &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    !/[\\\u0000-\u001f\u007f]/.test(path) &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !/^[A-Za-z]:/.test(part))
  );
}

const isName = (name: string): boolean =>
  name.length > 0 && name.length <= 96 && !/--|\.\.|\.git$/.test(name);

const isRevision = (revision: string): boolean =>
  revision.length <= 250 && isPlainPath(revision) && new RegExp(`^${REVISION}$`).test(revision);

/**
 * The name to take where a run began with `before`: that one, if it is the name given at a fixed commit.
 * A name that asks for another revision by itself stays what it is.
 */
export function pinnedLike(given: string, before: unknown): string {
  if (typeof before !== 'string') return given;
  const parse = (text: string) => (isHubAddress(text) ? parseDatasetFile(text) : parseModelName(text));
  const [now, then] = [parse(given), parse(before)];
  const isPinned = then?.revision !== undefined && isCommit(then.revision);
  if (!isPinned || now === undefined || now.revision !== undefined) return given;
  return withoutRevision(now) === withoutRevision(then) ? before : given;
}

/** A key that is equal for names that differ in their revision alone. */
function withoutRevision(name: RepoName | RepoFile): string {
  return 'path' in name ? `${name.type} ${name.name} ${name.path}` : `${name.type} ${name.name}`;
}
