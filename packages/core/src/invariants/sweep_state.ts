/**
 * What the sweeps share: the address spaces and entries found so far, which slots were reached, and the violations.
 * Plain reads only: nothing moves during a sweep.
 * Next: invariants/vma_tree.ts
 */
import type { MmId, Pte, VmaId, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import type { CacheId } from '../slab/caches.ts';
import { cacheSlots, isAllocated } from '../slab/kmem_cache.ts';
import { readCounters } from '../trace/counters.ts';

/** A broken invariant: its id in docs/INVARIANTS.md, and what is wrong where, with numbers. */
export interface Violation {
  readonly id: string;
  readonly message: string;
}

/** An area as its tree shows it. */
export interface AreaSeen {
  readonly vma: VmaId;
  readonly start: number;
  readonly end: number;
}

export interface SpaceSeen {
  readonly mm: MmId;
  /** In order. Empty when the tree is damaged. */
  readonly areas: readonly AreaSeen[];
}

/** A page-table entry that is not empty. */
export interface EntrySeen {
  readonly mm: MmId;
  readonly vpn: Vpn;
  readonly pte: Pte;
  /** The area that covers the page, or NO_VMA. */
  readonly vma: VmaId;
}

/** An entry in messages. */
export const entryName = ({ mm, vpn, pte }: EntrySeen): string => `mm ${mm}: the entry ${pte} of page ${vpn}`;

/** One cause often breaks the same rule a thousand times: the first few tell the story. */
const REPORTED_PER_ID = 20;

export class SweepState {
  readonly cpu: Cpu;
  readonly m: SharedMemory;
  readonly violations: Violation[] = [];
  readonly spaces: SpaceSeen[] = [];
  readonly entries: EntrySeen[] = [];
  /** Somebody has asked for NUMA hints on this machine. */
  readonly numaHints: boolean;
  /** Frames that are allocated, the zero page not counted; set by the sweep of frames. */
  framesInUse = 0;
  readonly #reached = new Map<CacheId, Uint8Array>();
  readonly #counts = new Map<string, number>();

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.m = cpu.memory;
    this.numaHints = readCounters(cpu.memory).numa_pte_updates > 0;
  }

  report(id: string, message: string): void {
    const count = (this.#counts.get(id) ?? 0) + 1;
    this.#counts.set(id, count);
    if (count <= REPORTED_PER_ID) this.violations.push({ id, message });
    else if (count === REPORTED_PER_ID + 1) this.violations.push({ id, message: 'and more of the same kind' });
  }

  /** Notes that something leads to a slot. */
  reach(cache: CacheId, slot: number): 'first' | 'again' | 'free' {
    if (!isAllocated(this.m, cache, slot)) return 'free';
    const marks = this.#marks(cache);
    if (marks[slot] !== 0) return 'again';
    marks[slot] = 1;
    return 'first';
  }

  wasReached(cache: CacheId, slot: number): boolean {
    return this.#marks(cache)[slot] === 1;
  }

  #marks(cache: CacheId): Uint8Array {
    let marks = this.#reached.get(cache);
    if (marks === undefined) {
      marks = new Uint8Array(cacheSlots(this.m, cache) + 1);
      this.#reached.set(cache, marks);
    }
    return marks;
  }
}
