/**
 * A second core, in a temporary folder, in which the tests for a gate and for mutants are constants: what free-running CPUs would pay if nobody could
 * put them into lock-step, and no bug could be planted. The module that threads load lies beside it, so that it finds that core and not the shipped one.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface CoreCopy {
  /** The module of a thread, within the copy. */
  readonly worker: URL;
  /** Tests that became constants. */
  readonly folded: number;
  remove(): void;
}

/** What the tests look like in the joined module, and what they are when there is neither a gate nor a mutant. */
const TESTS: readonly (readonly [RegExp, string])[] = [
  [/\b\w+\.gate !== null\b/g, 'false'],
  [/\b\w+\.gate === null\b/g, 'true'],
  [/\b\w+\.mutant === (?:MUTANT_\w+|\d+)/g, 'false'],
  [/\b\w+\.mutant !== (?:MUTANT_\w+|\d+)/g, 'true'],
];
const BENCH = fileURLToPath(new URL('..', import.meta.url));

/** @param fold false: the copy is as shipped, so that both sides of a comparison lie in such a folder */
export function copyCore(fold: boolean): CoreCopy {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-core-'));
  const core = join(folder, 'node_modules', '@faultlab', 'core');
  const shipped = dirname(fileURLToPath(import.meta.resolve('@faultlab/core/package.json')));
  mkdirSync(core, { recursive: true });
  cpSync(join(shipped, 'package.json'), join(core, 'package.json'));
  cpSync(join(shipped, 'bundle'), join(core, 'bundle'), { recursive: true, filter: (path) => !path.endsWith('.map') });
  for (const file of ['areas.js', 'macro/fault_side.worker.js']) cpSync(join(BENCH, file), join(folder, 'bench', file));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
  const folded = fold ? foldTests(join(core, 'bundle', 'all.js')) : 0;
  const worker = pathToFileURL(join(folder, 'bench', 'macro', 'fault_side.worker.js'));
  return { worker, folded, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function foldTests(file: string): number {
  let text = readFileSync(file, 'utf8');
  let folded = 0;
  for (const [test, constant] of TESTS) {
    text = text.replace(test, () => {
      folded++;
      return constant;
    });
  }
  writeFileSync(file, text);
  return folded;
}
