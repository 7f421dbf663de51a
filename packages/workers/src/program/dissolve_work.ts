/**
 * Ends the address space of a run, and those that were left for a CPU that never took them; then its files. Afterwards nothing may be left
 * of any.
 */
import type { MappingId, Word } from '@faultlab/core/base/brand';
import { closeFile } from '@faultlab/core/io/file';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { atomic_xchg } from '@faultlab/core/memory/atomic';
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import type { WorkContext } from '../work.ts';
import { dropSpace, settle } from './calls.ts';
import { closeUserfault } from './userfault_ops.ts';

export interface DissolveOrder {
  readonly space: number;
  readonly files: readonly number[];
}

export default function dissolve(context: WorkContext, order: DissolveOrder): void {
  const { cpu, arena } = context;
  const { memory } = cpu;
  context.arrive();
  closeUserfault(cpu, arena);
  for (let target = 0; target < memory.size.cpus; target++) {
    const left = atomic_xchg(cpu, (memory.userAt + arena.mailboxes + target * LINE_WORDS) as Word, 0); // Pairs with: forkGive().
    if (left !== 0) dropSpace(cpu, left);
    context.progress();
  }
  dropSpace(cpu, order.space);
  rcu_barrier(cpu);
  for (const file of order.files) {
    closeFile(cpu, file as MappingId);
    context.progress();
  }
  settle(cpu);
}
