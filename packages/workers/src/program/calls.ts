/**
 * The calls into the model that programs make, on plain numbers: the one place where this package meets the system calls, the accesses
 * and the life of address spaces. Addresses and lengths are pages; results are 0 or more, or a negative error number.
 * Next: execute_op.ts
 */
import type { CpuId, MappingId, MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING, NO_MM } from '@faultlab/core/base/brand';
import { ENOMEM } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_barrier, rcu_process_callbacks } from '@faultlab/core/locking/rcu';
import { PC_PROGRESS, PC_SIGPENDING } from '@faultlab/core/memory/percpu';
import { lru_add_drain } from '@faultlab/core/mm/folio_add_lru';
import { mm_alloc, mmget, set_mm_brk, set_mm_memcg, set_oom_score_adj, set_start_brk } from '@faultlab/core/mm/mm_struct';
import { isOomVictim } from '@faultlab/core/mm/oom_victim';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SYSCTL_MEMCG } from '@faultlab/core/mm/vm_sysctl';
import { mem_cgroup_handle_over_high } from '@faultlab/core/reclaim/memcg_limits';
import { OOM_SCORE_ADJ_MIN } from '@faultlab/core/reclaim/oom_kill';
import { rcu_note_quiescent } from '@faultlab/core/sched/rcu_state';
import { send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_brk } from '@faultlab/core/syscalls/brk';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mlock, sys_munlock } from '@faultlab/core/syscalls/mlock';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { kernelRead, kernelWrite, processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';

export const read = (cpu: Cpu, page: number): number => userRead(cpu, page as Vpn);
export const write = (cpu: Cpu, page: number, stamp: number): number => userWrite(cpu, page as Vpn, stamp);
/** The value that the last successful read of this CPU returned. */
export const valueRead = (cpu: Cpu): number => cpu.value;
export const readInKernel = (cpu: Cpu, page: number): number => kernelRead(cpu, page as Vpn);
export const writeInKernel = (cpu: Cpu, page: number, stamp: number): number => kernelWrite(cpu, page as Vpn, stamp);
/** Accesses to an address space by way of its page tables, as a debugger makes them. */
export const readRemote = (cpu: Cpu, page: number): number => processVmRead(cpu, cpu.mm, page as Vpn);
export const writeRemote = (cpu: Cpu, page: number, stamp: number): number => processVmWrite(cpu, cpu.mm, page as Vpn, stamp);

export const mmap = (cpu: Cpu, at: number, pages: number, prot: number, flags: number, file: MappingId = NO_MAPPING, page = 0): number =>
  sys_mmap(cpu, at as Vpn, pages, prot, flags, file, page);
export const munmap = (cpu: Cpu, at: number, pages: number): number => sys_munmap(cpu, at as Vpn, pages);
export const mprotect = (cpu: Cpu, at: number, pages: number, prot: number): number => sys_mprotect(cpu, at as Vpn, pages, prot);
export const mremap = (cpu: Cpu, at: number, pages: number, newPages: number, flags: number, newAt: number): number =>
  sys_mremap(cpu, at as Vpn, pages, newPages, flags, newAt as Vpn);
export const madvise = (cpu: Cpu, at: number, pages: number, advice: number): number => sys_madvise(cpu, at as Vpn, pages, advice);
export const mlock = (cpu: Cpu, at: number, pages: number): number => sys_mlock(cpu, at as Vpn, pages);
export const munlock = (cpu: Cpu, at: number, pages: number): number => sys_munlock(cpu, at as Vpn, pages);
export const brk = (cpu: Cpu, at: number): number => sys_brk(cpu, at as Vpn);

/** Where the heap of every new address space begins. */
export const HEAP_START = 0x80000;

/** A new, empty address space with one user, or ENOMEM. @param memcg the cgroup that its pages are charged to */
export function newSpace(cpu: Cpu, memcg: number = SYSCTL_MEMCG): number {
  const mm = mm_alloc(cpu);
  if (mm === NO_MM) return ENOMEM;
  // As exec would: nobody else knows the space yet.
  set_start_brk(cpu.memory, mm, HEAP_START);
  set_mm_brk(cpu.memory, mm, HEAP_START);
  set_mm_memcg(cpu.memory, mm, memcg);
  return mm;
}

/** A copy of the space the CPU runs on, with one user, or an error number. */
export const forkSpace = (cpu: Cpu): number => sys_fork(cpu);
export const useSpace = (cpu: Cpu, space: number): void => mmget(cpu, space as MmId);
/** The last user's drop tears the space down. */
export const dropSpace = (cpu: Cpu, space: number): void => mmput(cpu, space as MmId);
/** From now on the CPU runs on that space; 0 for none. */
export const enterSpace = (cpu: Cpu, space: number): void => switch_mm(cpu, space as MmId);

export const sendSignal = (cpu: Cpu, target: number, signal: number): void => send_signal(cpu, target as CpuId, signal);

/** Tells the watchdog that the CPU moves, in the middle of a long operation. */
export function noteProgress(cpu: Cpu): void {
  const word = cpu.percpu + PC_PROGRESS;
  cpu.words[word] = ((cpu.words[word] as number) + 1) | 0;
}

/** Was the process that the CPU runs on killed for its memory? Then the CPU has to leave it. */
export const wasKilled = (cpu: Cpu): boolean => isOomVictim(cpu, cpu.mm);
/** Never to be killed, and nor are its children. */
export const protectSpace = (cpu: Cpu, space: number): void => set_oom_score_adj(cpu.memory, space as MmId, OOM_SCORE_ADJ_MIN);

/** Takes pending signals as a program's handler would: they are gone, and the program goes on. But a process that was killed does not. */
export function handleSignals(cpu: Cpu): void {
  if (wasKilled(cpu)) return;
  if (cpu.words[cpu.percpu + PC_SIGPENDING] !== 0) takeSignals(cpu);
}

/** At the end of a run: what this CPU has put off is done. */
export function settle(cpu: Cpu): void {
  rcu_barrier(cpu);
  lru_add_drain(cpu);
}

/** Between operations nothing found in the shared structures is held any more, and deferred work may run. */
export function betweenOps(cpu: Cpu): void {
  rcu_note_quiescent(cpu);
  rcu_process_callbacks(cpu);
  if (cpu.overHigh !== 0) mem_cgroup_handle_over_high(cpu); // Back to user mode.
}
