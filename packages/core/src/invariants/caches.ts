/**
 * Q04: the slots in use are exactly those that something leads to. What nobody leads to has leaked.
 * Next: invariants/locks_free.ts
 */
import type { MappingId } from '../base/brand.ts';
import { pagesRoot } from '../mm/address_space.ts';
import { mt_nodes } from '../mm/maple_tree.ts';
import { MMF_OOM_REAP_QUEUED, mmCountWord, mmFlagsWord, mmTree, mmUsersWord } from '../mm/mm_struct.ts';
import { xaNodes } from '../mm/xarray.ts';
import {
  ANON_VMA_CACHE,
  AVC_CACHE,
  type CacheId,
  cachePlaces,
  MAPPING_CACHE,
  NODE_CACHE,
  TABLE_CACHE,
  VMA_CACHE,
  XA_NODE_CACHE,
} from '../slab/caches.ts';
import { kmem_cache_in_use, nextAllocated } from '../slab/kmem_cache.ts';
import type { SweepState } from './sweep_state.ts';
import { contextsOf } from './userfaultfds.ts';

/** Runs after the sweeps that follow the trees, the tables and the reverse map. */
export function sweepCaches(state: SweepState): void {
  for (const { cache, name } of cachePlaces(state.m.size)) sweepCount(state, cache, name);
  sweepSpaces(state);
  sweepNodes(state);
  for (let slot = nextAllocated(state.m, MAPPING_CACHE, 0); slot !== 0; slot = nextAllocated(state.m, MAPPING_CACHE, slot)) {
    for (const node of xaNodes(state.m, pagesRoot(state.m, slot as MappingId))) state.reach(XA_NODE_CACHE, node);
  }
  for (const cache of [VMA_CACHE, TABLE_CACHE, ANON_VMA_CACHE, AVC_CACHE, XA_NODE_CACHE]) sweepLeaks(state, cache);
}

const nameOf = (state: SweepState, cache: CacheId): string => cachePlaces(state.m.size)[cache]?.name ?? `cache ${cache}`;

function sweepCount(state: SweepState, cache: CacheId, name: string): void {
  let allocated = 0;
  for (let slot = nextAllocated(state.m, cache, 0); slot !== 0; slot = nextAllocated(state.m, cache, slot)) allocated++;
  const noted = kmem_cache_in_use(state.m, cache);
  if (noted !== allocated) state.report('Q04', `${name}: ${noted} slots are counted as in use, but ${allocated} are`);
}

/** At rest nobody pins the record of an address space besides its users, and its userfaultfds and the reaper's queue, which may outlive them. */
function sweepSpaces(state: SweepState): void {
  const { m } = state;
  for (const { mm } of state.spaces) {
    const users = m.words[mmUsersWord(m, mm)] as number;
    const count = m.words[mmCountWord(m, mm)] as number;
    const queued = ((m.words[mmFlagsWord(m, mm)] as number) & MMF_OOM_REAP_QUEUED) !== 0 ? 1 : 0;
    const others = contextsOf(state, mm) + queued;
    const alive = users >= 1 && count === 1 + others;
    const outlived = users === 0 && others > 0 && count === others;
    if (!alive && !outlived) state.report('Q04', `mm ${mm} is in use with ${users} users and ${count} pins`);
  }
}

/** A damaged tree has been reported before, and is not walked again. */
function sweepNodes(state: SweepState): void {
  if (state.violations.some(({ id }) => id === 'I21')) return;
  let reached = 0;
  for (const { mm } of state.spaces) reached += mt_nodes(state.cpu, mmTree(state.m, mm));
  const used = kmem_cache_in_use(state.m, NODE_CACHE);
  if (used !== reached) state.report('Q04', `maple_node: ${used} slots are in use, but the trees have ${reached} nodes`);
}

function sweepLeaks(state: SweepState, cache: CacheId): void {
  for (let slot = nextAllocated(state.m, cache, 0); slot !== 0; slot = nextAllocated(state.m, cache, slot)) {
    if (!state.wasReached(cache, slot)) state.report('Q04', `${nameOf(state, cache)} ${slot} is in use, but nothing leads to it`);
  }
}
