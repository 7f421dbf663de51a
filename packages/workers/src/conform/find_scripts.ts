/**
 * From the paths that a user named to scripts with their records: NAME.txt, and NAME.jsonl beside it if there is one.
 * Next: conform.ts
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import { parseScript, type ScriptLine } from './parse_script.ts';
import { readRecord } from './read_record.ts';
import type { KernelRecord } from './record.ts';

const SCRIPT = '.txt';
const RECORD = '.jsonl';

export interface LoadedScript {
  /** Its path as the user would name it, without the ending. */
  readonly name: string;
  readonly lines: readonly ScriptLine[];
  /** One for each line; undefined when there is no record. */
  readonly records: readonly KernelRecord[] | undefined;
}

/**
 * Loads every script of the named files and folders (a folder's scripts by name, without its subfolders), each once.
 * A record stands for its script. @param pathOf where a named path is @throws UsageError for a path without scripts or a bad line
 */
export async function loadScripts(named: readonly string[], pathOf: (name: string) => string): Promise<LoadedScript[]> {
  const names = new Set<string>();
  for (const path of named) {
    for (const name of await scriptsAt(path, pathOf)) names.add(name);
  }
  const loaded: LoadedScript[] = [];
  for (const name of names) loaded.push(await loadScript(name, pathOf));
  return loaded;
}

async function scriptsAt(path: string, pathOf: (name: string) => string): Promise<string[]> {
  const found = await stat(pathOf(path)).catch(() => undefined);
  if (found === undefined) throw new UsageError(`There is no file or folder ${path}; name scripts (NAME${SCRIPT}) or folders of them.`);
  if (!found.isDirectory()) {
    const ending = [SCRIPT, RECORD].find((one) => path.endsWith(one));
    if (ending !== undefined) return [path.slice(0, -ending.length)];
    throw new UsageError(`${path} is neither a script (NAME${SCRIPT}) nor a record (NAME${RECORD}); name one of these, or a folder.`);
  }
  const entries = await readdir(pathOf(path), { withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory() && entry.name.endsWith(SCRIPT)).map((entry) => entry.name);
  files.sort();
  if (files.length === 0) throw new UsageError(`The folder ${path} has no scripts (NAME${SCRIPT}); name a folder that has some.`);
  return files.map((file) => join(path, file.slice(0, -SCRIPT.length)));
}

async function loadScript(name: string, pathOf: (name: string) => string): Promise<LoadedScript> {
  const file = name + SCRIPT;
  const text = await readText(pathOf(file));
  if (text === undefined) throw new UsageError(`The record ${name}${RECORD} has no script ${file}; put the script beside it.`);
  const lines = parseScript(file, text);
  if (lines.length === 0)
    throw new UsageError(`The script ${file} has no operation, so there is nothing to run; write one, such as touch 0 w.`);
  const record = await readText(pathOf(name + RECORD));
  return { name, lines, records: record === undefined ? undefined : readRecord(name + RECORD, record, lines) };
}

/** @returns undefined when there is no such file @throws UsageError when it cannot be read */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UsageError(`${path} cannot be read (${(error as Error).message}); name a file that you may read.`);
  }
}
