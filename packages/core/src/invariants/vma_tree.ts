/**
 * I21: in every address space the tree is sound, and its areas are sorted, disjoint, attached, of this address space, and as the tree says.
 * Next: invariants/vma_locks.ts
 */
import type { MmId, Vpn } from '../base/brand.ts';
import { MT_MAX, mt_for_each, mt_validate } from '../mm/maple_tree.ts';
import { data_vm, map_count, mmTree, stack_vm, total_vm } from '../mm/mm_struct.ts';
import { vm_end, vm_flags, vm_mm, vm_start, vma_detached } from '../mm/vm_area_struct.ts';
import { VM_GROWSDOWN, VM_SHARED, VM_WRITE } from '../mm/vm_flags.ts';
import { MM_CACHE, VMA_CACHE } from '../slab/caches.ts';
import { cacheSlots, isAllocated } from '../slab/kmem_cache.ts';
import type { AreaSeen, SweepState } from './sweep_state.ts';

/** Finds the address spaces and their areas, and checks the trees. */
export function sweepVmaTrees(state: SweepState): void {
  for (let mm = 1; mm <= cacheSlots(state.m, MM_CACHE); mm++) {
    if (isAllocated(state.m, MM_CACHE, mm)) sweepSpace(state, mm as MmId);
  }
}

function sweepSpace(state: SweepState, mm: MmId): void {
  const { cpu, m } = state;
  const tree = mmTree(m, mm);
  const problems = mt_validate(cpu, tree);
  for (const problem of problems) state.report('I21', `mm ${mm}: ${problem}`);
  const areas: AreaSeen[] = [];
  // A walk through a damaged tree might never end.
  if (problems.length === 0) mt_for_each(cpu, tree, 0 as Vpn, MT_MAX, (vma, start, end) => areas.push({ vma, start, end }));
  state.spaces.push({ mm, areas });
  if (problems.length > 0) return;
  for (const area of areas) sweepArea(state, mm, area);
  sweepBooks(state, mm, areas);
}

function sweepArea(state: SweepState, mm: MmId, { vma, start, end }: AreaSeen): void {
  const { m } = state;
  const where = `mm ${mm}: area ${vma} at pages ${start} to ${end}`;
  const reached = state.reach(VMA_CACHE, vma);
  if (reached === 'free') state.report('I21', `${where} is in the tree, but its slot is free`);
  if (reached === 'again') state.report('I21', `${where} is in a tree twice`);
  if (vm_start(m, vma) !== start || vm_end(m, vma) !== end) {
    state.report('I21', `${where} has the bounds ${vm_start(m, vma)} to ${vm_end(m, vma)} in its record`);
  }
  if (vm_mm(m, vma) !== mm) state.report('I21', `${where} says that it belongs to mm ${vm_mm(m, vma)}`);
  if (vma_detached(m, vma)) state.report('I21', `${where} is in the tree, but marked detached`);
}

/** The counts that limits are compared with. */
function sweepBooks(state: SweepState, mm: MmId, areas: readonly AreaSeen[]): void {
  const { m } = state;
  let total = 0;
  let data = 0;
  let stack = 0;
  for (const { vma, start, end } of areas) {
    const flags = vm_flags(m, vma);
    total += end - start;
    if ((flags & VM_GROWSDOWN) !== 0) stack += end - start;
    else if ((flags & (VM_WRITE | VM_SHARED)) === VM_WRITE) data += end - start;
  }
  const compare = (name: string, noted: number, found: number): void => {
    if (noted !== found) state.report('I21', `mm ${mm}: ${name} is ${noted}, but the areas make it ${found}`);
  };
  compare('map_count', map_count(m, mm), areas.length);
  compare('total_vm', total_vm(m, mm), total);
  compare('data_vm', data_vm(m, mm), data);
  compare('stack_vm', stack_vm(m, mm), stack);
}
