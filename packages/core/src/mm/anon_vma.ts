/**
 * anon_vma: the way from an anonymous folio back to the PTEs that map it. Each area with anonymous pages has one, and links (chains) to
 * those of its ancestors; each anon_vma lists the areas that may map its folios.
 * @kernel mm/rmap.c __anon_vma_prepare(), anon_vma_clone(), anon_vma_fork(), unlink_anon_vmas()
 * @fidelity reduced: a list of areas instead of an interval tree
 * Next: mm/rmap.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { AnonVmaId, AvcId, VmaId, Word } from '../base/brand.ts';
import { NO_ANON_VMA, NO_AVC, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { LOCK_ANON_VMA } from '../locking/lock_class.ts';
import { down_read, down_write, RWSEM_WORDS, up_read, up_write } from '../locking/rwsem.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_fetch_add, atomic_inc_not_zero_limited, atomic_read, atomic_set } from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { ANON_VMA_CACHE, AVC_CACHE } from '../slab/caches.ts';
import { kmem_cache_alloc, kmem_cache_free } from '../slab/kmem_cache.ts';
import { ANON_VMA_PREPARED, count_vm_event } from '../trace/counters.ts';
import { mas_find, mt_prev } from './maple_tree.ts';
import { mmTree, pageTableLockWord } from './mm_struct.ts';
import { mmap_assert_locked } from './mmap_lock.ts';
import {
  set_vma_anon_vma,
  set_vma_avc_list,
  vm_end,
  vm_file,
  vm_flags,
  vm_mm,
  vm_pgoff,
  vm_start,
  vma_anon_vma,
  vma_avc_head,
  vma_avc_tail,
  vma_pages,
  vmaAnonVmaWord,
} from './vm_area_struct.ts';
import { VM_ACCESS_FLAGS } from './vm_flags.ts';

// anon_vma record, 32 words.
const ANON_SHIFT = 5;
const RWSEM = 0;
const ROOT = 8;
const REFCOUNT = 9;
const NUM_CHILDREN = 10;
const NUM_ACTIVE_VMAS = 11;
const PARENT = 12;
const LIST_HEAD = 13;
// anon_vma_chain record, 16 words.
const AVC_SHIFT = 4;
const AVC_VMA = 0;
const AVC_ANON_VMA = 1;
const SAME_VMA_NEXT = 2;
const SAME_VMA_PREV = 3;
const LIST_NEXT = 4;
const LIST_PREV = 5;
assert(1 << ANON_SHIFT === RECORD_WORDS.anonVma && ROOT >= RWSEM_WORDS, 'anon_vma: the record has another size in memory/layout.ts');
assert(1 << AVC_SHIFT === RECORD_WORDS.avc, 'anon_vma_chain: the record has another size in memory/layout.ts');

const REFCOUNT_MAX = 0x7fffffff;

const anonAt = (id: AnonVmaId, field: number): number => (id << ANON_SHIFT) + field;
const avcAt = (id: AvcId, field: number): number => (id << AVC_SHIFT) + field;
const anonField = (m: SharedMemory, id: AnonVmaId, field: number): number => m.anonVmas[anonAt(id, field)] as number;
const avcField = (m: SharedMemory, id: AvcId, field: number): number => m.avcs[avcAt(id, field)] as number;
const anonWord = (m: SharedMemory, id: AnonVmaId, field: number): Word => (m.anonVmasAt + anonAt(id, field)) as Word;

export const anonVmaRoot = (m: SharedMemory, id: AnonVmaId): AnonVmaId => anonField(m, id, ROOT) as AnonVmaId;
export const anonVmaRefcount = (m: SharedMemory, id: AnonVmaId): number => anonField(m, id, REFCOUNT);
export const num_children = (m: SharedMemory, id: AnonVmaId): number => anonField(m, id, NUM_CHILDREN);
export const num_active_vmas = (m: SharedMemory, id: AnonVmaId): number => anonField(m, id, NUM_ACTIVE_VMAS);
export const anonVmaParent = (m: SharedMemory, id: AnonVmaId): AnonVmaId => anonField(m, id, PARENT) as AnonVmaId;
export const avcVma = (m: SharedMemory, avc: AvcId): VmaId => avcField(m, avc, AVC_VMA) as VmaId;
export const avcAnonVma = (m: SharedMemory, avc: AvcId): AnonVmaId => avcField(m, avc, AVC_ANON_VMA) as AnonVmaId;
export const avcNextOfVma = (m: SharedMemory, avc: AvcId): AvcId => avcField(m, avc, SAME_VMA_NEXT) as AvcId;
/** First area of an anon_vma's list, as its link. @locks in: the anon_vma lock, either way */
export const anonVmaFirst = (m: SharedMemory, id: AnonVmaId): AvcId => anonField(m, id, LIST_HEAD) as AvcId;
export const anonVmaPrev = (m: SharedMemory, avc: AvcId): AvcId => avcField(m, avc, LIST_PREV) as AvcId;
export const anonVmaNext = (m: SharedMemory, avc: AvcId): AvcId => avcField(m, avc, LIST_NEXT) as AvcId;

