/**
 * @file Runs the tests that docs/reproduce.md names beside each function of the authors' code, and prints the table with what
 * they said. A row whose tests fail, or that names a test that is not there, ends it with exit code 1.
 *
 *   npm run fidelity
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { packageRoot, tableLines } from '../../src/base/index.ts';
import { functionRows } from './function-table.ts';

/** What vitest's JSON reporter says of a file. */
interface TestFile {
  readonly name: string;
  readonly assertionResults: readonly { readonly status: string }[];
}

const root = packageRoot();
const rows = functionRows(readFileSync(join(root, 'docs', 'reproduce.md'), 'utf8'));
const paths = [...new Set(rows.flatMap((row) => row.shown_by))];
process.stderr.write(`running the tests of ${rows.length} rows: ${paths.length} paths, a minute or two\n`);

const scratch = mkdtempSync(join(tmpdir(), 'twgrpo-fidelity-'));
try {
  const output = join(scratch, 'tests.json');
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const ran = spawnSync(
    process.execPath,
    [vitest, 'run', ...paths, '--reporter=dot', '--reporter=json', `--outputFile.json=${output}`],
    { cwd: root, stdio: ['ignore', 2, 2] },
  );
  const files = (JSON.parse(readFileSync(output, 'utf8')) as { testResults: TestFile[] }).testResults;
  let isSound = ran.status === 0;
  const shown = rows.map(({ theirs, ours, shown_by, status }) => {
    const statuses = files
      .filter(({ name }) => shown_by.some((path) => relative(root, name).includes(path)))
      .flatMap(({ assertionResults }) => assertionResults.map((result) => result.status));
    const numPassed = statuses.filter((one) => one === 'passed').length;
    const numFailed = statuses.filter((one) => one === 'failed').length;
    if (shown_by.length > 0 && (numPassed === 0 || numFailed > 0)) isSound = false;
    const tests = shown_by.length === 0 ? 'none' : `${numPassed} passed, ${numFailed} failed`;
    return [plain(theirs), plain(ours), tests, plain(status)];
  });
  for (const line of tableLines(['theirs', 'ours', 'tests', 'status'], shown))
    process.stdout.write(`${line}\n`);
  process.stdout.write(`${isSound ? 'every row is as it says' : 'not as the table says'}\n`);
  process.exitCode = isSound ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** A cell without Markdown, cut to what a terminal can show. */
function plain(cell: string): string {
  const text = cell.replaceAll('`', '');
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
