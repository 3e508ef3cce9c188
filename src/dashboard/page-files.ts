/** The built page (`page/`, by Vite into `build/page`): its files as they are served, and as one document for a report. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { ConfigError, packageRoot } from '../base/index.ts';

export interface PageFile {
  /** Path it is served under. */
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** @throws ConfigError when the page was not built */
export function readPage(): PageFile[] {
  const folder = join(packageRoot(), 'build', 'page');
  if (!existsSync(join(folder, 'index.html')))
    throw new ConfigError(`the page is not built (no ${join(folder, 'index.html')})`, {
      hint: 'run node scripts/bootstrap.mjs',
    });
  return readdirSync(folder).flatMap((name) => {
    const type = TYPES[extname(name)];
    if (type === undefined) return [];
    return [{ path: name === 'index.html' ? '/' : `/${name}`, type, body: readFileSync(join(folder, name)) }];
  });
}

/**
 * The page as one document that needs no server: script and style inside it, and the answers it will ask for.
 * @param answers API path with query -> JSON text
 * @throws ConfigError when the page was not built
 */
export function standalonePage(title: string, answers: Readonly<Record<string, unknown>>): string {
  const files = readPage();
  const textOf = (end: string) =>
    files
      .filter(({ path }) => path.endsWith(end))
      .map(({ body }) => body.toString('utf8'))
      .join('\n');
  // Neither data nor code may end the element it stands in.
  const data = JSON.stringify(answers).replaceAll('<', '\\u003c');
  const script = textOf('.js').replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  const safeTitle = title.replace(/[<>&]/g, '');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>${safeTitle}</title>
<style>${textOf('.css').replaceAll('</style', '<\\/style')}</style>
</head>
<body>
<div id="app"></div>
<script type="application/json" id="answers">${data}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}
