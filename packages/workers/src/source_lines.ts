/**
 * Names the lines of the sources in a text that names lines of compiled or joined modules. Node can do so itself (--enable-source-maps), but then it reads
 * every map when a module is loaded, in every thread, which is two fifths of the start of a thread. Stacks are rare, threads are not.
 * Next: report/failure_block.ts and lockstep/failure_block.ts print stacks
 */
import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A path or URL of a module, a line and a column, as stacks have them. */
const PLACE = /(?:file:\/\/)?(\/[^\s():]+\.js):(\d+):(\d+)/g;

const maps = new Map<string, SourceMap | undefined>();

/** @returns the text; places of modules without a map beside them are left as they are */
export function inSource(text: string): string {
  return text.replace(PLACE, (place, path: string, line: string, column: string) => {
    const entry = mapOf(path)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !('originalSource' in entry)) return place;
    const source = fileURLToPath(new URL(entry.originalSource, pathToFileURL(path)));
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

function mapOf(path: string): SourceMap | undefined {
  if (!maps.has(path))
    maps.set(path, existsSync(`${path}.map`) ? new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8'))) : undefined);
  return maps.get(path);
}
