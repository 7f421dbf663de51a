/** What the per-VMA lock costs when nobody else wants it: the pair alone, and with the lookup, in both designs. */
import type { VmaId } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { mmap_write_lock, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import { lock_vma_under_rcu, vma_end_read, vma_start_read, vma_start_write } from '@faultlab/core/mm/vma_lock';
import { policyByName } from '@faultlab/core/policy/policies';
import { rcu_read_lock, rcu_read_unlock } from '@faultlab/core/sched/rcu_state';
import type { Bench } from 'tinybench';
import { type Areas, aloneWithAreas, FIRST } from '../../areas.ts';
import { timed } from '../../benchmark.ts';

const PAIRS = 20_000;

export function addVmaLockLatency(bench: Bench, smoke: boolean): void {
  const pairs = smoke ? 100 : PAIRS;
  const refcount = aloneWithAreas(10);
  // The first design under a policy that may use it for every area.
  const rwsem = aloneWithAreas(10, { ...policyByName('linux-6.18'), name: 'first design', vmaLock: 'rwsem' });
  for (const [name, areas] of [['refcount', refcount] as const, ['rwsem', rwsem] as const]) {
    bench.add(`${name}: read pair`, () => timed(pairs, () => vmaReadPairs(areas, pairs)));
    bench.add(`${name}: lookup and read pair`, () => timed(pairs, () => lookupPairs(areas, pairs)));
    bench.add(`${name}: mmap write, VMA write, unlock`, () => timed(pairs, () => writePairs(areas, pairs)));
  }
}

export function vmaReadPairs({ cpu, mm, vma }: Areas, count: number): void {
  for (let i = 0; i < count; i++) {
    rcu_read_lock(cpu);
    vma_start_read(cpu, mm, vma);
    rcu_read_unlock(cpu);
    vma_end_read(cpu, vma);
  }
}

function lookupPairs({ cpu, mm }: Areas, count: number): void {
  for (let i = 0; i < count; i++) vma_end_read(cpu, lock_vma_under_rcu(cpu, mm, FIRST));
}

function writePairs({ cpu, mm, vma }: { cpu: Cpu; mm: Areas['mm']; vma: VmaId }, count: number): void {
  for (let i = 0; i < count; i++) {
    mmap_write_lock(cpu, mm);
    vma_start_write(cpu, vma);
    mmap_write_unlock(cpu, mm);
  }
}
