/**
 * The names in a run's configuration as places on this machine (`locate.ts` has those of a command line). In a file of its own: the
 * configuration of a run belongs to training, which most commands that take a name need not load.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject, Output } from '../base/index.ts';
import {
  pinnedLike,
  planDataFile,
  planModel,
  type ResolvePlan,
  resolveDataFile,
  resolveModel,
} from '../hub/index.ts';
import { runConfigLayer } from '../train/index.ts';
import { telling } from './locate.ts';

interface ResolvedRun {
  readonly config: { readonly output_dir: string };
  readonly sources: Readonly<Record<string, string>>;
}

/** A run's configuration twice: as its parts are read, and as its folder records it. */
export interface LocatedRun<Run> {
  /** The configuration with paths in place of names. */
  readonly resolved: Run;
  /** The configuration with names that mean the same commit for ever; what was given stands in the source. */
  readonly recorded: Run;
}

const NAMES = {
  model_name_or_path: { resolve: resolveModel, plan: planModel },
  jsonl_path: { resolve: resolveDataFile, plan: planDataFile },
  eval_jsonl_path: { resolve: resolveDataFile, plan: planDataFile },
} as const;

/**
 * The names in a run's configuration. A run that is resumed takes the commits it began with.
 * @throws HubError, ConfigError
 */
export async function locateRun<Run extends ResolvedRun>(
  run: Run,
  resume: string | undefined,
  out: Output,
): Promise<LocatedRun<Run>> {
  const [read, recorded, sources]: Record<string, string>[] = [{}, {}, {}];
  for (const [key, given] of namesOf(run, resume)) {
    const { path, pinned } = await NAMES[key].resolve(given, telling(out));
    if (path === given) continue;
    read![key] = path;
    recorded![key] = pinned;
    const source = run.sources[key] ?? 'default';
    sources![key] = pinned === given ? source : `${source} (as ${given})`;
  }
  return {
    resolved: { ...run, config: { ...run.config, ...read } },
    recorded: { ...run, config: { ...run.config, ...recorded }, sources: { ...run.sources, ...sources } },
  };
}

/** What `locateRun` would download. */
export async function planRun(
  run: ResolvedRun,
  resume: string | undefined,
  out: Output,
): Promise<readonly ResolvePlan[]> {
  const plans: ResolvePlan[] = [];
  for (const [key, given] of namesOf(run, resume)) plans.push(await NAMES[key].plan(given, telling(out)));
  return plans.filter(({ bytes }) => bytes > 0);
}

function namesOf(
  { config }: ResolvedRun,
  resume: string | undefined,
): readonly [keyof typeof NAMES, string][] {
  const isOld = resume !== undefined && existsSync(join(config.output_dir, 'run.json'));
  const before: JsonObject = isOld ? runConfigLayer(config.output_dir).values : {};
  const now = config as unknown as JsonObject;
  return (Object.keys(NAMES) as (keyof typeof NAMES)[]).flatMap((key) => {
    const given = now[key];
    return typeof given === 'string' ? [[key, pinnedLike(given, before[key])] as const] : [];
  }) as [keyof typeof NAMES, string][];
}
