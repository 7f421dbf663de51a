/**
 * Everything that a program may throw away by hand: clean pages of files that nobody maps. What is dirty, mapped or being written stays; sync first, and it is clean.
 * @kernel fs/drop_caches.c drop_caches_sysctl_handler(), drop_pagecache_sb(), drop_slab()
 * @fidelity reduced: there are no slabs that could be shrunk
 * Next: mm/truncate.ts
 */
import type { MappingId } from '../base/brand.ts';
import { EINVAL } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { nrpages, shmem_mapping, tryGetFile } from '../mm/address_space.ts';
import { lru_add_drain_all } from '../mm/folio_add_lru.ts';
import { fput } from '../mm/fput.ts';
import { invalidate_mapping_pages } from '../mm/truncate.ts';
import { FILE_END } from '../mm/unmap_mapping.ts';
import { MAPPING_CACHE } from '../slab/caches.ts';
import { cacheSlots } from '../slab/kmem_cache.ts';
import { count_vm_event, DROP_PAGECACHE, DROP_SLAB } from '../trace/counters.ts';

/** What is dropped: bits of what is written to the file. */
export const DROP_CACHES_PAGECACHE = 1;
export const DROP_CACHES_SLAB = 2;
const ALL = DROP_CACHES_PAGECACHE | DROP_CACHES_SLAB;

/** Writes a number to vm.drop_caches. @locks none in, none out. May sleep. @returns pages dropped, or EINVAL for a number that means nothing */
export function drop_caches(cpu: Cpu, what: number): number {
  if (!Number.isInteger(what) || what < 1 || what > ALL) return EINVAL;
  if ((what & DROP_CACHES_SLAB) !== 0) count_vm_event(cpu, DROP_SLAB);
  if ((what & DROP_CACHES_PAGECACHE) === 0) return 0;
  count_vm_event(cpu, DROP_PAGECACHE);
  lru_add_drain_all(cpu);
  let dropped = 0;
  for (let slot = 1; slot <= cacheSlots(cpu.memory, MAPPING_CACHE); slot++) dropped += dropOne(cpu, slot as MappingId);
  return dropped;
}

/** Pages of shmem are nowhere else. */
function dropOne(cpu: Cpu, file: MappingId): number {
  if (!tryGetFile(cpu, file)) return 0;
  const droppable = nrpages(cpu.memory, file) > 0 && !shmem_mapping(cpu.memory, file);
  const dropped = droppable ? invalidate_mapping_pages(cpu, file, 0, FILE_END) : 0;
  fput(cpu, file);
  return dropped;
}
