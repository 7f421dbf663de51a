/**
 * The text of a script as typed operations. One operation a line; "#" starts a comment; "@" before an operation means the child.
 * Next: operations/by_name.ts, then run_script.ts
 */
import { OPERATION_NAMES, type Operation, operationSpec } from './operations/by_name.ts';
import { badLine, type ScriptPlace, shortened, Words } from './operations/words.ts';
import type { Space } from './record.ts';

export interface ScriptLine {
  /** In the file, from 1. */
  readonly line: number;
  readonly space: Space;
  /** The operation in its own words, one blank apart, without "@". */
  readonly text: string;
  readonly operation: Operation;
}

/**
 * Reads a whole script. Beyond the words of each line it checks what needs the lines before: files are made before they are named, a child
 * before it acts, and only one child. @throws UsageError with file and line for the first mistake
 */
export function parseScript(file: string, text: string): ScriptLine[] {
  const files = new Set<string>();
  const lines: ScriptLine[] = [];
  let forked = false;
  text.split('\n').forEach((raw, index) => {
    const place: ScriptPlace = { file, line: index + 1, text: raw.trim() };
    const words = (raw.split('#', 1)[0] ?? '').trim().replace(/^@/, '@ ').split(/\s+/).filter(Boolean);
    if (words.length === 0) return;
    const space = words[0] === '@' ? 1 : 0;
    if (space === 1) words.shift();
    if (space === 1 && !forked) throw badLine(place, 'there is no child yet', 'put a line "fork" above it');
    const operation = readOperation(place, words, files);
    if (operation.name === 'fork') {
      if (forked || space === 1) throw badLine(place, 'there is a second fork', 'a script has one child at most');
      forked = true;
    }
    lines.push({ line: place.line, space, text: words.join(' '), operation });
  });
  return lines;
}

function readOperation(place: ScriptPlace, [name = '', ...rest]: readonly string[], files: Set<string>): Operation {
  const spec = operationSpec(name);
  if (spec === undefined)
    throw badLine(place, `there is no operation "${shortened(name)}"`, `the operations are ${OPERATION_NAMES.join(', ')}`);
  const words = new Words(place, rest, spec.usage, files);
  const operation = spec.read(words);
  words.end();
  return operation;
}
