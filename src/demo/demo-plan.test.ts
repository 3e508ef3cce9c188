import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { chooseFolder, DEMO_FILE, DEMO_MODES, demoWorlds, trainMinutes } from './demo-plan.ts';

const scratch = scratchFolder();

describe('the folder of a demo', () => {
  const home = process.cwd();
  beforeEach(() => process.chdir(mkdtempSync(join(scratch, 'here-'))));
  afterEach(() => process.chdir(home));
  const makeDemo = (folder: string) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, DEMO_FILE), JSON.stringify({ made_by: 'twgrpo demo' }));
  };

  it('is the first that is free', () => {
    expect(chooseFolder(undefined, false)).toBe('runs/demo');
    makeDemo('runs/demo');
    makeDemo('runs/demo-2');
    expect(chooseFolder(undefined, false)).toBe('runs/demo-3');
    mkdirSync('runs/demo-3');
    expect(chooseFolder(undefined, false)).toBe('runs/demo-3');
  });

  it('is emptied only when asked, and only where a demo lay', () => {
    makeDemo('runs/demo');
    expect(chooseFolder(undefined, true)).toBe('runs/demo');
    expect(chooseFolder(undefined, false)).toBe('runs/demo');
    mkdirSync('mine');
    writeFileSync('mine/file', '');
    expect(() => chooseFolder('mine', true)).toThrow(/not the folder of an earlier demo/);
  });
});

describe('the time of training', () => {
  it('is that of the mode where nothing else is promised', () => {
    expect(trainMinutes(DEMO_MODES.normal, 1000, 500)).toBe(8);
  });

  it('is what two minutes leave, with as much for the second evaluation as the first took', () => {
    expect(trainMinutes(DEMO_MODES.quick, 40, 20)).toBe(1);
    expect(trainMinutes(DEMO_MODES.quick, 60, 30)).toBe(0.5);
  });

  it('is never nothing', () => {
    expect(trainMinutes(DEMO_MODES.quick, 600, 300)).toBe(0.25);
  });
});

describe('the clips', () => {
  it.each([1, 600, 100_000])('of %d questions never meet those of training', (questions) => {
    const { heldOut, train } = demoWorlds({ questions, minutes: 20 }, 'x', 1);
    expect(heldOut.first_index! + heldOut.num_videos).toBeLessThanOrEqual(train.first_index!);
    expect(heldOut.seed).toBe(train.seed);
  });
});
