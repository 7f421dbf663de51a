/**
 * Each CPU's cached translations, the hardware page walk that fills them, and the shootdown that empties them.
 * A user access is a window: find the translation, use it. A shootdown invalidates and then waits until every CPU is out of the window in
 * which it may have used an old translation; only then may the frame be freed.
 *
 *   accessing CPU                             unmapping CPU
 *   1 opens its window (odd), reads generation g
 *   2 walks: finds the PTE, caches it as g
 *                                             3 clears the PTE, raises the generation to g + 1
 *   4 uses the frame                          5 window is odd: waits   <- decides: the frame is not freed yet
 *   6 closes its window
 *                                             7 sees the window closed: frees
 *   8 next lookup: entry of generation g is invalid, walks again
 *
 * @kernel arch/x86/mm/tlb.c flush_tlb_range()
 * @fidelity reduced: shaped like a broadcast invalidation with a wait, not like an interrupt; a flush empties a remote CPU's whole cache
 * Next: user/access.ts
 */
import { assert } from '../base/assert.ts';
import type { CpuId, MmId, Pte, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { cpu_relax, spinLooks } from '../locking/cpu_relax.ts';
import { atomic_cmpxchg, atomic_fetch_add, atomic_read, atomic_set, READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import { beginWait, endWait, park } from '../memory/park.ts';
import { PC_TLB_ACCESS, PC_TLB_GENERATION, percpuBase, WAIT_TLB } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { count_vm_event, NR_TLB_LOCAL_FLUSH_ALL, NR_TLB_LOCAL_FLUSH_ONE, NR_TLB_REMOTE_FLUSH } from '../trace/counters.ts';
import { TRACE_TLB_FLUSH } from '../trace/events.ts';
import { at, BEFORE_TLB_FLUSH } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { CPUMASK_WORDS, mmCpumaskWord } from './mm_struct.ts';
import { findPteTable, ptep_get, pteWord } from './page_table.ts';
import { PTE_DIRTY, PTE_PRESENT, PTE_RW, PTE_YOUNG } from './pte.ts';

const ENTRIES = 128;
const ENTRY_WORDS = 4;
const TAG_MM = 0;
const TAG_VPN = 1;
const PTE = 2;
const GENERATION = 3;
assert(ENTRIES * ENTRY_WORDS === RECORD_WORDS.tlb, 'tlb: the record has another size in memory/layout.ts');

/** How long to sleep between two looks at the window of a descheduled thread. */
const WINDOW_POLL_MS = 0.1;

/** No translation; of the hardware walk: the page is not present. */
export const TLB_MISS: Pte = 0 as Pte;
/** The hardware walk found the page present, but not writable. */
export const TLB_PROTECTION: Pte = -1 as Pte;

const slotOf = (cpu: Cpu, vpn: Vpn): number => cpu.memory.tlbAt + cpu.id * RECORD_WORDS.tlb + (vpn & (ENTRIES - 1)) * ENTRY_WORDS;
const accessWord = (cpu: Cpu): Word => (cpu.percpu + PC_TLB_ACCESS) as Word;
const generationWord = (cpu: Cpu): Word => (cpu.percpu + PC_TLB_GENERATION) as Word;

/** Opens the window of one user access. A full barrier: what follows reads translations after the window is visible. */
export function beginAccess(cpu: Cpu): void {
  atomic_set(cpu, accessWord(cpu), (READ_ONCE(cpu, accessWord(cpu)) + 1) | 0); // Pairs with: waitForWindow().
}

export function endAccess(cpu: Cpu): void {
  atomic_set(cpu, accessWord(cpu), (READ_ONCE(cpu, accessWord(cpu)) + 1) | 0); // Release: the access is done. Pairs with: waitForWindow().
}

/**
 * The cached translation for an access, or TLB_MISS. Within an access window.
 * @param needs PTE_PRESENT, with PTE_RW | PTE_DIRTY for a write (a first write must walk, to set the dirty bit)
 */
export function tlbLookup(cpu: Cpu, mm: MmId, vpn: Vpn, needs: number): Pte {
  const slot = slotOf(cpu, vpn);
  const words = cpu.words;
  if (words[slot + TAG_VPN] !== vpn || words[slot + TAG_MM] !== mm) return TLB_MISS;
  if (words[slot + GENERATION] !== atomic_read(cpu, generationWord(cpu))) return TLB_MISS; // Pairs with: flushCpu().
  const pte = words[slot + PTE] as Pte;
  return (pte & needs) === needs ? pte : TLB_MISS;
}

/**
 * What the hardware does on a miss: walks the tables without any lock, sets accessed and dirty, caches the translation.
 * Within an access window. @returns TLB_MISS or TLB_PROTECTION when the access must fault
 */
export function hardwareWalk(cpu: Cpu, mm: MmId, vpn: Vpn, write: boolean): Pte {
  const generation = atomic_read(cpu, generationWord(cpu)); // Before the walk. Pairs with: flushCpu().
  const table = findPteTable(cpu, mm, vpn);
  if (table === NO_TABLE) return TLB_MISS;
  const pte = markAccessed(cpu, pteWord(cpu.memory, table, vpn), write);
  if (pte <= TLB_MISS) return pte;
  const slot = slotOf(cpu, vpn);
  const words = cpu.words;
  words[slot + TAG_MM] = mm;
  words[slot + TAG_VPN] = vpn;
  words[slot + PTE] = pte;
  words[slot + GENERATION] = generation;
  return pte;
}

function markAccessed(cpu: Cpu, entry: Word, write: boolean): Pte {
  const needs = write ? PTE_PRESENT | PTE_RW : PTE_PRESENT;
  const sets = write ? PTE_YOUNG | PTE_DIRTY : PTE_YOUNG;
  for (;;) {
    const pte = ptep_get(cpu, entry);
    if ((pte & needs) !== needs) return (pte & PTE_PRESENT) === 0 ? TLB_MISS : TLB_PROTECTION;
    if ((pte & sets) === sets) return pte;
    const marked = (pte | sets) as Pte;
    if (atomic_cmpxchg(cpu, entry, pte, marked) === pte) return marked; // Pairs with: ptep_get_and_clear().
  }
}

/** A translation that a CPU would use, for checkers. */
export interface CachedTranslation {
  readonly mm: MmId;
  readonly vpn: Vpn;
  readonly pte: Pte;
}

/** The translations of a CPU that are of its current generation. Exact while the CPU does not move. */
export function cachedTranslations(m: SharedMemory, target: CpuId): CachedTranslation[] {
  const generation = m.words[percpuBase(m.percpuAt, target) + PC_TLB_GENERATION];
  const found: CachedTranslation[] = [];
  for (let entry = 0; entry < ENTRIES; entry++) {
    const slot = m.tlbAt + target * RECORD_WORDS.tlb + entry * ENTRY_WORDS;
    if (m.words[slot + TAG_MM] === 0 || m.words[slot + GENERATION] !== generation) continue;
    found.push({ mm: m.words[slot + TAG_MM] as MmId, vpn: m.words[slot + TAG_VPN] as Vpn, pte: m.words[slot + PTE] as Pte });
  }
  return found;
}

/** Forgets one translation of this CPU. */
export function flushLocalPage(cpu: Cpu, vpn: Vpn): void {
  WRITE_ONCE(cpu, (slotOf(cpu, vpn) + TAG_MM) as Word, 0);
  count_vm_event(cpu, NR_TLB_LOCAL_FLUSH_ONE);
}

/** Forgets all translations of this CPU. */
export function flushLocalAll(cpu: Cpu): void {
  atomic_fetch_add(cpu, generationWord(cpu), 1); // Alone: only this CPU uses its translations.
  count_vm_event(cpu, NR_TLB_LOCAL_FLUSH_ALL);
}

/**
 * After this returns no CPU uses a translation of the range that was read before the call. The PTEs have been changed before.
 * Spins for other CPUs' access windows, which are short and hold no lock. @locks in: may hold spinlocks
 * @kernel flush_tlb_range()
 */
export function flush_tlb_range(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn): void {
  at(cpu, BEFORE_TLB_FLUSH);
  const pages = end - start;
  trace(cpu, TRACE_TLB_FLUSH, start, pages);
  if (pages === 1 && cpu.mm === mm) flushLocalPage(cpu, start);
  else flushLocalAll(cpu);
  flushOthers(cpu, mm);
}

/** All translations of an address space. @kernel flush_tlb_mm() */
export function flush_tlb_mm(cpu: Cpu, mm: MmId): void {
  flushLocalAll(cpu);
  flushOthers(cpu, mm);
}

function flushOthers(cpu: Cpu, mm: MmId): void {
  const m = cpu.memory;
  for (let index = 0; index < CPUMASK_WORDS; index++) {
    if (index * 32 >= m.size.cpus) return;
    let mask = atomic_read(cpu, mmCpumaskWord(m, mm, index)); // Pairs with: cpumaskSet() in switch_mm().
    if (index === cpu.id >> 5) mask &= ~(1 << (cpu.id & 31));
    for (; mask !== 0; mask &= mask - 1) flushCpu(cpu, (index * 32 + 31 - Math.clz32(mask & -mask)) as CpuId);
  }
}

function flushCpu(cpu: Cpu, target: CpuId): void {
  const block = percpuBase(cpu.memory.percpuAt, target);
  atomic_fetch_add(cpu, (block + PC_TLB_GENERATION) as Word, 1); // Pairs with: tlbLookup(), hardwareWalk().
  count_vm_event(cpu, NR_TLB_REMOTE_FLUSH);
  waitForWindow(cpu, (block + PC_TLB_ACCESS) as Word);
}

/** Waits until the window that was open, if one was, has closed. */
function waitForWindow(cpu: Cpu, access: Word): void {
  const seen = atomic_read(cpu, access); // Pairs with: beginAccess(), endAccess().
  if ((seen & 1) === 0) return;
  for (let looks = spinLooks(cpu); looks > 0; looks--) {
    if (atomic_read(cpu, access) !== seen) return;
    cpu_relax(cpu);
  }
  // The other thread was descheduled inside its window. Nobody wakes us: windows have no waiters' bit, they are too short for one.
  beginWait(cpu, WAIT_TLB, access);
  while (atomic_read(cpu, access) === seen) park(cpu, access, seen, WINDOW_POLL_MS);
  endWait(cpu);
}
