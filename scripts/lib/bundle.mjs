/**
 * Joins the compiled modules of core and workers into a few large ones, so that a thread starts fast: Node spends most of a thread's start on
 * finding and linking hundreds of small files, and a machine starts a thread for every CPU.
 *
 * `dist/` is what the compiler wrote, `bundle/` is what runs. Every module keeps a file of its own in `bundle/`, with nothing in it but the way to the
 * joined module that holds it, so that imports by path go on working and every module still exists exactly once in a thread.
 *
 *   core/bundle/all.js        the whole of core
 *   workers/bundle/thread.js  what the threads of machines and of tortures need of workers
 *   workers/bundle/report.js  the HTML report and its charts
 *   workers/bundle/tool.js    the rest: machines, printed reports, the command line, and their libraries. No thread loads it
 */

import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { rollup } from 'rollup';

const PACKAGES = ['core', 'workers'];
const CORE = '@faultlab/core';
/** Modules that do something when a thread starts with them, beside defining: they cannot be joined with others. */
const STARTS_SOMETHING = /_main\.js$/;
/**
 * What the threads of machines and tortures are told to load: their own starts, and the works of CPUs. The thread that looks at a user's policy
 * starts once, and needs the library that validates it; the one that measures a page for a claim needs one for statistics.
 */
const LOADED_BY_THREADS = /((?<!policy_module|dirtier)_main|_work|replay_cpu)\.js$/;

/** What bundle_page.mjs writes. */
const OF_PAGE = 'workers/bundle/page/';

/** Brings `bundle/` of core and workers up to date; does nothing when nothing was compiled since. */
export async function bundle(root) {
  const modules = PACKAGES.flatMap((name) => modulesBelow(join(root, 'packages', name, 'dist')).map((file) => ({ name, file })));
  const stamp = join(root, 'packages', 'core', 'bundle', '.stamp');
  if (isCurrent(stamp, root, modules)) return;
  rmSync(stamp, { force: true });
  const build = await rollup({
    input: Object.fromEntries(
      modules.map(({ name, file }) => [`${name}/bundle/${file.replace(/\.js$/, '')}`, join(root, 'packages', name, 'dist', file)]),
    ),
    plugins: [ownModules(root), mutantNumbers, inOneFunction],
    treeshake: false,
    preserveEntrySignatures: 'strict',
    onLog: reject,
  });
  const { output } = await build.write({
    dir: join(root, 'packages'),
    format: 'es',
    sourcemap: true,
    hoistTransitiveImports: false,
    minifyInternalExports: false,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    manualChunks: chunkOf(root),
  });
  await build.close();
  removeOthers(root, new Set(output.map(({ fileName }) => fileName)));
  writeFileSync(stamp, listOf(modules));
}

/**
 * The tests for planted bugs compare with numbers instead of names: an exported constant of a module is a cell that is read each time, and these
 * tests lie on the way of every fault.
 */
const mutantNumbers = {
  name: 'mutant-numbers',
  renderChunk(code) {
    const numbers = new Map([...code.matchAll(/^const (MUTANT_\w+) = (\d+);$/gm)].map(([, name, number]) => [name, number]));
    const text = code.replace(/(\.mutant [!=]== )(MUTANT_\w+)/g, (whole, test, name) =>
      numbers.has(name) ? test + numbers.get(name) : whole,
    );
    return { code: text, map: null };
  },
};

/**
 * Puts a joined module into a function that runs once. What a module exports is a cell, found by its name among all the others when a function that uses
 * it is compiled, and read each time it is used; what a function declares once is a constant to the compiler. There are thousands of exports.
 * Lines stay where they are, so the source maps stay true.
 */
const inOneFunction = {
  name: 'in-one-function',
  renderChunk(code, { isEntry }) {
    if (isEntry) return null;
    const [, imports, body, exported] = /^((?:import .*\n)*)([\s\S]*)\nexport \{(.*)\};\s*$/.exec(code) ?? [];
    if (body === undefined || /^(?:import|export) /m.test(body))
      throw new Error('bundle: imports and exports are not where they were expected');
    const names = namesOf(exported);
    const taken = [];
    const inner = imports.replace(/^import \{(.*)\} from/gm, (_, list) => {
      const parts = namesOf(list).map(([name, local]) => {
        taken.push(local);
        return `${name} as $in${taken.length - 1}`;
      });
      return `import { ${parts.join(', ')} } from`;
    });
    const locals = taken.length === 0 ? '' : `const ${taken.map((local, place) => `${local} = $in${place}`).join(', ')}; `;
    const results = names.map(([local, name]) => `${name}: ${local}`).join(', ');
    const parts = names.map(([, name], place) => `${name}: $out${place}`).join(', ');
    const out = names.map(([, name], place) => `$out${place} as ${name}`).join(', ');
    return {
      code: `${inner}const $joined = (() => { ${locals}${body}\nreturn { ${results} }; })(); const { ${parts} } = $joined; export { ${out} };\n`,
      map: null,
    };
  },
};

