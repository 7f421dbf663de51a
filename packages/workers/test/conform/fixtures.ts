/** What the tests of conform share: the recorded scripts, and observations made by hand. */
import { fileURLToPath } from 'node:url';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { assert, type Tester } from '@faultlab/test-support';
import { conform } from '@faultlab/workers/conform/conform';
import { type LoadedScript, loadScripts } from '@faultlab/workers/conform/find_scripts';
import type { KernelRecord, Observation } from '@faultlab/workers/conform/record';

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

/** Operations of all recorded scripts. */
export const OPERATIONS = 2489;

/**
 * What a program can tell: how the operation ended, and the areas. Which pages are mapped by then is the business of the policy: a fault that maps in
 * place what it waited for maps nothing around it.
 */
const outcomeOf = ({ result, vmas }: Observation): string =>
  JSON.stringify([result, vmas.map(({ start, end, prot, pgoff, of }) => [start, end, prot, pgoff, of])]);

/** A test for each policy: no script breaks anything, and every operation ends as it did on the kernel, whatever locks it takes. */
export function scriptsUnderPolicies(test: Tester, policies: readonly FaultPolicy[]): void {
  for (const policy of policies) {
    test(
      `${policy.name} breaks nothing, ends every operation in the same way, and takes other locks`,
      async () => {
        const { differences, scripts } = conform(await goldenScripts(), policy);
        assert.equal(
          scripts.flatMap(({ broken }) => broken),
          [],
        );
        assert.is(
          scripts.reduce((sum, { run }) => sum + run, 0),
          OPERATIONS,
        );
        assert.equal(
          differences.filter(({ expected, got }) => outcomeOf(expected) !== outcomeOf(got)).map(({ script, line }) => `${script}:${line}`),
          [],
        );
        assert.ok(differences.some(({ differs }) => differs.includes('events')));
      },
      { deadlineMs: 120_000 },
    );
  }
}
