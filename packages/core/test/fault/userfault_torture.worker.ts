/**
 * CPU 0 is the handler: it answers until the others are done. They touch pages that it has to fill or to unprotect, check what they hold, and throw
 * them away again. Without a context it opens one, answers a few faults and closes it, over and over: pages are zero then, or what it put there.
 */
import type { CpuId, MmId, UffdId, Vpn, Word } from '@faultlab/core/base/brand';
import { NO_MM, NO_UFFD } from '@faultlab/core/base/brand';
import { cpuOffline, cpuOnline, createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_process_callbacks } from '@faultlab/core/locking/rcu';
import { atomic_fetch_add, atomic_read } from '@faultlab/core/memory/atomic';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { UFFD_PAGEFAULT_FLAG_WP } from '@faultlab/core/mm/userfaultfd_wait';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import { userfaultfd_copy, userfaultfd_wake, userfaultfd_writeprotect } from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { userfaultfd_ctx_read } from '@faultlab/core/syscalls/userfaultfd_read';
import { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, userfaultfd_register } from '@faultlab/core/syscalls/userfaultfd_register';
import { userRead, userWrite } from '@faultlab/core/user/access';

export interface TortureOrder {
  readonly handle: MemoryHandle;
  readonly index: number;
  readonly threads: number;
  readonly mm: number;
  readonly ctx: number;
  readonly policy: FaultPolicy;
  readonly start: number;
  readonly pages: number;
  readonly rounds: number;
}

export interface TortureResult {
  /** Faults answered, or accesses made. */
  readonly done: number;
  /** Accesses that failed, or found what nobody had put there. */
  readonly wrong: number;
}

/** What the handler puts into a page. Stamps of others are from 1,000,000 on, by writer. */
const fillOf = (page: number): number => page + 1;
const WRITTEN = 1_000_000;
const mayHold = (page: number, value: number, zeroToo: boolean): boolean =>
  value === fillOf(page) || (value >= WRITTEN && (value - page) % WRITTEN === 0) || (zeroToo && value === 0);

export default function run(order: TortureOrder): TortureResult {
  const memory = attachMemory(order.handle);
  const { index, policy } = order;
  const cpu = createCpu({ id: index as CpuId, memory, policy, seed: 7, now: () => performance.now(), verify: true });
  const finished = memory.userAt as Word;
  const serving = (memory.userAt + 16) as Word;
  // Nobody faults before there is somebody to ask.
  if (index === 0) Atomics.store(memory.words, serving, 1);
  else while (Atomics.load(memory.words, serving) === 0) Atomics.wait(memory.words, serving, 0, 2);
  cpuOnline(cpu);
  switch_mm(cpu, order.mm as MmId);
  const result =
    index > 0 ? touch(cpu, order) : order.ctx === NO_UFFD ? openAndClose(cpu, order, finished) : serve(cpu, order, finished, false);
  atomic_fetch_add(cpu, finished, 1); // Pairs with: the look in serve().
  switch_mm(cpu, NO_MM);
  cpuOffline(cpu);
  return result;
}

/** @param few come back after some faults, with others waiting */
function serve(cpu: Cpu, { ctx, threads, start, pages }: TortureOrder, finished: Word, few: boolean): TortureResult {
  let done = 0;
  while (atomic_read(cpu, finished) < threads - 1) {
    if (few && done > 0 && cpu.prng.chance(1, 4)) break;
    const message = userfaultfd_ctx_read(cpu, ctx as UffdId, 2);
    if (typeof message === 'object') {
      const { vpn, flags } = message;
      const answered =
        (flags & UFFD_PAGEFAULT_FLAG_WP) !== 0
          ? userfaultfd_writeprotect(cpu, ctx as UffdId, vpn, 1, false)
          : userfaultfd_copy(cpu, ctx as UffdId, vpn, 1, fillOf(vpn), { wp: cpu.prng.chance(1, 3) });
      // Another answer was faster: the fault has been woken by that, or wakes now and sees.
      if (answered < 0) userfaultfd_wake(cpu, ctx as UffdId, vpn, 1);
      done++;
      if (cpu.prng.chance(1, 16)) userfaultfd_writeprotect(cpu, ctx as UffdId, start + cpu.prng.below(pages), 1, true);
    }
    rcu_process_callbacks(cpu);
  }
  return { done, wrong: 0 };
}

function openAndClose(cpu: Cpu, order: TortureOrder, finished: Word): TortureResult {
  let done = 0;
  let wrong = 0;
  while (atomic_read(cpu, finished) < order.threads - 1) {
    const ctx = sys_userfaultfd(cpu) as UffdId;
    if (userfaultfd_register(cpu, ctx, order.start, order.pages, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP) !== 0) wrong++;
    done += serve(cpu, { ...order, ctx }, finished, true).done;
    userfaultfd_release(cpu, ctx);
  }
  return { done, wrong };
}

function touch(cpu: Cpu, { start, pages, rounds, index, ctx }: TortureOrder): TortureResult {
  let wrong = 0;
  for (let round = 0; round < rounds; round++) {
    const page = start + cpu.prng.below(pages);
    const outcome = cpu.prng.chance(1, 2) ? userRead(cpu, page as Vpn) : userWrite(cpu, page as Vpn, WRITTEN * index * 2 + page);
    if (outcome !== 0) wrong++;
    else if (userRead(cpu, page as Vpn) !== 0 || !mayHold(page, cpu.value, ctx === NO_UFFD)) wrong++;
    if (sys_madvise(cpu, page, 1, MADV_DONTNEED) !== 0) wrong++;
    rcu_process_callbacks(cpu);
  }
  return { done: rounds, wrong };
}
