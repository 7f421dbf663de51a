/**
 * What the layers below the killer know of it: whether there is one, and whether a process was killed for its memory.
 *
 *   VICTIM        its tasks have a fatal signal; nobody else is killed until there is no more to be had of it
 *   UNSTABLE      its private pages are being taken away while it still runs: a fault on one of them is SIGBUS, never a fresh page
 *   SKIP          its memory is given back, or it cannot be taken: the next one may be killed
 *
 * @kernel include/linux/oom.h tsk_is_oom_victim(), mm/oom_kill.c oom_lock
 * @fidelity reduced: the flags are those of the address space; the kernel has the first one in the record of its processes' signals
 * Next: reclaim/oom_kill.ts
 */
import type { MmId, Word } from '../base/brand.ts';
import { NO_MM } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { MUTEX_WORDS } from '../locking/mutex.ts';
import { atomic_fetch_or, atomic_read } from '../memory/atomic.ts';
import { H_ZONE } from '../memory/header.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { MMF_OOM_SKIP, MMF_OOM_VICTIM, mmFlagsWord } from './mm_struct.ts';

/** A mutex: one CPU looks for a victim at a time. */
export const OOM_LOCK = (H_ZONE + 16) as Word;
const KILLER_ON = (OOM_LOCK + MUTEX_WORDS) as Word;

/** Killed for its memory. It stays so until its record is another's. Pairs with: mark_oom_victim(). */
export const isOomVictim = (cpu: Cpu, mm: MmId): boolean =>
  mm !== NO_MM && (atomic_read(cpu, mmFlagsWord(cpu.memory, mm)) & MMF_OOM_VICTIM) !== 0;

/** There is nothing more to be had of its memory. @returns the flags before. Pairs with: the looks of the killer and of the reaper, under mmap_lock or not */
export const setOomSkip = (cpu: Cpu, mm: MmId): number => atomic_fetch_or(cpu, mmFlagsWord(cpu.memory, mm), MMF_OOM_SKIP);

/** May processes be killed for their memory? Does not change while CPUs run. @kernel oom_killer_disabled, the other way round */
export const oomKillerOn = (m: SharedMemory): boolean => m.words[KILLER_ON] !== 0;

/** @locks none: before CPUs run */
export function switchOomKiller(m: SharedMemory, on: boolean): void {
  m.words[KILLER_ON] = on ? 1 : 0;
}
