/**
 * Writes a result so that a reader sees all of it or nothing.
 */
import { constants } from 'node:fs';
import { access, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';

/**
 * Finds out before a long run that its result could not be written.
 * @throws UsageError when the folder of the file does not exist or may not be written to, or when the path is no file's
 */
export async function checkWritable(path: string): Promise<void> {
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (folder?.isDirectory() !== true) {
    throw new UsageError(`The folder ${dirname(path)} does not exist, so ${path} cannot be written; name a file in a folder that exists.`);
  }
  const there = await stat(path).catch(() => undefined);
  if (there !== undefined && !there.isFile()) {
    throw new UsageError(`${path} is there and is no file, so no result can be written to it; name a file.`);
  }
  const allowed = await access(dirname(path), constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!allowed) throw new UsageError(`The folder ${dirname(path)} may not be written to; name a file in another folder.`);
}

/**
 * Writes to a file beside it first, which then takes its place: whoever reads, or is killed, sees the old file or the new one.
 * @param temporary the file beside it @throws UsageError when the file cannot be written; nothing is left of it then
 */
export async function writeJson(path: string, value: unknown, temporary: string = `${path}.${process.pid}.part`): Promise<void> {
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
    await rm(temporary, { force: true }).catch(() => undefined);
    const { code = (error as Error).message } = error as NodeJS.ErrnoException;
    throw new UsageError(`The result could not be written to ${path} (${code}); name a file in a folder that exists and has room.`);
  }
}
