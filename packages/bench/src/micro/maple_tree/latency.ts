/**
 * What a lookup and a store in the tree of areas cost, by the number of areas. Lookups fall on scattered pages, so at 100,000 areas the
 * caches of the processor are part of the answer. A store moves the end of one area: reservation, new leaf, grace period and all.
 * Next: packages/core/src/mm/maple_tree.ts says why a lookup needs no lock
 */
import type { CpuId, VmaId, Vpn, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { rcu_barrier, rcu_process_callbacks } from '@faultlab/core/locking/rcu';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import { mas_destroy, mas_preallocate, mas_store_prealloc, mas_walk, mt_free_rcu } from '@faultlab/core/mm/maple_tree';
import { kmem_cache_init } from '@faultlab/core/slab/kmem_cache';
import type { Bench } from 'tinybench';

const AREAS: readonly number[] = [10, 1_000, 100_000];
const SMOKE_AREAS: readonly number[] = [10, 1_000];
const LOOKUPS = 4_096;
const STORES = 256;
/** Pages from the start of one area to the start of the next; an area covers fewer. */
const SPACING = 20;

interface Filled {
  readonly cpu: Cpu;
  readonly tree: Word;
  readonly areas: number;
}

/** Adds the tasks `maple_tree lookup` and `maple_tree store` for every size. Durations are per operation. */
export function addMapleTreeLatency(bench: Bench, smoke: boolean): void {
  for (const areas of smoke ? SMOKE_AREAS : AREAS) {
    const filled = fill(areas);
    const probes = Int32Array.from({ length: LOOKUPS }, () => filled.cpu.prng.below(areas) * SPACING + 3);
    bench.add(`maple_tree lookup, ${areas} areas`, () => timed(LOOKUPS, () => lookUp(filled, probes)));
    bench.add(`maple_tree store, ${areas} areas`, () => timed(STORES, () => storeMany(filled)));
  }
}

function timed(operations: number, batch: () => void): { overriddenDuration: number; overriddenIterationCost: number } {
  const before = performance.now();
  batch();
  const tookMs = performance.now() - before;
  return { overriddenDuration: tookMs / operations, overriddenIterationCost: tookMs };
}

function fill(areas: number): Filled {
  const memory = createMemory({ ...LOCKS_ONLY_SIZE, cpus: 1, mms: 1, vmas: areas });
  kmem_cache_init(memory);
  const cpu = new Cpu({ id: 0 as CpuId, memory, now: () => performance.now(), rcuCallbacks: [mt_free_rcu] });
  const filled: Filled = { cpu, tree: memory.userAt as Word, areas };
  for (let area = 0; area < areas; area++) storeOne(filled, area, 10);
  rcu_barrier(cpu);
  return filled;
}

function storeOne({ cpu, tree }: Filled, area: number, pages: number): void {
  const start = area * SPACING;
  if (!mas_preallocate(cpu, tree, 1)) throw new Error('the tree has run out of nodes; give the benchmark a larger memory');
  mas_store_prealloc(cpu, tree, start as Vpn, (start + pages) as Vpn, (area + 1) as VmaId);
  mas_destroy(cpu);
  rcu_process_callbacks(cpu);
}

function storeMany(filled: Filled): void {
  const { prng } = filled.cpu;
  for (let i = 0; i < STORES; i++) storeOne(filled, prng.below(filled.areas), prng.between(5, 15));
}

function lookUp({ cpu, tree }: Filled, probes: Int32Array): void {
  let found = 0;
  for (let i = 0; i < probes.length; i++) if (mas_walk(cpu, tree, probes[i] as Vpn) !== 0) found++;
  if (found !== probes.length) throw new Error('a page of an area was not found; run the tests of mm/maple_tree');
}
