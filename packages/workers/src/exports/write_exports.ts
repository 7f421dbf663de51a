/**
 * Everything that a run can be exported as, and how it gets into a folder: all files are written beside their places first, so that a reader finds the
 * old ones or the new ones, never a half.
 * Next: chrome_trace.ts, ftrace_text.ts, lock_stat_text.ts, vmstat_text.ts, csv.ts, run_file.ts
 */
import { constants } from 'node:fs';
import { access, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import type { RunResult } from '../run_result.ts';
import { chromeTrace } from './chrome_trace.ts';
import { csvText } from './csv.ts';
import { ftraceText } from './ftrace_text.ts';
import { lockStatText } from './lock_stat_text.ts';
import { runFileOf } from './run_file.ts';
import { vmstatText } from './vmstat_text.ts';

export interface ExportFile {
  readonly name: string;
  readonly text: string;
}

/** @param scenario null: no scenario's run @returns the same text for the same run */
export function exportFiles(result: RunResult, scenario: string | null = null): ExportFile[] {
  return [
    { name: 'run.json', text: `${JSON.stringify(runFileOf(result, scenario), undefined, 1)}\n` },
    { name: 'trace.json', text: `${JSON.stringify(chromeTrace(result))}\n` },
    { name: 'ftrace.txt', text: ftraceText(result) },
    { name: 'lock_stat.txt', text: lockStatText(result.locks) },
    { name: 'vmstat.txt', text: vmstatText(result) },
    { name: 'run.csv', text: csvText(result) },
  ];
}

/**
 * Finds out before a long run that nothing could be written into the folder. It may be missing, if the one around it is there.
 * @throws UsageError
 */
export async function checkFolder(folder: string): Promise<void> {
  const there = await stat(folder).catch(() => undefined);
  if (there !== undefined && !there.isDirectory())
    throw new UsageError(`${folder} is there and is no folder, so nothing can be written into it; name a folder.`);
  const written = there === undefined ? dirname(folder) : folder;
  if (there === undefined && (await stat(written).catch(() => undefined))?.isDirectory() !== true) {
    throw new UsageError(`The folder ${written} does not exist, so ${folder} cannot be made in it; name a folder in one that exists.`);
  }
  const allowed = await access(written, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!allowed) throw new UsageError(`The folder ${written} may not be written to; name another one.`);
}

/** Makes the folder if it is missing; other files in it stay. @throws UsageError when the files cannot be written; none of them has changed then */
export async function writeFiles(folder: string, files: readonly ExportFile[]): Promise<void> {
  await checkFolder(folder);
  const plans = files.map(({ name, text }) => ({ text, to: join(folder, name), part: join(folder, `${name}.${process.pid}.part`) }));
  try {
    await mkdir(folder, { recursive: true });
    for (const { part, text } of plans) await writeFile(part, text, { flush: true });
    for (const { part, to } of plans) await rename(part, to);
  } catch (error) {
    for (const { part } of plans) await rm(part, { force: true }).catch(() => undefined);
    const { code = (error as Error).message } = error as NodeJS.ErrnoException;
    throw new UsageError(`Files could not be written into ${folder} (${code}); name a folder that has room.`);
  }
}
