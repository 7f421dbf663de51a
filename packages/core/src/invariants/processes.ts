/**
 * I34, Q15: who runs where, and what was killed. A CPU runs on an address space that has a user for it; a task of a killed process knows; and what was
 * reaped holds nothing of its own.
 * Next: invariants/caches.ts
 */
import type { CpuId, MmId } from '../base/brand.ts';
import { NO_MM, NO_VMA } from '../base/brand.ts';
import { PC_MM, PC_SIGPENDING, percpuBase } from '../memory/percpu.ts';
import {
  MMF_OOM_REAP_QUEUED,
  MMF_OOM_SKIP,
  MMF_OOM_VICTIM,
  MMF_UNSTABLE,
  mmCpumaskWord,
  mmFlagsWord,
  mmUsersWord,
} from '../mm/mm_struct.ts';
import { pte_none } from '../mm/pte.ts';
import { vm_flags, vma_is_anonymous } from '../mm/vm_area_struct.ts';
import { VM_SHARED, VM_UFFD_MISSING, VM_UFFD_WP } from '../mm/vm_flags.ts';
import { MM_CACHE } from '../slab/caches.ts';
import { isAllocated } from '../slab/kmem_cache.ts';
import type { SweepState } from './sweep_state.ts';

const SIGKILL_BIT = 1 << 8;
const VICTIM_ONLY: number = MMF_OOM_REAP_QUEUED | MMF_UNSTABLE;

/** Runs after the sweep of page tables, which collects the entries. */
export function sweepProcesses(state: SweepState): void {
  const tasks = new Map<MmId, number>();
  for (let id = 0; id < state.m.size.cpus; id++) sweepTask(state, id as CpuId, tasks);
  for (const { mm } of state.spaces) sweepSpace(state, mm, tasks.get(mm) ?? 0);
  sweepReaped(state);
}

function sweepTask(state: SweepState, id: CpuId, tasks: Map<MmId, number>): void {
  const { m } = state;
  const block = percpuBase(m.percpuAt, id);
  const mm = m.words[block + PC_MM] as MmId;
  if (mm === NO_MM) return;
  tasks.set(mm, (tasks.get(mm) ?? 0) + 1);
  if (!isAllocated(m, MM_CACHE, mm)) state.report('Q15', `CPU ${id} runs on mm ${mm}, which is gone`);
  else if ((flagsOf(state, mm) & MMF_OOM_VICTIM) !== 0 && ((m.words[block + PC_SIGPENDING] as number) & SIGKILL_BIT) === 0)
    state.report('I34', `CPU ${id} runs on mm ${mm}, which was killed, and does not know`);
}

function sweepSpace(state: SweepState, mm: MmId, tasks: number): void {
  const { m } = state;
  const users = m.words[mmUsersWord(m, mm)] as number;
  if (users < tasks) state.report('Q15', `mm ${mm}: ${tasks} CPUs run on it, but it has ${users} users`);
  for (let id = 0; id < m.size.cpus; id++) {
    const noted = ((m.words[mmCpumaskWord(m, mm, id >> 5)] as number) & (1 << (id & 31))) !== 0;
    const runs = m.words[percpuBase(m.percpuAt, id as CpuId) + PC_MM] === mm;
    if (noted !== runs)
      state.report('Q15', `mm ${mm}: CPU ${id} ${runs ? 'runs on it' : 'does not run on it'}, but its mask says otherwise`);
  }
  const flags = flagsOf(state, mm);
  if ((flags & MMF_OOM_VICTIM) === 0 && (flags & VICTIM_ONLY) !== 0)
    state.report('I34', `mm ${mm}: it has the flags ${flags} of a victim, but nobody has killed it`);
  if ((flags & MMF_OOM_REAP_QUEUED) !== 0 && (flags & MMF_UNSTABLE) !== 0)
    state.report('I34', `mm ${mm}: it was reaped, and waits for the reaper again`);
}

/** R18: since the reaper has been there, nothing has come into an area that has no file and no handler. */
function sweepReaped(state: SweepState): void {
  for (const { mm, vpn, pte, vma } of state.entries) {
    if (vma === NO_VMA || pte_none(pte) || (flagsOf(state, mm) & REAPED) !== REAPED) continue;
    const filled = vm_flags(state.m, vma) & (VM_SHARED | VM_UFFD_MISSING | VM_UFFD_WP);
    if (vma_is_anonymous(state.m, vma) && filled === 0)
      state.report('I34', `mm ${mm}: it was reaped, but page ${vpn} has the entry ${pte}`);
  }
}
const REAPED: number = MMF_UNSTABLE | MMF_OOM_SKIP;

const flagsOf = ({ m }: SweepState, mm: MmId): number => m.words[mmFlagsWord(m, mm)] as number;
