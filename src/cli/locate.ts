/**
 * From the names a command was given to places on this machine: models, adapters and question files may be names on the Hugging Face
 * Hub. Each command does this first, before it reads anything; with `--dry-run` it only says what would be downloaded.
 */
import { type JsonObject, type Output, sizeText } from '../base/index.ts';
import {
  planDataFile,
  planModel,
  type Resolved,
  type ResolveOptions,
  type ResolvePlan,
  resolveDataFile,
  resolveModel,
} from '../hub/index.ts';

/** Progress of downloads on the command's own channel. */
export function telling(out: Output): ResolveOptions {
  return { quiet: out.isQuiet, say: (text) => out.status(text) };
}

export async function locateModel(given: string, out: Output): Promise<Resolved> {
  return await resolveModel(given, telling(out));
}

export async function locateDataFile(given: string, out: Output): Promise<Resolved> {
  return await resolveDataFile(given, telling(out));
}

interface ModelGiven {
  readonly model: string;
  readonly adapter?: string;
  readonly data?: readonly string[];
}

/** Where what a command was given lies. */
export interface Located<Choice> {
  /** The choice with paths in place of names. */
  readonly at: Choice;
  /** Which commits of the hub that is, by the option's name; empty where all was here. */
  readonly commits: JsonObject;
}

/** Model, adapter and question files of a command line. @throws HubError, ConfigError */
export async function locateChoice<Choice extends ModelGiven>(
  given: Choice,
  out: Output,
): Promise<Located<Choice>> {
  const model = await locateModel(given.model, out);
  const adapter = given.adapter === undefined ? undefined : await locateModel(given.adapter, out);
  const data: Resolved[] = [];
  for (const file of given.data ?? []) data.push(await locateDataFile(file, out));
  const commits = Object.entries({ model, adapter }).flatMap(([key, found]) =>
    found?.source === undefined ? [] : [[`${key}_commit`, found.source.commit] as const],
  );
  const files = data.flatMap(({ source, pinned }) => (source === undefined ? [] : [pinned]));
  return {
    at: {
      ...given,
      model: model.path,
      ...(adapter === undefined ? {} : { adapter: adapter.path }),
      ...(given.data === undefined ? {} : { data: data.map(({ path }) => path) }),
    },
    commits: { ...Object.fromEntries(commits), ...(files.length === 0 ? {} : { data_commits: files }) },
  };
}

/** What `locateChoice` would download. */
export async function planChoice(given: ModelGiven, out: Output): Promise<readonly ResolvePlan[]> {
  const models = [given.model, given.adapter].filter((name) => name !== undefined);
  const plans: ResolvePlan[] = [];
  for (const name of models) plans.push(await planModel(name, telling(out)));
  for (const file of given.data ?? []) plans.push(await planDataFile(file, telling(out)));
  return plans.filter(({ bytes }) => bytes > 0);
}

/** One line for each download that is due. */
export function printPlans(plans: readonly ResolvePlan[], out: Output): void {
  for (const { given, bytes, freeBytes = 0, files, source } of plans)
    out.print(
      `would download ${given}: ${files.filter(({ isHere }) => !isHere).length} files, ${sizeText(bytes)} (${sizeText(freeBytes)} free), commit ${source?.commit}`,
    );
}
