/** What the tests of conform share: the recorded scripts, and observations made by hand. */
import { fileURLToPath } from 'node:url';
import { type LoadedScript, loadScripts } from '@faultlab/workers/conform/find_scripts';
import type { KernelRecord } from '@faultlab/workers/conform/record';

export const GOLDENS: string = fileURLToPath(new URL('../../test/data/goldens', import.meta.url));

/** All recorded scripts. */
export const goldenScripts = (): Promise<LoadedScript[]> => loadScripts([GOLDENS], (name) => name);

/** A record of "touch 0 w" on one area, changed as a test needs it. */
export const touchRecord = (change: Partial<KernelRecord> = {}): KernelRecord => ({
  op: 0,
  mm: 0,
  do: 'touch 0 w',
  result: 'ok',
  minflt: 1,
  majflt: 0,
  vmas: [{ start: 0, end: 4, prot: 'rw-p', pgoff: 0, of: 'anon', pages: 'A...' }],
  events: ['page_fault_user page=0 error=write'],
  ...change,
});