export const anonVmaRefcountWord = (m: SharedMemory, id: AnonVmaId): Word => anonWord(m, id, REFCOUNT);

/** The rwsem in the record; only a root's is used. */
export const anonVmaLockWord = (m: SharedMemory, id: AnonVmaId): Word => anonWord(m, id, RWSEM);
const rootLock = (m: SharedMemory, id: AnonVmaId): Word => anonWord(m, anonVmaRoot(m, id), RWSEM);
/** One lock for a whole family: the root's. May sleep. */
export const anon_vma_lock_write = (cpu: Cpu, id: AnonVmaId): void => down_write(cpu, rootLock(cpu.memory, id), LOCK_ANON_VMA);
export const anon_vma_unlock_write = (cpu: Cpu, id: AnonVmaId): void => up_write(cpu, rootLock(cpu.memory, id));
export const anon_vma_lock_read = (cpu: Cpu, id: AnonVmaId): void => down_read(cpu, rootLock(cpu.memory, id), LOCK_ANON_VMA);
export const anon_vma_unlock_read = (cpu: Cpu, id: AnonVmaId): void => up_read(cpu, rootLock(cpu.memory, id));

function anon_vma_alloc(cpu: Cpu): AnonVmaId {
  const m = cpu.memory;
  const id = kmem_cache_alloc(cpu, ANON_VMA_CACHE) as AnonVmaId;
  if (id === NO_ANON_VMA) return NO_ANON_VMA;
  m.anonVmas.fill(0, anonAt(id, ROOT), anonAt((id + 1) as AnonVmaId, 0));
  m.anonVmas[anonAt(id, ROOT)] = id;
  m.anonVmas[anonAt(id, PARENT)] = id;
  atomic_set(cpu, anonWord(m, id, REFCOUNT), 1); // Alone: nobody knows the slot yet.
  return id;
}

/** One more reference to an anon_vma that cannot vanish meanwhile. */
export function get_anon_vma(cpu: Cpu, id: AnonVmaId): void {
  atomic_fetch_add(cpu, anonWord(cpu.memory, id, REFCOUNT), 1); // Alone: the caller's area keeps it.
}

/** A reference on an anon_vma that may be on its way out, or another one already: the caller looks again afterwards. @returns whether there is one */
export function try_get_anon_vma(cpu: Cpu, id: AnonVmaId): boolean {
  // Acquire. Pairs with: put_anon_vma(), and anon_vma_alloc() of the slot's next owner.
  return atomic_inc_not_zero_limited(cpu, anonWord(cpu.memory, id, REFCOUNT), REFCOUNT_MAX) !== 0;
}

