#!/usr/bin/env node
/**
 * @file Memory of training steps of published models at their real sizes, as the dry device of tests/strict-device counts it: writes
 * dry-device.json, bytes by phase. Takes about ten minutes.
 *
 *   node tests/goldens/plan/make_dry_device.mjs ['"lora_r":16']    only the cases whose line holds the text
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @param {string} path */
const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const strict = '../../strict-device';
/** @param {string[]} args @param {NodeJS.ProcessEnv} env */
const run = (args, env = {}) =>
  execFileSync(process.execPath, args, { env: { ...process.env, ...env }, maxBuffer: 1 << 26 }).toString();

const STRICT_DEVICE = run([file(`${strict}/build-device.mjs`)]).trim();
const golden = file('dry-device.json');
// The cases stand in the file itself; only the numbers are made anew.
const PHASES = ['rest', 'encode', 'generate', 'update', 'optimizer_step'];
/** @type {Record<string, unknown>[]} */
const cases = JSON.parse(readFileSync(golden, 'utf8'));
const wanted = process.argv[2] ?? '';
const rows = cases.map((row) => {
  if (!JSON.stringify(row).includes(wanted)) return row;
  const one = Object.fromEntries(Object.entries(row).filter(([key]) => !PHASES.includes(key)));
  const argument = JSON.stringify({ name: '', attention: 'flash', ...one });
  const loader = ['--import', file('../../../scripts/typescript/loader.mjs')];
  /** @type {{ phase: string, live: number, peak: number }[]} */
  const phases = JSON.parse(run([...loader, file(`${strict}/processes/dry-run.ts`), argument], { STRICT_DEVICE }));
  /** @param {string} name */
  const of = (name) => {
    const found = phases.find(({ phase }) => phase === name);
    if (found === undefined) throw new Error(`no phase ${name}`);
    return found;
  };
  process.stderr.write(`${argument}\n`);
  return {
    ...one,
    rest: of('step').live,
    encode: of('encode').peak,
    generate: of('generate 4 tokens').peak,
    update: Math.max(...['forward', 'loss', 'backward'].map((phase) => of(phase).peak)),
    optimizer_step: of('step').peak,
  };
});
writeFileSync(golden, `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`);
