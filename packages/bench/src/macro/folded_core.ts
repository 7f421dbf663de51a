/**
 * A second core, in a temporary folder, from which something has been taken: the tests for a gate and for mutants, as if nobody could put CPUs into
 * lock-step and no bug could be planted, or the assertions. The module that threads load lies beside it, so that it finds that core and not the
 * shipped one.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface CoreCopy {
  /** The module of a thread, within the copy. */
  readonly worker: URL;
  /** Places that were changed. */
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

/** What is taken out. 'nothing': the copy is as shipped, so that both sides of a comparison lie in such a folder. */
export type Folded = 'nothing' | 'tests' | 'assertions';

export function copyCore(fold: Folded): CoreCopy {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-core-'));
  const core = join(folder, 'node_modules', '@faultlab', 'core');
  const shipped = dirname(fileURLToPath(import.meta.resolve('@faultlab/core/package.json')));
  mkdirSync(core, { recursive: true });
  cpSync(join(shipped, 'package.json'), join(core, 'package.json'));
  cpSync(join(shipped, 'bundle'), join(core, 'bundle'), { recursive: true, filter: (path) => !path.endsWith('.map') });
  for (const file of ['areas.js', 'macro/fault_side.worker.js']) cpSync(join(BENCH, file), join(folder, 'bench', file));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
  const folded = foldIn(join(core, 'bundle', 'all.js'), fold);
  const worker = pathToFileURL(join(folder, 'bench', 'macro', 'fault_side.worker.js'));
  return { worker, folded, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function foldIn(file: string, fold: Folded): number {
  if (fold === 'nothing') return 0;
  const { text, folded } = (fold === 'tests' ? withoutTests : withoutAssertions)(readFileSync(file, 'utf8'));
  writeFileSync(file, text);
  return folded;
}

interface FoldedText {
  readonly text: string;
  readonly folded: number;
}

function withoutTests(shipped: string): FoldedText {
  let text = shipped;
  let folded = 0;
  for (const [test, constant] of TESTS) {
    text = text.replace(test, () => {
      folded++;
      return constant;
    });
  }
  return { text, folded };
}

/** Statements that are an assertion and nothing else, with the facts that they look at. What `verify` switches on is among them, and is off anyway. */
export function withoutAssertions(shipped: string): FoldedText {
  const pieces: string[] = [];
  let from = 0;
  let folded = 0;
  for (const { index, 0: call } of shipped.matchAll(/(?<=^\s+)(?:assert|invariant)\(/gm)) {
    const end = endOfCall(shipped, index + call.length);
    if (shipped[end] !== ';') continue;
    pieces.push(shipped.slice(from, index));
    from = end;
    folded++;
  }
  pieces.push(shipped.slice(from));
  return { text: pieces.join(''), folded };
}

/** @returns the place after the bracket that closes the one before `start` */
function endOfCall(text: string, start: number): number {
  let open = 1;
  let quote = '';
  let at = start;
  for (; open > 0 && at < text.length; at++) {
    const letter = text[at] as string;
    if (quote !== '') {
      if (letter === '\\') at++;
      else if (letter === quote) quote = '';
    } else if (letter === "'" || letter === '"' || letter === '`') quote = letter;
    else if (letter === '(') open++;
    else if (letter === ')') open--;
  }
  return at;
}
