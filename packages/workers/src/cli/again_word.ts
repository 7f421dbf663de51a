/**
 * The word that repeats a schedule, as users give it: itself, or a file with it.
 * Next: again.ts, shrink.ts
 */
import { readFile, stat } from 'node:fs/promises';
import { UsageError } from '@faultlab/core/base/errors';
import { userPath } from './command.ts';

const FILE_BYTES_MAX = 64 << 20;

/** The word itself, or what is in the file of that name. @throws UsageError when it is neither */
export async function wordOf(schedule: string): Promise<string> {
  if (schedule.includes(':')) return schedule;
  const path = userPath(schedule);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size > FILE_BYTES_MAX) {
    throw new UsageError(`"${schedule}" is no schedule, and no file with one; give the word that faultlab explore has printed.`);
  }
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(`${schedule} cannot be read; give the word that faultlab explore has printed, or a file with it.`);
  });
  if (!text.trimStart().startsWith('{')) return text.trim();
  try {
    const word = (JSON.parse(text) as { readonly first?: { readonly again?: unknown } }).first?.again;
    if (typeof word === 'string') return word;
  } catch {
    // It is told below.
  }
  throw new UsageError(
    `${schedule} is JSON without a failed schedule in it; give a file that faultlab explore --json wrote after a failure.`,
  );
}
