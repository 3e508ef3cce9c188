/** The compiled form of a module that a thread is started with: beside its caller, or in the build where the sources run as they are. */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './package-root.ts';

/**
 * @param caller `import.meta.url` of a module in the same folder
 * @param name of the module, without an ending
 */
export function compiledModule(caller: string, name: string): string {
  const beside = fileURLToPath(new URL(`./${name}.js`, caller));
  if (existsSync(beside)) return beside;
  return join(packageRoot(), 'build', 'js', relative(join(packageRoot(), 'src'), beside));
}
