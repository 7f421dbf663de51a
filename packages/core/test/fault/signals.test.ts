/**
 * Signals at faults: one that comes before, during or right at the end of every wait that a fault may have, for a program, for the kernel on its behalf,
 * and for GUP. A fatal one ends every wait that is not for a short lock, and nobody waits for what the wait was for; any other ends only the waits
 * that are interruptible. One thread: the second CPU acts when the first would sleep.
 */
import type { SwapId, Vpn } from '@faultlab/core/base/brand';
import { EFAULT, EINTR } from '@faultlab/core/base/errno';
import { fixup_user_fault } from '@faultlab/core/fault/fixup_user_fault';
import { FOLL_INTERRUPTIBLE } from '@faultlab/core/fault/foll_flags';
import { get_user_pages_unlocked } from '@faultlab/core/fault/gup';
import { FAULT_FLAG_DEFAULT, FAULT_FLAG_USER, VM_FAULT_RETRY } from '@faultlab/core/fault/vm_fault';
import { serveQueued, setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, type DeviceId } from '@faultlab/core/io/device_record';
import { writebackStep } from '@faultlab/core/io/writeback';
import { heldCount } from '@faultlab/core/locking/held_locks';
import type { MachineSize } from '@faultlab/core/memory/limits';
import { dma_fence_is_signaled, dma_fence_signal, dmaFenceBegin } from '@faultlab/core/mm/dma_fence';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { PTE_PRESENT } from '@faultlab/core/mm/pte';
import { swapon } from '@faultlab/core/mm/swapfile';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import { SIGKILL, SIGUSR1, send_signal, signal_pending, takeSignals } from '@faultlab/core/sched/task';
import { sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_fsync } from '@faultlab/core/syscalls/msync';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import { userfaultfd_zeropage } from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { UFFDIO_REGISTER_MODE_MISSING, userfaultfd_register } from '@faultlab/core/syscalls/userfaultfd_register';
import { BETWEEN_DROP_AND_RETRY, BETWEEN_GUP_ATTEMPTS } from '@faultlab/core/trace/points';
import { readTrace } from '@faultlab/core/trace/trace_ring';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { kernelRead, kernelWrite, processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { cachedFolio, pteOf } from '../fixtures/disk.ts';
import { A, D, F, type Waits, withWaits } from '../fixtures/waits.ts';

const test = suite('fault/signals');

/** The obstacle that a fault meets. */
interface Obstacle {
  readonly page: Vpn;
  /** The helper takes it away. Again it does nothing. */
  end(): void;
  /** Everything as it was. */
  after?(): void;
}

interface Wait {
  readonly name: string;
  readonly write?: boolean;
  readonly cached?: boolean;
  readonly policy?: FaultPolicy;
  readonly size?: Partial<MachineSize>;
  /** A signal that is not fatal ends the wait of a program. */
  readonly interruptible: boolean;
  /** What comes after the wait: RETRY, or the fault goes on or is finished. */
  readonly next: 'retry' | 'finish';
  readonly block: (waits: Waits) => Obstacle;
}

const once = (action: () => void): (() => void) => {
  let left = 1;
  return () => {
    if (left-- > 0) action();
  };
};

const WAITS: readonly Wait[] = [
  {
    name: 'mmap_lock',
    policy: policyByName('linux-6.0'),
    interruptible: false,
    next: 'finish',
    block({ helper, mm }) {
      mmap_write_lock(helper, mm);
      return { page: A, end: once(() => mmap_write_unlock(helper, mm)) };
    },
  },
  {
    name: 'the lock of a page of a file',
    interruptible: false,
    next: 'retry',
    block({ cpu, helper, file }) {
      const pfn = cachedFolio(cpu, file, 0);
      folio_lock(helper, pfn);
      return { page: F, end: once(() => folio_unlock(helper, pfn)) };
    },
  },
  {
    name: 'a read of a file',
    cached: false,
    interruptible: false,
    next: 'retry',
    block: ({ serve }) => ({ page: F, end: () => void serve() }),
  },
  {
    name: 'a read from swap',
    size: { devices: 2, deviceRequests: 16 },
    interruptible: false,
    next: 'retry',
    block({ cpu }) {
      const device = 1 as DeviceId;
      setupDevice(cpu.memory, device, { queueDepth: 8, contents: CONTENTS_BLANK, server: 'idle' });
      swapon(cpu.memory, 0 as SwapId, { device });
      const serve = (): boolean => serveQueued(cpu, device);
      cpu.idle = serve;
      assert.is(userWrite(cpu, A, 1), 0);
      squeezeAll(cpu);
      assert.is(pteOf(cpu, A) & PTE_PRESENT, 0);
      return {
        page: A,
        end: () => void serve(),
        after() {
          cpu.idle = serve;
          squeezeAll(cpu); // The page may be in the swap cache, where the killed fault has left it.
        },
      };
    },
  },
  {
    name: "a driver's fence",
    interruptible: true,
    next: 'retry',
    block({ helper, buffer }) {
      dmaFenceBegin(helper, buffer);
      return { page: D, end: once(() => dma_fence_signal(helper, buffer)) };
    },
  },
  {
    name: 'userfaultfd',
    interruptible: true,
    next: 'retry',
    block({ cpu, helper }) {
      const ctx = sys_userfaultfd(cpu);
      assert.ok(ctx > 0);
      assert.is(userfaultfd_register(cpu, ctx as never, A, 8, UFFDIO_REGISTER_MODE_MISSING), 0);
      return {
        page: A,
        end: once(() => assert.is(userfaultfd_zeropage(helper, ctx as never, A, 1), 1)),
        after: () => userfaultfd_release(cpu, ctx as never),
      };
    },
  },
  {
    name: 'dirty throttling',
    write: true,
    interruptible: false,
    next: 'finish',
    block({ cpu, helper, file, serve }) {
      assert.is(sys_write(cpu, file, 3, 9), 1);
      setSysctl(cpu.memory, { dirtyThresh: 1, dirtyBackground: 0 });
      return {
        page: F,
        end() {
          while (serve() || writebackStep(helper) > 0);
        },
        after: () => assert.is(sys_fsync(cpu, file), 0),
      };
    },
  },
];

type When = 'before' | 'during' | 'at the end of';
const WHENS: readonly When[] = ['before', 'during', 'at the end of'];
type Who = 'user' | 'kernel' | 'gup';

interface Seen {
  readonly outcome: string;
  /** Was the obstacle there to the end? */
  readonly gaveUp: boolean;
  readonly faultsSignal: number;
}

function access(who: Who, { cpu, mm }: Waits, page: Vpn, write: boolean): string {
  if (who === 'user') return ACCESS_NAMES[write ? userWrite(cpu, page, 7) : userRead(cpu, page)] as string;
  const error =
    who === 'kernel'
      ? write
        ? kernelWrite(cpu, page, 7)
        : kernelRead(cpu, page)
      : write
        ? processVmWrite(cpu, mm, page, 7)
        : processVmRead(cpu, mm, page);
  return error === 0 ? 'ok' : error === EFAULT ? 'EFAULT' : String(error);
}

function see(wait: Wait, who: Who, signal: number, when: When): Seen {
  return withWaits({ policy: wait.policy ?? policyByName('linux-6.18'), cached: wait.cached ?? true, size: wait.size ?? {} }, (waits) => {
    const { cpu, helper, whenAsleep, counted } = waits;
    const obstacle = wait.block(waits);
    let ended = false;
    const end = (): void => {
      ended = true;
      obstacle.end();
    };
    const send = (): void => send_signal(helper, cpu.id, signal);
    if (when === 'before') whenAsleep(end);
    else if (when === 'during') whenAsleep(send, end);
    else
      whenAsleep(() => {
        end();
        send();
      });
    if (when === 'before') send();
    counted();
    const outcome = access(who, waits, obstacle.page, wait.write ?? false);
    const faultsSignal = counted().faults_signal;
    const gaveUp = !ended;
    assert.is(heldCount(cpu), 0);
    cpu.idle = waits.serve;
    takeSignals(cpu);
    obstacle.end();
    obstacle.after?.();
    return { outcome, gaveUp, faultsSignal };
  });
}

for (const wait of WAITS) {
  for (const when of WHENS) {
    test(`SIGKILL ${when} a wait for ${wait.name} ends the program's fault`, () => {
      const { outcome, gaveUp, faultsSignal } = see(wait, 'user', SIGKILL, when);
      assert.is(outcome, 'KILLED');
      assert.is(gaveUp, when !== 'at the end of', 'a killed program does not wait on');
      // A fault that goes on after its wait, or is finished by it, is not ended by the signal: the way back to the program is.
      const finished = wait.name === 'dirty throttling' || (wait.next === 'finish' && when === 'at the end of');
      assert.is(faultsSignal, finished ? 0 : 1);
    });

    test(`SIGKILL ${when} a wait for ${wait.name} sends the kernel's fault to its fixup, if there is anything to try again`, () => {
      const { outcome, gaveUp, faultsSignal } = see(wait, 'kernel', SIGKILL, when);
      const finished = wait.name === 'dirty throttling' || (wait.next === 'finish' && when === 'at the end of');
      assert.is(outcome, finished ? 'ok' : 'EFAULT');
      assert.is(gaveUp, when !== 'at the end of');
      assert.is(faultsSignal, finished ? 0 : 1);
    });

    test(`SIGKILL ${when} a wait for ${wait.name} ends GUP`, () => {
      const { outcome, gaveUp } = see(wait, 'gup', SIGKILL, when);
      // process_vm_* takes mmap_lock without a way out. A page that was finished before the signal was looked for is done.
      assert.is(outcome, 'EFAULT');
      assert.is(gaveUp, when !== 'at the end of' && wait.name !== 'mmap_lock');
    });

    test(`a signal with a handler ${when} a wait for ${wait.name} costs a program one more fault at most`, () => {
      const { outcome, gaveUp, faultsSignal } = see(wait, 'user', SIGUSR1, when);
      assert.is(outcome, 'ok');
      assert.is(gaveUp, false);
      assert.is(faultsSignal, wait.next === 'retry' ? 1 : 0);
    });

    // The driver's wait is interruptible for everybody, so that GUP would poll; the kernel keeps it away from a driver's areas.
    if (wait.name === "a driver's fence") continue;
    test(`a signal with a handler ${when} a wait for ${wait.name} does not concern GUP`, () => {
      assert.equal(see(wait, 'gup', SIGUSR1, when), { outcome: 'ok', gaveUp: false, faultsSignal: 0 });
    });
  }
}

test('a program whose read of a page was ended by SIGKILL under the lock is killed; the SIGBUS of that fault never reaches it', () => {
  withWaits({ policy: policyByName('hold'), cached: false }, ({ cpu, helper, whenAsleep, serve }) => {
    whenAsleep(() => send_signal(helper, cpu.id, SIGKILL));
    assert.is(access('user', { cpu } as Waits, F, false), 'KILLED');
    cpu.idle = serve;
    while (serve());
    takeSignals(cpu);
    assert.is(access('user', { cpu } as Waits, F, false), 'ok');
  });
});

test('a signal with a handler ends an interruptible wait, and no other', () => {
  for (const wait of WAITS) {
    withWaits({ policy: wait.policy ?? policyByName('linux-6.18'), cached: wait.cached ?? true, size: wait.size ?? {} }, (waits) => {
      const { cpu, helper, whenAsleep } = waits;
      const obstacle = wait.block(waits);
      let stillAsleep = false;
      whenAsleep(
        () => send_signal(helper, cpu.id, SIGUSR1),
        () => {
          // The second sleep: of the same wait, with the signal pending, or of the next fault, after its handler.
          stillAsleep = signal_pending(cpu);
          obstacle.end();
        },
      );
      assert.is(access('user', waits, obstacle.page, wait.write ?? false), 'ok');
      assert.is(stillAsleep, !wait.interruptible, wait.name);
      takeSignals(cpu);
      cpu.idle = waits.serve;
      obstacle.end();
      obstacle.after?.();
    });
  }
});

test('GUP can ask to be interrupted: then any signal ends a wait for userfaultfd, and the call', () => {
  const userfault = WAITS.find(({ name }) => name === 'userfaultfd') as Wait;
  const ask = (foll: number): [number, boolean] =>
    withWaits({}, (waits) => {
      const { cpu, helper, whenAsleep } = waits;
      const obstacle = userfault.block(waits);
      let ended = false;
      whenAsleep(
        () => send_signal(helper, cpu.id, SIGUSR1),
        () => {
          ended = true;
          obstacle.end();
        },
      );
      const pages: never[] = [];
      const got = get_user_pages_unlocked(cpu, A, 1, foll, pages);
      for (const pfn of pages) if (pfn !== 0) folio_put(cpu, pfn);
      takeSignals(cpu);
      obstacle.end();
      obstacle.after?.();
      return [got, ended];
    });
  assert.equal(ask(FOLL_INTERRUPTIBLE), [EINTR, false]);
  assert.equal(ask(0), [1, true]);
});

test('fixup_user_fault: a killed task gets an error, and its lock back', () => {
  withWaits({}, ({ cpu, mm, helper, buffer, whenAsleep }) => {
    dmaFenceBegin(helper, buffer);
    whenAsleep(() => send_signal(helper, cpu.id, SIGKILL));
    mmap_read_lock(cpu, mm);
    const unlocked = { unlocked: false };
    assert.is(fixup_user_fault(cpu, mm, D, 0, unlocked), EINTR);
    assert.equal([unlocked.unlocked, heldCount(cpu), dma_fence_is_signaled(helper, buffer)], [true, 1, false]);
    mmap_read_unlock(cpu, mm);
    takeSignals(cpu);
  });
});

test('linux-5.4: the second attempt has lost ALLOW_RETRY, waits with mmap_lock, and is not killed: it may not say RETRY', () => {
  for (const signal of [SIGUSR1, SIGKILL]) {
    withWaits({ policy: policyByName('linux-5.4'), trace: true, size: { traceEntries: 256 } }, (waits) => {
      const { cpu, helper, file, points, whenAsleep } = waits;
      const pfn = cachedFolio(cpu, file, 0);
      folio_lock(helper, pfn);
      const held: number[] = [];
      points.once(BETWEEN_DROP_AND_RETRY, () => folio_lock(helper, pfn));
      whenAsleep(
        () => {
          held.push(heldCount(cpu));
          folio_unlock(helper, pfn);
        },
        () => send_signal(helper, cpu.id, signal),
        () => {
          held.push(heldCount(cpu));
          folio_unlock(helper, pfn);
        },
      );
      assert.is(ACCESS_NAMES[userRead(cpu, F)], signal === SIGKILL ? 'KILLED' : 'ok');
      assert.equal(held, [0, 1]);
      const attempts = readTrace(cpu.memory, cpu.id).filter(({ name, args }) => name === 'handle_mm_fault' && args['vpn'] === F);
      const shown = attempts.map(({ args }) => [(args['flags'] as number) & ~FAULT_FLAG_USER, (args['result'] as number) & VM_FAULT_RETRY]);
      assert.equal(shown, [
        [FAULT_FLAG_DEFAULT, VM_FAULT_RETRY],
        [0, 0],
      ]);
      takeSignals(cpu);
    });
  }
});

test('linux-5.4: fixup_user_fault and GUP try once more, and then wait with mmap_lock', () => {
  for (const call of ['fixup', 'gup'] as const) {
    withWaits({ policy: policyByName('linux-5.4') }, (waits) => {
      const { cpu, mm, helper, file, points, whenAsleep, counted } = waits;
      const pfn = cachedFolio(cpu, file, 0);
      folio_lock(helper, pfn);
      points.once(BETWEEN_GUP_ATTEMPTS, () => folio_lock(helper, pfn));
      const held: number[] = [];
      const unlock = (): void => {
        held.push(heldCount(cpu));
        folio_unlock(helper, pfn);
      };
      whenAsleep(unlock, unlock);
      counted();
      if (call === 'gup') assert.is(processVmRead(cpu, mm, F), 0);
      else {
        mmap_read_lock(cpu, mm);
        assert.is(fixup_user_fault(cpu, mm, F, 0, { unlocked: false }), 0);
        mmap_read_unlock(cpu, mm);
      }
      const { faults_gup, faults_gup_retried } = counted();
      assert.equal([held, faults_gup, faults_gup_retried], [[0, 1], 2, 1], call);
    });
  }
});

test.run();
