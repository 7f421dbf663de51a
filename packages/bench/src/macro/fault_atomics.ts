/**
 * Atomic operations of one fault of each kind, from the access to the access done, under the reference and under the first mmap_lock-only kernel.
 * Counts, so they are the same on every machine. READ_ONCE and WRITE_ONCE are not atomic operations.
 */
import { policyByName } from '@faultlab/core/policy/policies';
import { FAULT_KINDS } from '@faultlab/workers/fault_kinds/by_name';
import { measureKind } from '@faultlab/workers/fault_kinds/measure';
import type { MemoryWrapper } from '@faultlab/workers/fault_kinds/one_thread_machine';
import type { Benchmark, Row } from '../benchmark.ts';
import { type AtomicCounts, countAtomics } from '../count_atomics.ts';

const POLICIES: readonly string[] = ['linux-6.18', 'linux-5.7'];

export const faultAtomics: Benchmark = {
  name: 'fault_atomics',
  question: 'how many atomic operations does one fault of each kind take?',
  run: () => Promise.resolve(FAULT_KINDS.flatMap((kind): Row[] => POLICIES.map((policy) => rowOf(policy, kind)))),
};

function rowOf(policy: string, kind: (typeof FAULT_KINDS)[number]): Row {
  let counts: AtomicCounts = { total: 0 };
  let before = 0;
  let taken = 0;
  const wrap: MemoryWrapper = (memory) => {
    const counted = countAtomics(memory);
    counts = counted.counts;
    return counted.memory;
  };
  const around = (begin: boolean): void => {
    if (begin) before = counts.total;
    else taken = counts.total - before;
  };
  measureKind(policyByName(policy), kind, { wrap, around });
  const rows = kind.rows.length === 1 ? `row ${kind.rows[0]}` : `rows ${kind.rows.join(', ')}`;
  return { task: `${kind.name} (${rows}), ${policy}`, value: taken, unit: 'ops' };
}
