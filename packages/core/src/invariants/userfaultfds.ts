/**
 * Q12, I31: at rest nobody waits for a userfaultfd, every registered area has a context that exists and is of its address space, and no entry that is
 * write-protected for a handler may be written.
 * Next: invariants/caches.ts counts the pins of contexts on their address spaces
 */
import type { MmId, UffdId } from '../base/brand.ts';
import { NO_UFFD, NO_VMA } from '../base/brand.ts';
import { pte_present, pte_uffd_wp, pte_write } from '../mm/pte.ts';
import {
  mapChangingLockWord,
  mmapChangingWord,
  uffdEventList,
  uffdLockWord,
  uffdMm,
  uffdPendingList,
  uffdReaderList,
  uffdReadList,
  uffdRefcountWord,
} from '../mm/userfaultfd_ctx.ts';
import { userfaultfd_wp } from '../mm/userfaultfd_k.ts';
import { vm_flags, vm_userfaultfd_ctx } from '../mm/vm_area_struct.ts';
import { VM_UFFD_FLAGS } from '../mm/vm_flags.ts';
import { UFFD_CACHE } from '../slab/caches.ts';
import { cacheSlots, isAllocated } from '../slab/kmem_cache.ts';
import { rwsemProblem } from './locks_free.ts';
import { type AreaSeen, entryName, type SpaceSeen, type SweepState } from './sweep_state.ts';

/** Runs after the sweeps that follow the trees and the tables. */
export function sweepUserfaultfds(state: SweepState): void {
  for (const ctx of openContexts(state)) sweepContext(state, ctx);
  for (const space of state.spaces) for (const area of space.areas) sweepRegistration(state, space, area);
  for (const entry of state.entries) {
    if (entry.vma === NO_VMA || !userfaultfd_wp(state.m, entry.vma)) continue;
    const writable = pte_present(entry.pte) && pte_uffd_wp(entry.pte) && pte_write(entry.pte);
    if (writable) state.report('I31', `${entryName(entry)} is write-protected for a userfaultfd handler, but may be written`);
  }
}

/** The contexts that somebody has open. */
export function openContexts({ m }: SweepState): UffdId[] {
  const open: UffdId[] = [];
  for (let ctx = 1; ctx <= cacheSlots(m, UFFD_CACHE); ctx++) if (isAllocated(m, UFFD_CACHE, ctx)) open.push(ctx as UffdId);
  return open;
}

/** How many contexts pin the record of an address space. */
export const contextsOf = (state: SweepState, mm: MmId): number => openContexts(state).filter((ctx) => uffdMm(state.m, ctx) === mm).length;

function sweepContext(state: SweepState, ctx: UffdId): void {
  const { m } = state;
  const word = (at: number): number => m.words[at] as number;
  const lists = { pending: uffdPendingList, read: uffdReadList, events: uffdEventList, readers: uffdReaderList };
  for (const [name, list] of Object.entries(lists)) {
    if (word(list(m, ctx)) !== 0 || word(list(m, ctx) + 1) !== 0)
      state.report('Q12', `userfaultfd ${ctx} has CPU ${word(list(m, ctx)) - 1} in its list "${name}"`);
  }
  if (word(uffdLockWord(m, ctx)) !== 0) state.report('Q10', `the spinlock of userfaultfd ${ctx} holds ${word(uffdLockWord(m, ctx))}`);
  const problem = rwsemProblem(m, mapChangingLockWord(m, ctx));
  if (problem !== undefined) state.report('Q10', `the rwsem of userfaultfd ${ctx} ${problem}`);
  if (word(mmapChangingWord(m, ctx)) !== 0)
    state.report('Q12', `userfaultfd ${ctx} says that ${word(mmapChangingWord(m, ctx))} changes are under way`);
  // The owner's: whoever waits has one, too, and nobody does.
  if (word(uffdRefcountWord(m, ctx)) !== 1)
    state.report('Q12', `userfaultfd ${ctx} has ${word(uffdRefcountWord(m, ctx))} references instead of 1`);
}

function sweepRegistration(state: SweepState, { mm }: SpaceSeen, { vma }: AreaSeen): void {
  const { m } = state;
  const ctx = vm_userfaultfd_ctx(m, vma);
  const where = `mm ${mm}: area ${vma}`;
  const armed = (vm_flags(m, vma) & VM_UFFD_FLAGS) !== 0;
  if (armed !== (ctx !== NO_UFFD))
    state.report('Q12', `${where} has the userfaultfd ${ctx} and the flags ${vm_flags(m, vma) & VM_UFFD_FLAGS} for it`);
  if (ctx === NO_UFFD) return;
  if (!isAllocated(m, UFFD_CACHE, ctx)) state.report('Q12', `${where} is registered with userfaultfd ${ctx}, which is closed`);
  else if (uffdMm(m, ctx) !== mm) state.report('Q12', `${where} is registered with userfaultfd ${ctx} of mm ${uffdMm(m, ctx)}`);
}
