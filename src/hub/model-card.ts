/**
 * A model card: the README.md of a model on the hub, with the YAML front matter that the hub reads and the recipe a reader needs to
 * repeat the training.
 *
 * Source: huggingface/hub-docs `modelcard.md` (front matter keys).
 */
import { stringify } from 'yaml';
import type { JsonObject } from '../base/index.ts';

export interface ModelCard {
  /** `owner/name` of the model described. */
  readonly name: string;
  /** `owner/name` of the model it was trained from; undefined where that is only a folder. */
  readonly base_model: string | undefined;
  readonly base_commit: string | undefined;
  readonly is_adapter: boolean;
  /** `grpo`, `tw-grpo`, `sft` */
  readonly method: string;
  readonly license: string | undefined;
  /** `owner/name` of a dataset on the hub; undefined for other files. */
  readonly dataset: string | undefined;
  readonly data: {
    readonly file: string;
    readonly fingerprint: string | undefined;
    readonly num_items: number | undefined;
  };
  readonly step: number;
  /** The last row of metrics at or before that step. */
  readonly metrics: JsonObject;
  readonly config: JsonObject;
  readonly versions: Readonly<Record<string, string>>;
}

/** The text of README.md. Paths of this machine are cut to their last part. */
export function modelCard(card: ModelCard): string {
  const { name, base_model, base_commit, is_adapter, method, license, dataset, data, step } = card;
  const front = {
    ...(base_model === undefined
      ? {}
      : { base_model, base_model_relation: is_adapter ? 'adapter' : 'finetune' }),
    library_name: is_adapter ? 'peft' : 'transformers',
    ...(license === undefined ? {} : { license }),
    pipeline_tag: 'video-text-to-text',
    tags: ['twgrpo', method, 'video'],
    ...(dataset === undefined ? {} : { datasets: [dataset] }),
  };
  const base =
    base_model === undefined
      ? 'a local model folder'
      : `[${base_model}](https://huggingface.co/${base_model})`;
  const at = base_commit === undefined ? '' : ` at commit \`${base_commit}\``;
  return `---
${stringify(front).trimEnd()}
---

# ${name.split('/')[1]}

${is_adapter ? 'A LoRA adapter for' : 'Trained from'} ${base}${at} with ${method} for ${step} steps.

## Trained on

| | |
| --- | --- |
| file | \`${data.file}\` |
| fingerprint | ${data.fingerprint === undefined ? 'not recorded' : `\`${data.fingerprint}\``} |
| items | ${data.num_items ?? 'not recorded'} |

## Final metrics

${table(card.metrics)}

## Recipe

\`\`\`yaml
${stringify(withoutFolders(card.config), { lineWidth: 0 }).trimEnd()}
\`\`\`

## Versions

${Object.entries(card.versions)
  .map(([program, version]) => `- ${program} ${version}`)
  .join('\n')}
`;
}

function table(metrics: JsonObject): string {
  const rows = Object.entries(metrics).filter(
    ([key, value]) => typeof value === 'number' && !key.startsWith('time/'),
  );
  if (rows.length === 0) return 'None were recorded.';
  const lines = rows.map(([key, value]) => `| ${key} | ${Number((value as number).toPrecision(6))} |`);
  return ['| metric | value |', '| --- | --- |', ...lines].join('\n');
}

/** The value with every path of this machine cut to its last part: a reader has other folders. */
function withoutFolders(value: unknown): unknown {
  if (typeof value === 'string') return lastPart(value);
  if (Array.isArray(value)) return value.map(withoutFolders);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutFolders(item)]));
}

/** The last part of a path that begins at the root, the home folder or here; every other text as it is. */
export function lastPart(text: string): string {
  return /^(?:\/|~\/|\.\.?\/)/.test(text)
    ? (text
        .split('/')
        .filter((part) => part !== '')
        .at(-1) ?? '/')
    : text;
}
