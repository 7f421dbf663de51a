/**
 * The fault entries of the architectures: one test for each thing that one of them does differently, and one life under each of them, with retries and
 * signals, at whose end all counters agree.
 */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { EFAULT, ENOMEM } from '@faultlab/core/base/errno';
import { InvariantError, UsageError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { answerOf } from '@faultlab/core/fault/arch/answer_of';
import { copro_handle_mm_fault } from '@faultlab/core/fault/arch/copro_handle_mm_fault';
import { PF_GUEST, PF_GUEST_PFAULT, X86_PF_PROT, X86_PF_USER, X86_PF_WRITE } from '@faultlab/core/fault/arch/error_code';
import { force_user_fault, outcomeOfExactly } from '@faultlab/core/fault/arch/force_user_fault';
import {
  do_user_addr_fault,
  FAULT_HANDLED,
  FAULT_OOM,
  FAULT_PFAULT,
  FAULT_SEGV_ACCERR,
  FAULT_SEGV_MAPERR,
  FAULT_SIGBUS,
  FAULT_SIGNAL_PENDING,
} from '@faultlab/core/fault/do_user_addr_fault';
import * as vmFault from '@faultlab/core/fault/vm_fault';
import { heldCount } from '@faultlab/core/locking/held_locks';
import { PC_MAJ_FLT, PC_MIN_FLT } from '@faultlab/core/memory/percpu';
import * as mman from '@faultlab/core/mm/mman';
import { mmap_write_lock, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import { ARCH_ENTRIES, archByName } from '@faultlab/core/policy/arch_entries';
import { type ArchEntry, entryRules } from '@faultlab/core/policy/arch_entry';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES, policyByName } from '@faultlab/core/policy/policies';
import { SIGKILL, SIGUSR1, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { readCounters } from '@faultlab/core/trace/counters';
import { BEFORE_FENCE_WAIT, BEFORE_GMAP_LINK, IN_BAD_AREA } from '@faultlab/core/trace/points';
import { readTrace } from '@faultlab/core/trace/trace_ring';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { kernelRead, kernelWrite, processVmRead } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { hog } from '../fixtures/hog.ts';
import { withShmemSwap } from '../fixtures/shmem.ts';
import { A, D, F, HOLE, mapAnon, R, RW, type Waits, withWaits } from '../fixtures/waits.ts';
import { BASE, RWSEM_6_18 } from '../fixtures/with_cpu.ts';

const test = suite('fault/arch_entries');

const arch = archByName;
const READ = X86_PF_USER;
const WRITE = X86_PF_USER | X86_PF_WRITE;
const NEW = policyByName('linux-6.18');
const OLD = policyByName('linux-6.12');
/** Plain RETRY after dirty throttling, under the VMA lock if the proposal to split the flag says so: a retry that needs no I/O. */
const RETRIES_VMA: FaultPolicy = { ...policyByName('split-flags'), name: 'retry-after-dirty', completed: false };

const on = <T>(name: string, policy: FaultPolicy, body: (waits: Waits) => T): T => withWaits({ arch: arch(name), policy }, body);
const fault = ({ cpu }: Waits, page: number, errorCode: number): number => do_user_addr_fault(cpu, page as Vpn, errorCode);
/** One value for each architecture. */
const forEachArch = <T>(policy: FaultPolicy, body: (waits: Waits) => T): Record<string, T> =>
  Object.fromEntries(ARCH_ENTRIES.map(({ name }) => [name, on(name, policy, body)]));

// --- a life under each of them ----------------------------------------------------------------------------------------------------------

function live(waits: Waits): void {
  const { cpu, mm, helper, busy, whenAsleep } = waits;
  assert.is(userWrite(cpu, A, 1), 0);
  assert.is(userRead(cpu, (A + 1) as Vpn), 0);
  assert.is(userRead(cpu, HOLE), FAULT_SEGV_MAPERR);
  assert.is(userWrite(cpu, R, 1), FAULT_SEGV_ACCERR);
  assert.is(userWrite(cpu, F, 2), 0);
  busy();
  assert.is(userRead(cpu, D), 0);
  busy(() => send_signal(helper, cpu.id, SIGUSR1));
  assert.is(userRead(cpu, (D + 1) as Vpn), 0, 'a signal with a handler is taken, then the access goes on');
  busy();
  assert.is(kernelRead(cpu, (D + 2) as Vpn), 0);
  assert.is(kernelWrite(cpu, HOLE, 1), EFAULT);
  busy();
  assert.is(processVmRead(cpu, mm, (D + 3) as Vpn), 0);
  mapAnon(cpu, HOLE, 1, RW);
  whenAsleep(() => mmap_write_unlock(helper, mm));
  mmap_write_lock(helper, mm);
  assert.is(kernelRead(cpu, HOLE), 0);
  send_signal(helper, cpu.id, SIGKILL);
  busy();
  sys_munmap(helper, D, 1);
  assert.is(sys_mmap(helper, D, 1, RW, mman.MAP_FIXED | mman.MAP_SHARED, waits.buffer, 0), D);
  assert.is(ACCESS_NAMES[userRead(cpu, D)], 'KILLED');
  assert.is(kernelRead(cpu, D), EFAULT);
  takeSignals(cpu);
  assert.is(heldCount(cpu), 0);
}

for (const { name } of ARCH_ENTRIES) {
  for (const policy of [...POLICIES, RWSEM_6_18, RETRIES_VMA]) {
    test(`${name} under ${policy.name}: faults, retries and signals, and all counters agree at the end`, () => on(name, policy, live));
  }
}

// --- each difference --------------------------------------------------------------------------------------------------------------------

const tried = ({ cpu, counted }: Waits): boolean => {
  counted();
  assert.is(userWrite(cpu, (A + 2) as Vpn, 1), 0);
  const { vma_lock_success, vma_lock_abort, mmap_attempts } = counted();
  assert.is((vma_lock_success as number) + (mmap_attempts as number), 1);
  assert.is(vma_lock_abort, 0);
  return vma_lock_success === 1;
};
const written = (waits: Waits): boolean => {
  assert.is(userWrite(waits.cpu, (A + 1) as Vpn, 1), 0);
  return tried(waits);
};

test('VMA locks: each architecture tries them since a release of its own, sparc32 never', () => {
  const none = { x86: false, arm64: false, arm: false, powerpc: false, riscv: false, loongarch: false, s390: false, sparc32: false };
  const at64 = { ...none, x86: true, arm64: true, powerpc: true, s390: true };
  const at66 = { ...at64, riscv: true };
  const at612 = { ...at66, arm: true };
  assert.equal(forEachArch(policyByName('linux-6.0'), written), none);
  assert.equal(forEachArch(policyByName('linux-6.4'), written), at64);
  assert.equal(forEachArch(policyByName('linux-6.6'), written), at66);
  assert.equal(forEachArch(OLD, written), at612);
  assert.equal(forEachArch(NEW, written), { ...at612, loongarch: true });
});

test('access test: a code that says "present" is final on x86 only, and each reads with rights of its own', () => {
  assert.equal(
    forEachArch(NEW, (waits) => {
      const answers = [fault(waits, A, READ | X86_PF_PROT)];
      for (const prot of [mman.PROT_WRITE, mman.PROT_EXEC, mman.PROT_NONE]) {
        mapAnon(waits.cpu, HOLE, 1, prot);
        answers.push(fault(waits, HOLE, READ));
      }
      return answers.map((answer) => (answer === FAULT_HANDLED ? 'ok' : answer === FAULT_SEGV_ACCERR ? '-' : '?')).join(' ');
    }),
    {
      //         present  write-only  exec-only  no right
      x86: '- ok ok -',
      arm64: 'ok - - -',
      arm: 'ok ok ok -',
      powerpc: 'ok ok ok -',
      riscv: 'ok ok - -',
      loongarch: 'ok ok - -',
      s390: 'ok ok ok -',
      sparc32: 'ok - ok -',
    },
  );
});

test('denial: arm64 and arm release the VMA lock themselves, before the signal is made out; elsewhere the helper does, after', () => {
  const locks = forEachArch(NEW, (waits) => {
    let held = -1;
    waits.points.once(IN_BAD_AREA, () => {
      held = heldCount(waits.cpu);
    });
    assert.is(fault(waits, R, WRITE), FAULT_SEGV_ACCERR);
    assert.is(heldCount(waits.cpu), 0);
    return held;
  });
  // sparc32 has no VMA lock, so nobody makes out a signal with one.
  assert.equal(locks, { x86: 1, arm64: 0, arm: 0, powerpc: 1, riscv: 1, loongarch: 1, s390: 1, sparc32: -1 });
});

const taskFaults = ({ cpu }: Waits): string => `${cpu.words[cpu.percpu + PC_MAJ_FLT]} major, ${cpu.words[cpu.percpu + PC_MIN_FLT]} minor`;
const cold = <T>(name: string, policy: FaultPolicy, body: (waits: Waits) => T): T =>
  withWaits({ arch: arch(name), policy, cached: false }, body);

test('arm missed the rule that RETRY with MAJOR makes the next attempt TRIED, from 6.7 until 6.8: the fault that read counted as minor', () => {
  const at = (name: string, release: FaultPolicy['release']): string =>
    cold(name, { ...OLD, name: release, release }, (waits) => {
      assert.is(userRead(waits.cpu, F), 0);
      const { vma_lock_retry, pgmajfault } = waits.counted();
      assert.equal([vma_lock_retry, pgmajfault], [1, 1]);
      return taskFaults(waits);
    });
  assert.equal([at('arm', '6.7'), at('arm', '6.8'), at('arm', '6.18')], ['0 major, 1 minor', '1 major, 0 minor', '1 major, 0 minor']);
  assert.equal([at('x86', '6.7'), at('arm64', '6.7')], ['1 major, 0 minor', '1 major, 0 minor']);
  assert.is(entryRules(arch('arm'), policyByName('linux-6.6')).triedAfterVmaMajor, false, 'no architecture had it in 6.6');
});

test('powerpc adds up MAJOR over its attempts under mmap_lock, and misses what an attempt under the VMA lock has read', () => {
  const local = (name: string, policy: FaultPolicy): string =>
    cold(name, policy, (waits) => {
      assert.is(userRead(waits.cpu, F), 0);
      return `${waits.counted().faults_local_major}: ${taskFaults(waits)}`;
    });
  assert.is(local('powerpc', policyByName('linux-6.0')), '1: 1 major, 0 minor');
  assert.is(local('powerpc', NEW), '0: 1 major, 0 minor');
  assert.is(local('x86', policyByName('linux-6.0')), '0: 1 major, 0 minor');
});

test('powerpc: COMPLETED goes to the accounting, which counts the fault that read its page from swap and then was throttled', () => {
  const local = (name: string, policy: FaultPolicy): number =>
    withShmemSwap(policy, { direct: false, arch: arch(name) }, (one) => {
      one.pushOut();
      assert.is(userWrite(one.cpu, BASE as Vpn, 1), 0);
      const { dirty_dropped, faults_local_major, faults_finished } = readCounters(one.cpu.memory);
      assert.equal([dirty_dropped, faults_finished], [1, 1]);
      return faults_local_major;
    });
  assert.is(local('powerpc', policyByName('linux-6.0')), 1);
  assert.is(local('powerpc', NEW), 0, 'under the VMA lock nothing is added up');
  assert.is(local('x86', policyByName('linux-6.0')), 0);
});

test('powerpc: a signal that ends a fault of the kernel comes back as a bus error, whose handler finds the fixup', () => {
  const outcomes = forEachArch(NEW, (waits) => {
    waits.busy(() => send_signal(waits.helper, waits.cpu.id, SIGKILL));
    const outcome = fault(waits, D, 0);
    assert.is(waits.counted().faults_signal, 1);
    takeSignals(waits.cpu);
    return outcome;
  });
  const { powerpc, ...others } = outcomes;
  assert.is(powerpc, FAULT_SIGBUS);
  assert.equal([...new Set(Object.values(others))], [FAULT_SIGNAL_PENDING]);
  assert.is(
    on('powerpc', NEW, (waits) => {
      waits.busy(() => send_signal(waits.helper, waits.cpu.id, SIGKILL));
      const outcome = fault(waits, D, READ);
      takeSignals(waits.cpu);
      return outcome;
    }),
    FAULT_SIGNAL_PENDING,
    'in user mode there is nothing to fix up',
  );
});

test('powerpc: a coprocessor faults without ALLOW_RETRY, so every wait is a wait with mmap_lock', () => {
  on('powerpc', NEW, (waits) => {
    const { cpu, mm, points, busy, counted } = waits;
    let held = -1;
    points.once(BEFORE_FENCE_WAIT, () => {
      held = heldCount(cpu);
    });
    busy();
    counted();
    assert.is(copro_handle_mm_fault(cpu, mm, D, false), 0);
    assert.is(held, 2, 'mmap_lock and the reservation');
    const { faults_gup, faults_retried, mmap_read_acquired } = counted();
    assert.equal([faults_gup, faults_retried, mmap_read_acquired], [1, 0, 1]);
    assert.is(copro_handle_mm_fault(cpu, mm, F, true), 0, 'a shared write: finished, and not COMPLETED');
    assert.is(counted().dirty_dropped, 0);
    assert.is(copro_handle_mm_fault(cpu, mm, HOLE, false), EFAULT);
    assert.is(copro_handle_mm_fault(cpu, mm, R, true), EFAULT);
    const restore = hog(cpu, 'frames', 0);
    assert.is(copro_handle_mm_fault(cpu, mm, A, true), ENOMEM);
    restore();
    assert.is(heldCount(cpu), 0);
  });
  assert.throws(() => on('x86', NEW, ({ cpu, mm }) => copro_handle_mm_fault(cpu, mm, A, false)), /has no coprocessors/);
});

test('riscv and loongarch: the same steps as x86, event by event', () => {
  const events = (name: string): string[] =>
    withWaits({ arch: arch(name), policy: NEW, trace: true, size: { traceEntries: 4096 } }, (waits) => {
      live(waits);
      return readTrace(waits.cpu.memory, waits.cpu.id).map(({ name, args }) => `${name} ${JSON.stringify(args)}`);
    });
  const x86 = events('x86');
  assert.ok(x86.length > 50);
  assert.equal(events('riscv'), x86);
  assert.equal(events('loongarch'), x86);
});

test('RETRY_VMA: every entry with VMA locks goes back to them', () => {
  const retried = forEachArch(RETRIES_VMA, (waits) => {
    waits.counted();
    assert.is(userWrite(waits.cpu, F, 1), 0);
    const { faults_retried_vma, vma_lock_success, mmap_attempts } = waits.counted();
    return [faults_retried_vma, vma_lock_success, mmap_attempts].join(' ');
  });
  const { sparc32, ...others } = retried;
  assert.is(sparc32, '0 0 2');
  assert.equal([...new Set(Object.values(others))], ['1 1 0']);
});

// --- s390 -------------------------------------------------------------------------------------------------------------------------------

test('s390 tests ERROR before RETRY: it would unlock twice if both came, and no other result shows a difference', () => {
  const s390 = entryRules(arch('s390'), NEW);
  const x86 = entryRules(arch('x86'), NEW);
  const both = vmFault.VM_FAULT_RETRY | vmFault.VM_FAULT_OOM;
  assert.equal([answerOf(s390, both), answerOf(x86, both)], ['error', 'retry']);
  let legal = 0;
  for (let result = 0; result < 0x8000; result++) {
    try {
      vmFault.checkFaultResult(vmFault.FAULT_FLAG_ALLOW_RETRY, result);
    } catch {
      continue;
    }
    legal++;
    assert.is(answerOf(s390, result), answerOf(x86, result), `result ${result}`);
  }
  assert.ok(legal > 100);
});

test('s390 until 6.12 takes mmap_lock without a trylock, and a killed task waits for it all the same', () => {
  const waitsKilled = (name: string, policy: FaultPolicy): [string, number] =>
    on(name, policy, ({ cpu, mm, helper, whenAsleep, counted }) => {
      mmap_write_lock(helper, mm);
      let unlocked = false;
      const unlock = (): void => {
        unlocked = true;
        mmap_write_unlock(helper, mm);
      };
      whenAsleep(() => send_signal(helper, cpu.id, SIGKILL), unlock);
      counted();
      const outcome = do_user_addr_fault(cpu, A, X86_PF_WRITE);
      const { mmap_trylock_failed } = counted();
      if (!unlocked) unlock();
      takeSignals(cpu);
      return [outcome === FAULT_HANDLED ? 'handled' : outcome === FAULT_SIGNAL_PENDING ? 'killed' : 'other', mmap_trylock_failed as number];
    });
  assert.equal(waitsKilled('s390', OLD), ['handled', 0]);
  assert.equal(waitsKilled('s390', NEW), ['killed', 1]);
  assert.equal(waitsKilled('x86', OLD), ['killed', 1]);
});

test('s390 grows stacks by its own way, too: the area is looked up again under mmap_lock for writing', () => {
  for (const policy of [OLD, NEW]) {
    on('s390', policy, (waits) => {
      const { cpu, counted } = waits;
      const stack = HOLE + 0x40;
      assert.is(
        sys_mmap(cpu, stack, 2, RW, mman.MAP_FIXED | mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_GROWSDOWN, 0 as MappingId, 0),
        stack,
      );
      counted();
      assert.is(userWrite(cpu, (stack - 1) as Vpn, 1), 0);
      const { stack_expanded, mmap_write_acquired, mmap_downgraded } = counted();
      assert.equal([stack_expanded, mmap_write_acquired, mmap_downgraded], [1, 1, 1], policy.name);
      assert.is(userRead(cpu, HOLE), FAULT_SEGV_MAPERR);
    });
  }
});

const guestFault = (waits: Waits, page: number, more = 0): number => fault(waits, page, PF_GUEST | more);

test("s390 links a guest's page under mmap_lock, which it takes again after COMPLETED; since 6.13 there is no such step", () => {
  const linked = (waits: Waits): string => {
    const { counted } = waits;
    counted();
    assert.is(guestFault(waits, A, X86_PF_WRITE), FAULT_HANDLED);
    const first = counted();
    assert.is(guestFault(waits, F, X86_PF_WRITE), FAULT_HANDLED);
    const second = counted();
    assert.is(second.dirty_dropped, 1, 'the second fault is COMPLETED');
    return `${first.gmap_links} in ${first.mmap_read_acquired}, ${second.gmap_links} in ${second.mmap_read_acquired}`;
  };
  assert.is(on('s390', OLD, linked), '1 in 1, 1 in 2');
  assert.is(on('s390', NEW, linked), '0 in 1, 0 in 1');
  assert.is(on('x86', OLD, linked), '0 in 1, 0 in 1');
});

test('s390 without the lock after COMPLETED, as first proposed: the link finds out that it may not', () => {
  const proposed: ArchEntry = { ...arch('s390'), gmapRetakesLock: false };
  assert.throws(
    () => withWaits({ arch: proposed, policy: OLD }, (waits) => guestFault(waits, F, X86_PF_WRITE)),
    (error: unknown) => error instanceof InvariantError && error.id === 'I06',
  );
});

test('s390: an area that is unmapped between COMPLETED and the link gives the guest nothing', () => {
  on('s390', OLD, (waits) => {
    const { helper, points, counted } = waits;
    points.once(BEFORE_GMAP_LINK, () => sys_munmap(helper, A, 0x280)); // The whole page table goes.
    counted();
    assert.is(guestFault(waits, F, X86_PF_WRITE), FAULT_SEGV_MAPERR);
    assert.is(counted().gmap_links, 0);
  });
});

test('s390 pseudo-fault: a guest that asked for it is told to go on; RETRY has left the lock held, and the entry releases it', () => {
  on('s390', OLD, (waits) => {
    const { cpu, helper, busy, counted } = waits;
    busy();
    counted();
    assert.is(guestFault(waits, D, PF_GUEST_PFAULT), FAULT_PFAULT);
    const { faults_pseudo, faults_retried, mmap_attempts, lock_dropped_for_io } = counted();
    assert.equal([faults_pseudo, faults_retried, mmap_attempts, lock_dropped_for_io], [1, 1, 1, 0]);
    send_signal(helper, cpu.id, SIGKILL);
    assert.is(guestFault(waits, D, PF_GUEST_PFAULT), FAULT_SIGNAL_PENDING);
    takeSignals(cpu);
    assert.is(heldCount(cpu), 0);
    assert.is(guestFault(waits, D), FAULT_HANDLED, 'one that did not ask waits');
    assert.is(counted().driver_fence_waits, 1);
    assert.is(guestFault(waits, (D + 1) as Vpn, PF_GUEST_PFAULT), FAULT_HANDLED, 'nothing to wait for');
  });
});

// --- sparc32 ----------------------------------------------------------------------------------------------------------------------------

test('sparc32 compares the whole result with two values: an error with another bit beside it counts as success', () => {
  const { VM_FAULT_MAJOR, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_FAULT_SIGSEGV, VM_FAULT_LOCKED } = vmFault;
  assert.equal(
    [VM_FAULT_SIGBUS, VM_FAULT_OOM, VM_FAULT_SIGBUS | VM_FAULT_MAJOR, VM_FAULT_SIGSEGV, VM_FAULT_LOCKED, 0].map(outcomeOfExactly),
    [FAULT_SIGBUS, FAULT_SIGBUS, FAULT_HANDLED, FAULT_HANDLED, FAULT_HANDLED, FAULT_HANDLED],
  );
});

test('sparc32: the fault for a register window allows no retry, and so never meets the COMPLETED that it could not test', () => {
  on('sparc32', NEW, (waits) => {
    const { cpu, busy, counted } = waits;
    busy();
    counted();
    assert.is(force_user_fault(cpu, D, false), FAULT_HANDLED);
    assert.is(force_user_fault(cpu, F, true), FAULT_HANDLED);
    const { faults_retried, dirty_dropped, mmap_read_acquired, driver_fence_waits } = counted();
    assert.equal([faults_retried, dirty_dropped, mmap_read_acquired, driver_fence_waits], [0, 0, 2, 1]);
    assert.is(force_user_fault(cpu, HOLE, false), FAULT_SEGV_MAPERR);
    assert.is(force_user_fault(cpu, R, true), FAULT_SEGV_ACCERR);
    const restore = hog(cpu, 'frames', 0);
    assert.is(force_user_fault(cpu, A, true), FAULT_SIGBUS, 'out of memory is a bus error here');
    assert.is(do_user_addr_fault(cpu, A, WRITE), FAULT_OOM, 'but not in the other entry');
    restore();
    assert.is(heldCount(cpu), 0);
  });
  assert.throws(() => on('x86', NEW, ({ cpu }: { cpu: Cpu }) => force_user_fault(cpu, A, false)), /has no register windows/);
});

test('a name that no architecture has is refused with the names that there are', () => {
  assert.throws(
    () => archByName('vax'),
    (error: unknown) => error instanceof UsageError && ARCH_ENTRIES.every(({ name }) => error.message.includes(name)),
  );
});

test.run();