/** Drops a reference; the last one frees it, and drops the family's root. Pairs with: get_anon_vma(). */
export function put_anon_vma(cpu: Cpu, id: AnonVmaId): void {
  const m = cpu.memory;
  const before = atomic_fetch_add(cpu, anonWord(m, id, REFCOUNT), -1);
  invariant(before > 0, 'I24', 'put_anon_vma: the count was already zero');
  if (before !== 1) return;
  invariant(anonVmaFirst(m, id) === NO_AVC, 'I24', 'put_anon_vma: an area still links to the anon_vma that is freed');
  const root = anonVmaRoot(m, id);
  kmem_cache_free(cpu, ANON_VMA_CACHE, id);
  if (root !== id) put_anon_vma(cpu, root);
}

/** Links an area to an anon_vma. The area's chain runs from the newest to the oldest, its own first, the root last. @locks in: the anon_vma lock for writing; mmap write, or mmap read with the page_table_lock */
function anon_vma_chain_link(cpu: Cpu, vma: VmaId, avc: AvcId, id: AnonVmaId): void {
  const m = cpu.memory;
  const avcs = m.avcs;
  avcs[avcAt(avc, AVC_VMA)] = vma;
  avcs[avcAt(avc, AVC_ANON_VMA)] = id;
  const newest = vma_avc_head(m, vma);
  avcs[avcAt(avc, SAME_VMA_NEXT)] = newest;
  avcs[avcAt(avc, SAME_VMA_PREV)] = NO_AVC;
  if (newest !== NO_AVC) avcs[avcAt(newest, SAME_VMA_PREV)] = avc;
  set_vma_avc_list(m, vma, avc, newest === NO_AVC ? avc : vma_avc_tail(m, vma));
  const head = anonVmaFirst(m, id);
  avcs[avcAt(avc, LIST_NEXT)] = head;
  avcs[avcAt(avc, LIST_PREV)] = NO_AVC;
  if (head !== NO_AVC) avcs[avcAt(head, LIST_PREV)] = avc;
  m.anonVmas[anonAt(id, LIST_HEAD)] = avc;
}

/** Takes a link off its anon_vma's list. @locks in: the anon_vma lock for writing */
function listRemove(m: SharedMemory, avc: AvcId): void {
  const next = avcField(m, avc, LIST_NEXT) as AvcId;
  const prev = avcField(m, avc, LIST_PREV) as AvcId;
  if (prev !== NO_AVC) m.avcs[avcAt(prev, LIST_NEXT)] = next;
  else m.anonVmas[anonAt(avcAnonVma(m, avc), LIST_HEAD)] = next;
  if (next !== NO_AVC) m.avcs[avcAt(next, LIST_PREV)] = prev;
}

/** The area has exactly one link: no ancestor's pages. @kernel list_is_singular(&vma->anon_vma_chain) */
export const chainIsSingular = (m: SharedMemory, vma: VmaId): boolean => {
  const head = vma_avc_head(m, vma);
  return head !== NO_AVC && head === vma_avc_tail(m, vma);
};

const addActive = (m: SharedMemory, id: AnonVmaId, delta: number): void => {
  m.anonVmas[anonAt(id, NUM_ACTIVE_VMAS)] = num_active_vmas(m, id) + delta;
};

/** Could two neighbours share one anon_vma, so that they can merge later? The offsets must run on. */
function anon_vma_compatible(m: SharedMemory, a: VmaId, b: VmaId): boolean {
  return (
    vm_end(m, a) === vm_start(m, b) &&
    vm_file(m, a) === vm_file(m, b) &&
    ((vm_flags(m, a) ^ vm_flags(m, b)) & ~VM_ACCESS_FLAGS) === 0 &&
    vm_pgoff(m, b) === vm_pgoff(m, a) + vma_pages(m, a)
  );
}

