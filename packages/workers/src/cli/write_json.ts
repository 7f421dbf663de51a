/**
 * Writes a result so that a reader sees all of it or nothing.
 */
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';

/** Finds out before a long run that its result could not be written. @throws UsageError when the folder of the file does not exist */
export async function checkFolder(path: string): Promise<void> {
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (folder?.isDirectory() !== true) {
    throw new UsageError(`The folder ${dirname(path)} does not exist, so ${path} cannot be written; name a file in a folder that exists.`);
  }
}

/** @throws UsageError when the file cannot be written */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${process.pid}.part`;
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(`${JSON.stringify(value, undefined, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new UsageError(`The result could not be written to ${path} (${(error as Error).message}); name a file in a folder that exists.`);
  }
}
