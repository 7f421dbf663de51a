/**
 * Ends the address space of a run, and those that were left for a CPU that never took them; then its files. Afterwards nothing may be left
 * of any.
 */
import type { MappingId, SwapId, Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { closeFile } from '@faultlab/core/io/file';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { atomic_xchg } from '@faultlab/core/memory/atomic';
import { PC_NAP, WAIT_RECLAIM } from '@faultlab/core/memory/percpu';
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import { NO_FOLIO } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { folio_wait_writeback } from '@faultlab/core/mm/folio_writeback';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { swp_entry } from '@faultlab/core/mm/swap_entry';
import { folio_free_swap, swap_cache_get_folio } from '@faultlab/core/mm/swap_state';
import { swapInUse, swapMax } from '@faultlab/core/mm/swapfile';
import { oomReaperStep } from '@faultlab/core/reclaim/oom_reaper';
import { waitOnWord } from '../doorbell.ts';
import type { WorkContext } from '../work.ts';
import { dropSpace, settle } from './calls.ts';
import { clearOffers } from './processes.ts';
import { closeUserfault } from './userfault_ops.ts';

/** So often, with so many milliseconds between, is an area looked at that is not empty yet. */
const PASSES_MAX = 200;
const PASS_MS = 5;

export interface DissolveOrder {
  readonly space: number;
  readonly files: readonly number[];
  /** Swap areas that are to be switched off. */
  readonly swaps: readonly number[];
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
  clearOffers(cpu, arena.mailboxes);
  oomReaperStep(cpu); // A process that ended before the reaper came is still on its list.
  dropSpace(cpu, order.space);
  rcu_barrier(cpu);
  for (const file of order.files) {
    closeFile(cpu, file as MappingId);
    context.progress();
  }
  settle(cpu);
  for (const area of order.swaps) {
    for (let pass = 0; pass < PASSES_MAX && swapInUse(memory, area as SwapId) > 0; pass++) {
      if (pass > 0) waitOnWord(cpu, WAIT_RECLAIM, (cpu.percpu + PC_NAP) as Word, 0, PASS_MS);
      emptySwapCache(cpu, area as SwapId);
      context.progress();
    }
  }
  rcu_barrier(cpu);
}

/**
 * Pages that were read ahead from swap while their last user went away, or that kswapd is writing there: only the swap cache knows them, until somebody
 * needs their memory. As swapoff finds them. A page that reclaim has in its hands just now is met in a later pass.
 */
function emptySwapCache(cpu: Cpu, area: SwapId): void {
  for (let offset = 1; offset < swapMax(cpu.memory, area) && swapInUse(cpu.memory, area) > 0; offset++) {
    const pfn = swap_cache_get_folio(cpu, swp_entry(area, offset));
    if (pfn === NO_FOLIO) continue;
    folio_lock(cpu, pfn);
    folio_wait_writeback(cpu, pfn);
    folio_free_swap(cpu, pfn);
    folio_unlock(cpu, pfn);
    folio_put(cpu, pfn);
  }
}
