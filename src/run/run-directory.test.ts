import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { ConfigError, DataError, readJsonLines } from '../base/index.ts';
import { RunDirectory, stepName } from './run-directory.ts';
import type { CompletionRecord } from './step-records.ts';
import { encodeTokens } from './token-file.ts';

const root = scratchFolder();
const completion = (step: number, text: string): CompletionRecord => ({
  ...{ step, group: 0, row: 0, item: 'q', video: 'q.mp4', problem: 'Which?', solution: '<answer>A</answer>' },
  ...{ completion: text, answer: ['A'], rewards: { accuracy: 1 }, reward: 1, advantage: 0 },
  ...{ length: 1, truncated: false },
});
const config = { learning_rate: 1e-6, loss: { alpha: 1.7 }, reward_funcs: ['accuracy', 'format'] };

describe('run directory', () => {
  it('records configuration with its sources, and who ran what', () => {
    const path = join(root, 'first');
    const run = RunDirectory.create(path, {
      config,
      sources: { learning_rate: 'default', 'loss.alpha': '--set', 'not.there': 'x' },
      command: ['twgrpo', 'train'],
    });
    const text = readFileSync(join(path, 'config.yaml'), 'utf8');
    expect(parse(text)).toEqual(config);
    expect(text).toContain('alpha: 1.7 # --set');
    expect(run.info.command).toEqual(['twgrpo', 'train']);
    expect(run.info).toMatchObject({ resumes: [] });
    expect(run.info.machine.num_cpus).toBeGreaterThan(0);
    expect(RunDirectory.open(path).info).toEqual(run.info);
  });

  it('never mixes two runs', () => {
    const path = join(root, 'mixed');
    RunDirectory.create(path, { config });
    expect(() => RunDirectory.create(path, { config })).toThrow(ConfigError);
    expect(() => RunDirectory.create(path, { config })).toThrow(/already holds a run \(run.json is there\)/);
    const orphan = join(root, 'orphan');
    RunDirectory.create(orphan, { config }).appendMetrics({ step: 1 });
    rmSync(join(orphan, 'run.json'));
    expect(() => RunDirectory.create(orphan, { config })).toThrow(/metrics.jsonl is there/);
  });

  it('says when a folder is no run, or cannot be one', () => {
    expect(() => RunDirectory.open(join(root, 'nowhere'))).toThrow(DataError);
    writeFileSync(join(root, 'file'), '');
    expect(() => RunDirectory.create(join(root, 'file'), { config })).toThrow(ConfigError);
  });

  it('resumes after a step: later records go, earlier ones and the id stay', () => {
    const path = join(root, 'resumed');
    const run = RunDirectory.create(path, { config });
    for (let step = 1; step <= 5; step++) {
      run.appendMetrics({ step, reward: step / 10, note: null });
      run.appendCompletions(step, [completion(step, 'A')]);
      run.writeTokens(step, encodeTokens({ step, rows: [] }));
      run.appendAlert({ step, rule: 'zero_std' });
    }
    appendFileSync(run.metricsPath, '{"step":6,"re');
    appendFileSync(run.completionsPath(3), '{"st');
    expect(run.readMetrics()).toHaveLength(5);

    const again = RunDirectory.resume(path, 3, {
      config: { ...config, learning_rate: 5e-7 },
      command: ['again'],
    });
    again.appendMetrics({ step: 4, reward: 1 });
    expect(again.readMetrics().map((row) => [row.step, row['reward']])).toEqual([
      [1, 0.1],
      [2, 0.2],
      [3, 0.3],
      [4, 1],
    ]);
    expect(again.completionSteps()).toEqual([1, 2, 3]);
    again.appendCompletions(3, [completion(3, 'B')]);
    expect(again.readCompletions(3).map((record) => record.completion)).toEqual(['A', 'B']);
    expect(again.readCompletions(4)).toEqual([]);
    expect(existsSync(again.tokensPath(4))).toBe(false);
    expect(again.readTokens(3)).toEqual({ step: 3, rows: [] });
    expect(() => again.readTokens(4)).toThrow(DataError);
    expect(readJsonLines(again.alertsPath).map((alert) => alert['step'])).toEqual([1, 2, 3]);
    expect(again.info.id).toBe(run.info.id);
    expect(again.info.resumes).toMatchObject([{ step: 3, command: ['again'] }]);
    expect(parse(readFileSync(join(path, 'config.yaml'), 'utf8'))).toMatchObject({ learning_rate: 5e-7 });
    expect(parse(readFileSync(join(path, 'config.0.yaml'), 'utf8'))).toEqual(config);
  });

  it('names steps so that files sort', () => {
    expect(stepName(123)).toBe('step-000123');
    expect(() => stepName(1.5)).toThrow('internal: step must be a whole number, got 1.5');
  });
});
