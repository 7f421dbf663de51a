/**
 * The folder of a failure: everything that a later look at it needs. It appears as a whole or not at all, and that it cannot be written is a
 * line of the report, not the end of it.
 */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import { chromeTrace } from '../exports/chrome_trace.ts';
import { ftraceText } from '../exports/ftrace_text.ts';
import { lockStatText } from '../exports/lock_stat_text.ts';
import { type ExportFile, writeFiles } from '../exports/write_exports.ts';
import type { RunResult } from '../run_result.ts';

/** What is in the folder. */
export interface FailureFiles {
  /** Everything that the run was told, and where it ran. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly result: RunResult;
  /** The block as it was printed. */
  readonly block: readonly string[];
  /** The word for `faultlab again`, if the order of the threads is known; a file with it is one that `again` and `shrink` take. */
  readonly again?: string;
}

const NAMES_MAX = 100;

/** @param path of the folder @param exact false: when it is there, the next free name with a number @returns one line that says where it is, or why it is not */
export async function writeFailureFolder(path: string, exact: boolean, files: FailureFiles): Promise<string> {
  try {
    const folder = exact ? path : await freeName(path);
    const isNew = (await stat(folder).catch(() => undefined)) === undefined;
    if (isNew) await makeWhole(folder, fileList(files));
    else await writeFiles(folder, fileList(files));
    return `Folder: ${folder} (${fileList(files)
      .map(({ name }) => name)
      .join(', ')})`;
  } catch (error) {
    const message = error instanceof UsageError ? error.message : `${path} could not be written (${(error as Error).message}).`;
    return `There is no folder of this failure: ${message}`;
  }
}

function fileList({ params, result, block, again }: FailureFiles): ExportFile[] {
  const { environment, verdict, violations } = result;
  return [
    { name: 'params.json', text: `${JSON.stringify({ verdict, violations, ...params, environment }, undefined, 2)}\n` },
    ...(again === undefined ? [] : [{ name: 'again.txt', text: `${again}\n` }]),
    { name: 'failure.txt', text: `${block.join('\n')}\n` },
    { name: 'trace.json', text: `${JSON.stringify(chromeTrace(result))}\n` },
    { name: 'trace.txt', text: ftraceText(result) },
    { name: 'lock_stat.txt', text: lockStatText(result.locks) },
  ];
}

async function freeName(path: string): Promise<string> {
  for (let number = 1; number <= NAMES_MAX; number++) {
    const name = number === 1 ? path : `${path}-${number}`;
    if ((await stat(name).catch(() => undefined)) === undefined) return name;
  }
  throw new UsageError(`${path} and ${NAMES_MAX - 1} further names are taken; remove some, or name a folder with --dir.`);
}

/** Writes beside the place first, and then takes it. */
async function makeWhole(folder: string, files: readonly ExportFile[]): Promise<void> {
  const part = `${folder}.${process.pid}.part`;
  try {
    await mkdir(dirname(folder), { recursive: true });
    await writeFiles(part, files);
    await rename(part, folder);
  } catch (error) {
    await rm(part, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}