/** The neighbour's anon_vma, if it has one of its own only. The load depends on nothing older: see O11. */
function reusable_anon_vma(cpu: Cpu, owner: VmaId, a: VmaId, b: VmaId): AnonVmaId {
  const m = cpu.memory;
  if (owner === NO_VMA || a === NO_VMA || b === NO_VMA) return NO_ANON_VMA;
  if (!anon_vma_compatible(m, a, b)) return NO_ANON_VMA;
  const id = atomic_read(cpu, vmaAnonVmaWord(m, owner)) as AnonVmaId; // Acquire. Pairs with: publish in __anon_vma_prepare().
  return id !== NO_ANON_VMA && chainIsSingular(m, owner) ? id : NO_ANON_VMA;
}

/** @locks in: mmap_lock, either way: it looks at the neighbours */
function find_mergeable_anon_vma(cpu: Cpu, vma: VmaId): AnonVmaId {
  const m = cpu.memory;
  const tree = mmTree(m, vm_mm(m, vma));
  const next = mas_find(cpu, tree, vm_end(m, vma));
  const fromNext = reusable_anon_vma(cpu, next, vma, next);
  if (fromNext !== NO_ANON_VMA) return fromNext;
  const prev = mt_prev(cpu, tree, vm_start(m, vma));
  return reusable_anon_vma(cpu, prev, prev, vma);
}

/**
 * Gives an area an anon_vma, its own or a neighbour's. Two faults may try at once; one wins.
 * @locks in: mmap_lock, either way. May sleep. @returns false when memory is out
 */
export function __anon_vma_prepare(cpu: Cpu, vma: VmaId): boolean {
  const m = cpu.memory;
  const mm = vm_mm(m, vma);
  mmap_assert_locked(cpu, mm);
  const avc = kmem_cache_alloc(cpu, AVC_CACHE) as AvcId;
  if (avc === NO_AVC) return false;
  const shared = find_mergeable_anon_vma(cpu, vma);
  const id = shared === NO_ANON_VMA ? anon_vma_alloc(cpu) : shared;
  if (id === NO_ANON_VMA) {
    kmem_cache_free(cpu, AVC_CACHE, avc);
    return false;
  }
  anon_vma_lock_write(cpu, id);
  spin_lock(cpu, pageTableLockWord(m, mm));
  const won = vma_anon_vma(m, vma) === NO_ANON_VMA;
  if (won) {
    // A new root counts itself as its child, so that it is never reused for a grandchild while a child lives.
    if (shared === NO_ANON_VMA) m.anonVmas[anonAt(id, NUM_CHILDREN)] = 1;
    anon_vma_chain_link(cpu, vma, avc, id);
    addActive(m, id, 1);
    // Release: the linked anon_vma (O11). Pairs with: reusable_anon_vma(), and every fault that looks at the field.
    atomic_set(cpu, vmaAnonVmaWord(m, vma), id);
  }
  spin_unlock(cpu, pageTableLockWord(m, mm));
  anon_vma_unlock_write(cpu, id);
  if (won) {
    if (shared !== NO_ANON_VMA) get_anon_vma(cpu, id);
    count_vm_event(cpu, ANON_VMA_PREPARED);
    return true;
  }
  if (shared === NO_ANON_VMA) put_anon_vma(cpu, id);
  kmem_cache_free(cpu, AVC_CACHE, avc);
  return true;
}

/**
 * Links `dst` to every anon_vma of `src`, for split, merge, copy and fork. A dst without an anon_vma of its own may reuse one that has no
 * active area and at most one child, so that long fork chains do not pile up.
 * @locks in: mmap write, and VMA write on both. May sleep. @returns false when memory is out; dst is then as before
 */
