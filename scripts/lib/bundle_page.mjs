/**
 * Joins the compiled script of the HTML report (packages/workers/page) with what it needs of libraries into one classic script, which every report has
 * inside.
 */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { rollup } from 'rollup';

/** Does nothing when nothing was compiled since. */
export async function bundlePage(root) {
  const compiled = join(root, 'packages', 'workers', 'dist-page');
  const file = join(root, 'packages', 'workers', 'bundle', 'page', 'page.js');
  if (!existsSync(compiled) || isCurrent(file, compiled)) return;
  const build = await rollup({
    input: join(compiled, 'page_main.js'),
    plugins: [libraries(join(root, 'packages', 'workers', 'package.json'))],
    onLog: (_level, log) => {
      throw new Error(log.message);
    },
  });
  await build.write({ file, format: 'iife', strict: true, generatedCode: 'es2015' });
  await build.close();
}

function isCurrent(file, compiled) {
  if (!existsSync(file)) return false;
  const { mtimeMs } = statSync(file);
  return readdirSync(compiled).every((name) => !name.endsWith('.js') || statSync(join(compiled, name)).mtimeMs < mtimeMs);
}

/** Finds libraries as Node does, from the module that asks for them; the page's own modules ask as workers does. */
function libraries(own) {
  return {
    name: 'libraries',
    resolveId(id, from) {
      if (from === undefined) return null;
      if (id.startsWith('.')) return join(dirname(from), id);
      return createRequire(from.includes('dist-page') ? own : from).resolve(id);
    },
  };
}
