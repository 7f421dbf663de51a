/**
 * The stable face of @faultlab/core. Every other module can be imported by its path (`@faultlab/core/locking/rwsem`), for experiments.
 */
export type { CpuId, MappingId, MmId, Pfn, VmaId, Vpn, Word } from './base/brand.ts';
export { errnoName } from './base/errno.ts';
export { InvariantError, MachineStopped, StallError, UsageError } from './base/errors.ts';
export { Prng } from './base/prng.ts';
export { cpuOffline, cpuOnline, createCpu, createMachineMemory } from './boot.ts';
export type { Cpu, CpuOptions } from './cpu.ts';
export { sweep, type Violation } from './invariants/sweep.ts';
export { LockAbortedError, LockSpace, LockTimeoutError, type SharedMutex, type SharedRwLock } from './locks.ts';
export { DEFAULT_SIZE, type MachineSize } from './memory/limits.ts';
export { attachMemory, type MemoryHandle, type SharedMemory } from './memory/shared_memory.ts';
export type { StepGate } from './memory/step_gate.ts';
export { createFile } from './mm/address_space.ts';
export { mm_alloc, mmget } from './mm/mm_struct.ts';
export { switch_mm } from './mm/switch_mm.ts';
export type { FaultPolicy } from './policy/fault_policy.ts';
export { POLICIES, policyByName } from './policy/policies.ts';
export { sys_brk } from './syscalls/brk.ts';
export { sys_fork } from './syscalls/dup_mmap.ts';
export { mmput } from './syscalls/exit_mmap.ts';
export { sys_madvise } from './syscalls/madvise.ts';
export { sys_mlock, sys_munlock } from './syscalls/mlock.ts';
export { sys_mmap } from './syscalls/mmap.ts';
export { sys_mprotect } from './syscalls/mprotect.ts';
export { sys_mremap } from './syscalls/mremap.ts';
export { sys_munmap } from './syscalls/munmap.ts';
export { sys_userfaultfd, userfaultfd_release } from './syscalls/userfaultfd.ts';
export {
  userfaultfd_continue,
  userfaultfd_copy,
  userfaultfd_poison,
  userfaultfd_wake,
  userfaultfd_writeprotect,
  userfaultfd_zeropage,
} from './syscalls/userfaultfd_ioctl.ts';
export { userfaultfd_ctx_read } from './syscalls/userfaultfd_read.ts';
export { userfaultfd_register, userfaultfd_unregister } from './syscalls/userfaultfd_register.ts';
export { type CounterName, readCounters } from './trace/counters.ts';
export type { PointObserver } from './trace/points.ts';
export { readTrace, type TraceEntry } from './trace/trace_ring.ts';
export { ACCESS_NAMES, type AccessOutcome, userExecute, userRead, userWrite } from './user/access.ts';
export { kernelRead, kernelWrite, processVmRead, processVmWrite } from './user/kernel_access.ts';
export { process_vm_readv, process_vm_writev } from './user/process_vm_access.ts';