export function anon_vma_clone(cpu: Cpu, dst: VmaId, src: VmaId): boolean {
  const m = cpu.memory;
  // From the oldest to the newest, so that dst's chain has the same order.
  for (let from = vma_avc_tail(m, src); from !== NO_AVC; from = avcField(m, from, SAME_VMA_PREV) as AvcId) {
    const avc = kmem_cache_alloc(cpu, AVC_CACHE) as AvcId;
    if (avc === NO_AVC) {
      // The active count of dst's anon_vma has not been raised yet.
      set_vma_anon_vma(m, dst, NO_ANON_VMA);
      unlink_anon_vmas(cpu, dst);
      return false;
    }
    const id = avcAnonVma(m, from);
    anon_vma_lock_write(cpu, id);
    anon_vma_chain_link(cpu, dst, avc, id);
    const reusable = vma_anon_vma(m, src) !== NO_ANON_VMA && num_children(m, id) < 2 && num_active_vmas(m, id) === 0;
    if (vma_anon_vma(m, dst) === NO_ANON_VMA && reusable) set_vma_anon_vma(m, dst, id);
    anon_vma_unlock_write(cpu, id);
    get_anon_vma(cpu, id);
  }
  const own = vma_anon_vma(m, dst);
  if (own !== NO_ANON_VMA) {
    anon_vma_lock_write(cpu, own);
    addActive(m, own, 1);
    anon_vma_unlock_write(cpu, own);
  }
  return true;
}

/**
 * Gives a child's area links to all of the parent's anon_vmas and, unless one could be reused, one of its own below the parent's.
 * @locks in: mmap write on both address spaces, VMA write on the parent's area. May sleep. @returns false when memory is out
 */
export function anon_vma_fork(cpu: Cpu, vma: VmaId, parent: VmaId): boolean {
  const m = cpu.memory;
  const parentAnon = vma_anon_vma(m, parent);
  if (parentAnon === NO_ANON_VMA) return true;
  set_vma_anon_vma(m, vma, NO_ANON_VMA);
  if (!anon_vma_clone(cpu, vma, parent)) return false;
  if (vma_anon_vma(m, vma) !== NO_ANON_VMA) return true;
  const id = anon_vma_alloc(cpu);
  const avc = id === NO_ANON_VMA ? NO_AVC : (kmem_cache_alloc(cpu, AVC_CACHE) as AvcId);
  if (avc === NO_AVC) {
    if (id !== NO_ANON_VMA) put_anon_vma(cpu, id);
    unlink_anon_vmas(cpu, vma);
    return false;
  }
  const root = anonVmaRoot(m, parentAnon);
  m.anonVmas[anonAt(id, ROOT)] = root;
  m.anonVmas[anonAt(id, PARENT)] = parentAnon;
  get_anon_vma(cpu, root);
  anon_vma_lock_write(cpu, id);
  addActive(m, id, 1);
  m.anonVmas[anonAt(parentAnon, NUM_CHILDREN)] = num_children(m, parentAnon) + 1;
  set_vma_anon_vma(m, vma, id);
  anon_vma_chain_link(cpu, vma, avc, id);
  anon_vma_unlock_write(cpu, id);
  return true;
}

/**
 * Takes an area off all its anon_vmas, before its page tables are freed: no rmap walk reaches it afterwards.
 * @locks in: mmap_lock, and nobody can fault on the area. May sleep.
 */
export function unlink_anon_vmas(cpu: Cpu, vma: VmaId): void {
  const m = cpu.memory;
  const own = vma_anon_vma(m, vma);
  // Newest first: an anon_vma that goes still counts itself off its parent, which must not be gone by then.
  for (let avc = vma_avc_head(m, vma); avc !== NO_AVC; ) {
    const next = avcNextOfVma(m, avc);
    const id = avcAnonVma(m, avc);
    anon_vma_lock_write(cpu, id);
    listRemove(m, avc);
    const empty = anonVmaFirst(m, id) === NO_AVC;
    if (id === own) addActive(m, id, -1);
    // An anon_vma without areas no longer counts as its parent's child; a root is its own parent.
    const parent = anonVmaParent(m, id);
    if (empty) m.anonVmas[anonAt(parent, NUM_CHILDREN)] = num_children(m, parent) - 1;
    anon_vma_unlock_write(cpu, id);
    put_anon_vma(cpu, id);
    kmem_cache_free(cpu, AVC_CACHE, avc);
    avc = next;
  }
  set_vma_avc_list(m, vma, NO_AVC, NO_AVC);
  set_vma_anon_vma(m, vma, NO_ANON_VMA);
}
