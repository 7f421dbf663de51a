/**
 * The entry of an architecture is data: what the code that takes a fault does differently there. One entry (fault/do_user_addr_fault.ts) consults the
 * record, each field at one place; a record and a release together make the rules.
 * Next: policy/arch_entries.ts has the named ones
 */
import type { FaultPolicy } from './fault_policy.ts';
import { isSince, type Release } from './releases.ts';

/** Rights of an area of which a read needs one. */
export type ReadNeeds = 'any' | 'read' | 'read-write' | 'read-exec';

/** What a task that faulted in kernel mode gets when a signal ended the fault: the fixup of the access, or the code of a bus error, whose handler looks for the fixup. */
export type SignalInKernelMode = 'fixup' | 'sigbus';

/** What comes after COMPLETED, with the lock gone: nothing, the entry's own accounting, or the link into the guest's tables. */
export type AfterCompleted = 'return' | 'accounting' | 'gmap';

export interface ArchEntry {
  readonly name: string;
  /** One sentence for lists. */
  readonly summary: string;
  /** Where the kernel has the entry. */
  readonly source: string;
  /** The release that made the entry try the VMA lock first. */
  readonly vmaLockSince: Release | 'never';
  /** The release that made the entry set TRIED after a VMA-lock attempt that returned RETRY with MAJOR; the policy must have the rule as well. */
  readonly triedAfterVmaMajorSince: Release;
  readonly readNeeds: ReadNeeds;
  /** A read of a page that is present is denied without a look at the area: the error code says that the right is missing. */
  readonly presentReadDenied: boolean;
  /** Who releases the VMA lock of an access that is denied: the entry, before the signal is made out, or the helper that makes it out, after. */
  readonly releasesVmaLockOnDenial: boolean;
  readonly signalInKernelMode: SignalInKernelMode;
  /** ERROR is tested before RETRY, so that a result with both would be unlocked twice. */
  readonly errorBeforeRetry: boolean;
  /** The entry adds up MAJOR over its attempts under mmap_lock, for an accounting of its own. */
  readonly localMajor: boolean;
  readonly afterCompleted: AfterCompleted;
  /** Until this release the entry takes mmap_lock itself (no trylock, not killable), looks the area up and grows stacks with expand_stack(). */
  readonly findsAndExpandsUntil: Release | 'never';
  /** Until this release the entry serves the faults of a guest, too: it links the page into the guest's tables, under mmap_lock. */
  readonly gmapUntil: Release | 'never';
  /** Takes mmap_lock again for that link when COMPLETED has dropped it. The first version of COMPLETED did not. */
  readonly gmapRetakesLock: boolean;
  /** A guest that asked for it is told that its page is on the way: RETRY_NOWAIT, whose RETRY leaves the lock held. */
  readonly nowaitPseudoFaults: boolean;
  /** A second entry, for the register windows, compares the whole result with two values and has nothing to test bits of. */
  readonly exactResultSwitch: boolean;
  /** Coprocessors fault through a third entry, which allows no retry. */
  readonly copro: boolean;
}

/** The record as of a release, as a CPU consults it. */
export interface EntryRules extends Omit<ArchEntry, 'vmaLockSince' | 'triedAfterVmaMajorSince' | 'findsAndExpandsUntil' | 'gmapUntil'> {
  readonly vmaLock: boolean;
  readonly triedAfterVmaMajor: boolean;
  readonly findsAndExpands: boolean;
  readonly gmap: boolean;
}

/** What the entry of that architecture does in the kernel that the policy stands for. */
export function entryRules(arch: ArchEntry, policy: FaultPolicy): EntryRules {
  const { vmaLockSince, triedAfterVmaMajorSince, findsAndExpandsUntil, gmapUntil, ...rules } = arch;
  const since = (release: Release | 'never'): boolean => release !== 'never' && isSince(policy.release, release);
  const until = (release: Release | 'never'): boolean => release !== 'never' && isSince(release, policy.release);
  return {
    ...rules,
    vmaLock: policy.vmaLock !== 'none' && since(vmaLockSince),
    triedAfterVmaMajor: policy.triedAfterMajor && since(triedAfterVmaMajorSince),
    findsAndExpands: until(findsAndExpandsUntil),
    gmap: until(gmapUntil),
  };
}
