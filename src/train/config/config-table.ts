/**
 * The keys of a configuration as Markdown tables, made from the schema; docs/training.md and docs/sft.md hold them between two
 * marks.
 */
import { z } from 'zod';
import { LOSS_PRESETS, LOSS_TYPES } from '../../rl/index.ts';

/** What of JSON Schema the keys use. */
interface Property {
  readonly type?: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object';
  readonly enum?: readonly string[];
  readonly items?: Property;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly default?: unknown;
  readonly description?: string;
}

/**
 * All sections, each a heading and a table; the keys that a loss preset sets show the value of every preset.
 * @param sections `CONFIG_SECTIONS` or `SFT_CONFIG_SECTIONS`
 */
export function configTable(sections: Readonly<Record<string, z.core.$ZodLooseShape>>): string {
  return Object.entries(sections)
    .map(([title, shape]) => {
      const schema = z.toJSONSchema(z.strictObject(shape), { io: 'input' });
      const properties = Object.entries(schema.properties as Record<string, Property>);
      const required = new Set(schema.required);
      const ofPreset = properties.filter(([key]) => key in LOSS_PRESETS.grpo);
      const others = properties.filter(([key]) => !(key in LOSS_PRESETS.grpo));
      const plain = table(
        ['key', 'value', 'default', 'meaning'],
        others.map(([key, property]) => [
          code(key),
          valuesOf(property),
          property.default === undefined ? (required.has(key) ? '**required**' : '') : show(property.default),
          property.description ?? '',
        ]),
      );
      const presets = table(
        ['key', 'value', ...LOSS_TYPES.map(code), 'meaning'],
        ofPreset.map(([key, property]) => [
          code(key),
          valuesOf(property),
          ...LOSS_TYPES.map((type) => show((LOSS_PRESETS[type] as unknown as Record<string, unknown>)[key])),
          property.description ?? '',
        ]),
      );
      const parts = others.length > 0 ? [plain] : [];
      if (ofPreset.length > 0) parts.push('Set by `loss_type`, each to be overridden on its own:', presets);
      return `### ${title}\n\n${parts.join('\n\n')}`;
    })
    .join('\n\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** `whole number, at least 1`, `0 to 1`, `a`, `b` or `c`. */
function valuesOf(property: Property): string {
  if (property.enum !== undefined) return property.enum.map(code).join(' ');
  switch (property.type) {
    case 'boolean':
      return 'true, false';
    case 'array':
      return `list of ${listedOf(property.items)}`;
    case 'integer':
    case 'number': {
      const kind = property.type === 'integer' ? 'whole number' : 'number';
      const bounds = boundsOf(property);
      return bounds === '' ? kind : `${kind}, ${bounds}`;
    }
    default:
      return 'text';
  }
}

/** What a list holds, in the plural. */
function listedOf(items: Property | undefined): string {
  if (items?.enum !== undefined) return valuesOf(items);
  return items?.type === 'object' ? 'maps' : items?.type === 'number' ? 'numbers' : 'texts';
}

function boundsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Property): string {
  // Zod writes the safe integers as bounds of every whole number; they are none.
  const isReal = (bound: number | undefined): bound is number =>
    bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  return [
    isReal(minimum) ? `at least ${minimum}` : '',
    isReal(exclusiveMinimum) ? `above ${exclusiveMinimum}` : '',
    isReal(maximum) ? `at most ${maximum}` : '',
    isReal(exclusiveMaximum) ? `below ${exclusiveMaximum}` : '',
  ]
    .filter((bound) => bound !== '')
    .join(', ');
}

const code = (text: string) => `\`${text}\``;

function show(value: unknown): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.map((one) => code(String(one))).join(' ');
  return typeof value === 'string' ? code(value) : String(value);
}