/** `a, b as c` as pairs: [a, a], [b, c]. */
const namesOf = (list) =>
  list.split(',').map((part) => {
    const [name, as = name] = part.trim().split(' as ');
    return [name, as];
  });

const listOf = (modules) => modules.map(({ name, file }) => `${name}/${file}\n`).join('');

function isCurrent(stamp, root, modules) {
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== listOf(modules)) return false;
  const { mtimeMs } = statSync(stamp);
  return modules.every(({ name, file }) => statSync(join(root, 'packages', name, 'dist', file)).mtimeMs < mtimeMs);
}

function modulesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.split(sep).join('/'))
    .sort();
}

/** Finds the modules of both packages, hands on the compiler's source maps, and keeps `import.meta.url` what it was in the module itself. */
function ownModules(root) {
  const packages = join(root, 'packages');
  return {
    name: 'own-modules',
    resolveId(id, from) {
      if (id === CORE || id.startsWith(`${CORE}/`)) return join(packages, 'core', 'dist', `${id.slice(CORE.length + 1) || 'index'}.js`);
      if (from !== undefined && id.startsWith('.')) return join(dirname(from), id);
      return from === undefined ? id : { id, external: true };
    },
    load(id) {
      const code = readFileSync(id, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
      return { code, map: JSON.parse(readFileSync(`${id}.map`, 'utf8')) };
    },
    resolveImportMeta(property, { moduleId, chunkId }) {
      if (property !== 'url') return null;
      const own = relative(packages, moduleId).replace(`${sep}dist${sep}`, `${sep}bundle${sep}`);
      return `new URL(${JSON.stringify(relative(dirname(chunkId), own).split(sep).join('/'))}, import.meta.url).href`;
    },
  };
}

function chunkOf(root) {
  const workers = join(root, 'packages', 'workers', 'dist');
  const modulesOf = (...names) => names.map((name) => join(workers, name));
  let ofThreads;
  let ofTool;
  let ofReport;
  return (id, { getModuleIds, getModuleInfo }) => {
    if (STARTS_SOMETHING.test(id) && !id.endsWith('cpu_main.js')) return null;
    if (id.startsWith(join(root, 'packages', 'core'))) return 'core/bundle/all';
    if (!id.startsWith(workers)) return null;
    ofThreads ??= reachable(
      [...getModuleIds()].filter((module) => LOADED_BY_THREADS.test(module)),
      getModuleInfo,
    );
    if (ofThreads.has(id)) return 'workers/bundle/thread';
    ofReport ??= reachable(modulesOf('html_report/write_report.js'), getModuleInfo);
    ofTool ??= reachable(modulesOf('index.js', 'cli/main.js'), getModuleInfo);
    return ofReport.has(id) && !ofTool.has(id) ? 'workers/bundle/report' : 'workers/bundle/tool';
  };
}

function reachable(from, getModuleInfo) {
  const seen = new Set();
  for (const todo = [...from]; todo.length > 0; ) {
    const id = todo.pop();
    if (seen.has(id)) continue;
    seen.add(id);
    todo.push(...(getModuleInfo(id)?.importedIds ?? []));
  }
  return seen;
}

/** A module that only has types is an empty file, and the helper of `using` names `this` at the top level; all else is a mistake in the sources. */
function reject(_level, log) {
  if (log.code === 'EMPTY_BUNDLE' || log.code === 'THIS_IS_UNDEFINED') return;
  throw new Error(log.message);
}

function removeOthers(root, written) {
  for (const name of PACKAGES) {
    const folder = join(root, 'packages', name, 'bundle');
    for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(file.parentPath ?? file.path, file.name);
      const known = relative(join(root, 'packages'), path)
        .split(sep)
        .join('/')
        .replace(/\.map$/, '');
      if (file.isFile() && !written.has(known) && !known.startsWith(OF_PAGE)) rmSync(path);
    }
  }
}
