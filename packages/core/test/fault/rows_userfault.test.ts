/**
 * Rows 29, 36 and 37: faults that a handler in user space resolves. One attempt, called directly; then whole faults with the handler on a second CPU of
 * the same thread, which runs when the first would sleep, or at a named point.
 */
import type { Pfn, Pte, Vpn, Word } from '@faultlab/core/base/brand';
import { NO_MM, NO_UFFD } from '@faultlab/core/base/brand';
import { EEXIST } from '@faultlab/core/base/errno';
import { cpuOffline, cpuOnline } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { FOLL_NOWAIT, FOLL_REMOTE } from '@faultlab/core/fault/foll_flags';
import { __get_user_pages_locked } from '@faultlab/core/fault/gup';
import { handle_mm_fault } from '@faultlab/core/fault/handle_mm_fault';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_USER,
  FAULT_FLAG_WRITE,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
} from '@faultlab/core/fault/vm_fault';
import { heldCount } from '@faultlab/core/locking/held_locks';
import { PC_MIN_FLT } from '@faultlab/core/memory/percpu';
import { PARK_WOKEN, type StepGate } from '@faultlab/core/memory/step_gate';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import { mmap_read_lock, mmap_read_unlock } from '@faultlab/core/mm/mmap_lock';
import { pte_uffd_wp, pte_write } from '@faultlab/core/mm/pte';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { setUffdReleased, UFFD_FEATURE_SIGBUS, uffdLockWord } from '@faultlab/core/mm/userfaultfd_ctx';
import { UFFD_EVENT_PAGEFAULT, UFFD_PAGEFAULT_FLAG_WP, UFFD_PAGEFAULT_FLAG_WRITE } from '@faultlab/core/mm/userfaultfd_wait';
import { set_vm_userfaultfd_ctx } from '@faultlab/core/mm/vm_area_struct';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { SIGKILL, SIGUSR1, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import {
  userfaultfd_copy,
  userfaultfd_wake,
  userfaultfd_writeprotect,
  userfaultfd_zeropage,
} from '@faultlab/core/syscalls/userfaultfd_ioctl';
import {
  UFFDIO_REGISTER_MODE_MISSING as MISSING,
  userfaultfd_unregister,
  UFFDIO_REGISTER_MODE_WP as WP,
} from '@faultlab/core/syscalls/userfaultfd_register';
import { readCounters } from '@faultlab/core/trace/counters';
import { POINT_NAMES, type PointName } from '@faultlab/core/trace/points';
import { ACCESS_KILLED, userRead, userWrite } from '@faultlab/core/user/access';
import { processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { ATTEMPT_LOCKS, type AttemptLock, attempt, dropped, held } from '../fixtures/attempt.ts';
import { pteOf, type Scene, thirdCpu, WRITTEN, WRITTEN_PAGE, withUserfault, X } from '../fixtures/userfault.ts';
import { ALL_POLICIES, RWSEM_6_18 } from '../fixtures/with_cpu.ts';

const test = suite('fault/rows_userfault');

const DESIGNS: readonly FaultPolicy[] = [policyByName('linux-6.18'), RWSEM_6_18];
const COPIED = 55;

const protect = ({ handler, ctx }: Scene, page: number): void => assert.is(userfaultfd_writeprotect(handler, ctx, page, 1, true), 0);
const unprotect = ({ handler, ctx }: Scene, page: number): void => assert.is(userfaultfd_writeprotect(handler, ctx, page, 1, false), 0);
const copy = ({ handler, ctx }: Scene, page: number): void => assert.is(userfaultfd_copy(handler, ctx, page, 1, COPIED), 1);

// --- one attempt ---------------------------------------------------------------------------------------------------------------------------

interface Kind {
  readonly row: string;
  readonly mode: number;
  readonly page: number;
  readonly flags: number;
  readonly before?: (scene: Scene) => void;
}
const KINDS: readonly Kind[] = [
  { row: 'row 36: read of a missing page', mode: MISSING, page: X, flags: 0 },
  { row: 'row 36: write to a missing page', mode: MISSING, page: X, flags: FAULT_FLAG_WRITE },
  {
    row: 'row 29: write to a protected page',
    mode: WP,
    page: WRITTEN_PAGE,
    flags: FAULT_FLAG_WRITE,
    before: (scene) => protect(scene, WRITTEN_PAGE),
  },
];

/** The lock can be had at all under that policy, in a registered area. */
const possible = (policy: FaultPolicy, lock: AttemptLock): boolean =>
  lock === 'mmap' || (policy.vmaLock !== 'none' && policy.vmaLockUserfault);

for (const { row, mode, page, flags, before } of KINDS) {
  for (const [attempted, tried] of [
    ['First', 0],
    ['Later', FAULT_FLAG_TRIED],
  ] as const) {
    test(`${row}, ${attempted}: RETRY without MAJOR and without RETRY_VMA, no lock, under every policy`, () => {
      for (const policy of ALL_POLICIES) {
        for (const lock of ATTEMPT_LOCKS.filter((lock) => possible(policy, lock))) {
          withUserfault({ mode, policy, direct: true }, (scene) => {
            before?.(scene);
            scene.whenAsleep.push(() => userfaultfd_wake(scene.handler, scene.ctx, page, 1));
            assert.equal(attempt(scene.cpu, page, flags | tried, lock), dropped(VM_FAULT_RETRY), `${policy.name} ${lock}`);
          });
        }
      }
    });
  }
}

test('linux-6.4: no attempt under the VMA lock in a registered area; linux-6.6 has them', () => {
  for (const [name, aborts] of [
    ['linux-6.4', 1],
    ['linux-6.6', 0],
  ] as const) {
    withUserfault({ mode: MISSING, policy: policyByName(name) }, (scene) => {
      const aborted = readCounters(scene.cpu.memory).vma_lock_abort;
      scene.whenAsleep.push(() => copy(scene, X));
      assert.is(userRead(scene.cpu, X as Vpn), 0);
      const { vma_lock_abort, vma_lock_abort_uffd } = readCounters(scene.cpu.memory);
      assert.is(vma_lock_abort - vma_lock_abort_uffd - aborted, aborts, name);
    });
  }
});

/** An attempt with exactly these flags under mmap_lock, and whether the lock is still held. */
function direct({ cpu, mm }: Scene, page: number, flags: number): { readonly result: number; readonly lock: string } {
  mmap_read_lock(cpu, mm);
  const result = handle_mm_fault(cpu, mas_walk(cpu, mmTree(cpu.memory, mm), page as Vpn), page as Vpn, FAULT_FLAG_USER | flags);
  const keeps = heldCount(cpu) > 0;
  if (keeps) mmap_read_unlock(cpu, mm);
  return { result, lock: keeps ? 'held' : 'none' };
}

test('row 36: NOWAIT gives RETRY with the lock held, and nobody is asked', () => {
  for (const policy of DESIGNS) {
    withUserfault({ mode: MISSING, policy, direct: true }, (scene) => {
      assert.equal(direct(scene, X, FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_RETRY_NOWAIT), held(VM_FAULT_RETRY));
      assert.throws(() => scene.read(), /nothing to read/);
    });
  }
});

test('row 37: without ALLOW_RETRY the answer is SIGBUS with the lock held', () => {
  for (const policy of DESIGNS) {
    for (const { mode, page, flags, before } of KINDS) {
      withUserfault({ mode, policy, direct: true }, (scene) => {
        before?.(scene);
        assert.equal(direct(scene, page, flags), held(VM_FAULT_SIGBUS));
      });
    }
  }
});

for (const lock of ATTEMPT_LOCKS) {
  test(`row 37: a context in SIGBUS mode, under the ${lock} lock, First and Later`, () => {
    for (const policy of DESIGNS) {
      withUserfault({ mode: MISSING, features: UFFD_FEATURE_SIGBUS, policy, direct: true }, ({ cpu }) => {
        for (const tried of [0, FAULT_FLAG_TRIED]) assert.equal(attempt(cpu, X, tried, lock), held(VM_FAULT_SIGBUS));
      });
    }
  });

  test(`row 37: an area that has lost its context, under the ${lock} lock`, () => {
    for (const policy of DESIGNS) {
      withUserfault({ mode: MISSING, policy, direct: true }, ({ cpu, ctx, mm }) => {
        const vma = mas_walk(cpu, mmTree(cpu.memory, mm), X as Vpn);
        set_vm_userfaultfd_ctx(cpu.memory, vma, NO_UFFD); // Behind everybody's back: flags and context change under one lock.
        assert.equal(attempt(cpu, X, 0, lock), held(VM_FAULT_SIGBUS));
        set_vm_userfaultfd_ctx(cpu.memory, vma, ctx);
      });
    }
  });

  test(`row 36: a context that is being closed gives RETRY without a lock and without sleep, under the ${lock} lock`, () => {
    for (const policy of DESIGNS) {
      withUserfault({ mode: MISSING, policy, direct: true }, ({ cpu, handler, ctx }) => {
        setUffdReleased(handler, ctx); // The moment in which the closing CPU waits for mmap_lock, or for the VMA lock.
        assert.equal(attempt(cpu, X, 0, lock), dropped(VM_FAULT_RETRY));
      });
    }
  });

  test(`row 29: a write to a page of a protected area that is not protected itself is served at once, under the ${lock} lock`, () => {
    for (const policy of DESIGNS) {
      withUserfault({ mode: WP, policy, direct: true }, ({ cpu }) => {
        assert.equal(attempt(cpu, X, FAULT_FLAG_WRITE, lock), held(0));
        assert.ok(pte_write(pteOf(cpu, X) as Pte));
      });
    }
  });
}

// --- whole faults ---------------------------------------------------------------------------------------------------------------------------

for (const policy of DESIGNS) {
  const { name } = policy;

  test(`${name}: the handler reads the page and the access, copies, and the fault counts once, as minor`, () => {
    withUserfault({ mode: MISSING, policy }, (scene) => {
      const { cpu } = scene;
      const minor = cpu.words[cpu.percpu + PC_MIN_FLT] as number;
      scene.whenAsleep.push(() => {
        const { event, vpn, flags } = scene.read();
        assert.equal({ event, vpn, flags }, { event: UFFD_EVENT_PAGEFAULT, vpn: X, flags: UFFD_PAGEFAULT_FLAG_WRITE });
        copy(scene, X);
      });
      assert.is(userWrite(cpu, X as Vpn, 9), 0);
      assert.is(userRead(cpu, X as Vpn), 0);
      assert.is(cpu.value, 9);
      assert.is(cpu.words[cpu.percpu + PC_MIN_FLT], minor + 1);
      assert.is(userfaultfd_copy(scene.handler, scene.ctx, X, 1, 1), EEXIST);
    });
  });

  test(`${name}: a zero page is a zero page: the write that follows is an ordinary one`, () => {
    withUserfault({ mode: MISSING, policy }, (scene) => {
      scene.whenAsleep.push(() => assert.is(userfaultfd_zeropage(scene.handler, scene.ctx, X, 1), 1));
      assert.is(userRead(scene.cpu, X as Vpn), 0);
      assert.is(scene.cpu.value, 0);
      assert.is(userWrite(scene.cpu, X as Vpn, 3), 0);
    });
  });

  test(`${name}: a write to a protected page waits, and goes on in place when the protection ends`, () => {
    withUserfault({ mode: WP, policy }, (scene) => {
      const { cpu } = scene;
      protect(scene, WRITTEN_PAGE);
      assert.is(userRead(cpu, WRITTEN_PAGE as Vpn), 0);
      assert.is(cpu.value, WRITTEN);
      scene.whenAsleep.push(() => {
        assert.is(scene.read().flags, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
        unprotect(scene, WRITTEN_PAGE);
      });
      assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 8), 0);
      assert.not.ok(pte_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte));
    });
  });

  test(`${name}: a page copied with write protection asks again at the first write`, () => {
    withUserfault({ mode: MISSING | WP, policy }, (scene) => {
      scene.whenAsleep.push(
        () => assert.is(userfaultfd_copy(scene.handler, scene.ctx, X, 1, COPIED, { wp: true }), 1),
        () => unprotect(scene, X),
      );
      assert.is(userWrite(scene.cpu, X as Vpn, 4), 0);
      assert.is(readCounters(scene.cpu.memory).userfaults, 2);
    });
  });

  test(`${name}: an answer between the page-table lock and the queue, which finds nobody to wake, is seen: no sleep`, () => {
    answerBeforeTheQueue(policy);
  });

  test(`${name}: an answer after the task is in the queue and before it looks at the tables: no sleep`, () => {
    atPoint(policy, 'userfault_queued', (scene) => copy(scene, X), 0);
  });

  test(`${name}: an answer after the look and before the sleep: schedule() returns at once`, () => {
    atPoint(policy, 'userfault_before_schedule', (scene) => copy(scene, X), 0);
  });

  test(`${name}: two faults on one page: one answer wakes both, and the second question is gone`, () => {
    withUserfault({ mode: MISSING, policy }, (scene) => {
      const { cpu, mm } = scene;
      const third = thirdCpu(scene, () => {
        assert.is(scene.read().vpn, X); // The first one's; the second stays unread.
        copy(scene, X);
        return true;
      });
      scene.whenAsleep.push(() => {
        cpuOnline(third);
        switch_mm(third, mm);
        assert.is(userWrite(third, X as Vpn, 6), 0);
        switch_mm(third, NO_MM);
        cpuOffline(third);
      });
      assert.is(userRead(cpu, X as Vpn), 0);
      assert.is(cpu.value, 6);
      assert.throws(() => scene.read(), /nothing to read/);
      assert.is(readCounters(cpu.memory).userfault_wakes, 2);
    });
  });

  test(`${name}: a wake without an answer: the fault comes back and asks again`, () => {
    withUserfault({ mode: MISSING, policy }, (scene) => {
      const { handler, ctx } = scene;
      scene.whenAsleep.push(
        () => userfaultfd_wake(handler, ctx, X, 1),
        () => userfaultfd_wake(handler, ctx, X, 1),
        () => copy(scene, X),
      );
      assert.is(userRead(scene.cpu, X as Vpn), 0);
      assert.is(scene.cpu.value, COPIED);
      assert.is(readCounters(scene.cpu.memory).userfaults, 3);
    });
  });

  test(`${name}: an answer with dontWake leaves the task asleep until the wake`, () => {
    withUserfault({ mode: MISSING, policy }, (scene) => {
      scene.whenAsleep.push(
        () => assert.is(userfaultfd_copy(scene.handler, scene.ctx, X, 1, COPIED, { dontWake: true }), 1),
        () => assert.is(userfaultfd_wake(scene.handler, scene.ctx, X, 1), 0),
      );
      assert.is(userRead(scene.cpu, X as Vpn), 0);
    });
  });

  test(`${name}: a range unregistered while a fault waits: the page is an ordinary zero page`, () => {
    withUserfault({ mode: MISSING, policy }, (scene) => {
      const { handler, ctx, cpu } = scene;
      scene.whenAsleep.push(() => assert.is(userfaultfd_unregister(handler, ctx, X, 16), 0));
      assert.is(userRead(cpu, X as Vpn), 0);
      assert.is(cpu.value, 0);
    });
  });

  test(`${name}: SIGKILL ends the wait, with nothing held and nobody in the queue`, () => {
    withUserfault({ mode: MISSING, policy }, (scene) => {
      scene.whenAsleep.push(() => send_signal(scene.handler, scene.cpu.id, SIGKILL));
      assert.is(userRead(scene.cpu, X as Vpn), ACCESS_KILLED);
      assert.throws(() => scene.read(), /nothing to read/);
      clearSignals(scene.cpu);
    });
  });

  test(`${name}: any signal ends the wait of a user access, which faults again after the handler of the signal`, () => {
    withUserfault({ mode: MISSING, policy }, (scene) => {
      scene.whenAsleep.push(
        () => send_signal(scene.handler, scene.cpu.id, SIGUSR1),
        () => copy(scene, X),
      );
      assert.is(userRead(scene.cpu, X as Vpn), 0);
      assert.is(readCounters(scene.cpu.memory).faults_signal, 1);
    });
  });

  test(`${name}: GUP sleeps killable: SIGUSR1 does not end its wait, an answer does`, () => {
    withUserfault({ mode: MISSING, policy }, (scene) => {
      const { cpu, mm } = scene;
      scene.whenAsleep.push(
        () => send_signal(scene.handler, cpu.id, SIGUSR1),
        () => copy(scene, X),
      );
      assert.is(processVmRead(cpu, mm, X as Vpn), 0);
      assert.is(cpu.value, COPIED);
      clearSignals(cpu);
    });
  });
}

test('a context closed while a fault waits: the fault starts over and finds an area that is registered no more', () => {
  withUserfault({ mode: MISSING }, (scene) => {
    const { cpu, handler, ctx } = scene;
    // The waiting task has a reference still.
    scene.whenAsleep.push(() => userfaultfd_release(handler, ctx));
    scene.closed = true;
    assert.is(userRead(cpu, X as Vpn), 0);
    assert.is(cpu.value, 0);
    assert.is(readCounters(cpu.memory).userfaults, 1);
  });
});

test('a write through GUP to a protected page waits for the handler, too', () => {
  withUserfault({ mode: WP }, (scene) => {
    protect(scene, WRITTEN_PAGE);
    scene.whenAsleep.push(() => unprotect(scene, WRITTEN_PAGE));
    assert.is(processVmWrite(scene.cpu, scene.mm, WRITTEN_PAGE as Vpn, 1), 0);
  });
});

test('row 36 through GUP: FOLL_NOWAIT comes back at once with nothing done, the lock as it was and nobody asked', () => {
  withUserfault({ mode: MISSING }, (scene) => {
    const { cpu, mm } = scene;
    const pages: Pfn[] = [];
    const lock = { locked: true };
    mmap_read_lock(cpu, mm);
    assert.is(__get_user_pages_locked(cpu, mm, X as Vpn, 1, FOLL_NOWAIT | FOLL_REMOTE, pages, lock), 0);
    assert.equal(lock, { locked: true });
    mmap_read_unlock(cpu, mm);
    assert.equal(pages, []);
    assert.throws(() => scene.read(), /nothing to read/);
  });
});

test('B22: a context closed while GUP waits: GUP has no lock then, so the closing CPU gets mmap_lock, and GUP gets its page', () => {
  withUserfault({ mode: MISSING }, (scene) => {
    const { cpu, mm, handler, ctx } = scene;
    scene.closed = true;
    scene.whenAsleep.push(() => {
      assert.is(heldCount(cpu), 0);
      userfaultfd_release(handler, ctx);
    });
    assert.is(processVmRead(cpu, mm, X as Vpn), 0);
    assert.is(cpu.value, 0);
  });
});

/** What is left pending would end the waits of the checks at the end. */
function clearSignals(cpu: Cpu): void {
  assert.ok(takeSignals(cpu) !== 0);
}

/** Reads X; when the CPU passes the point for the first time, the handler acts. */
function atPoint(policy: FaultPolicy, point: PointName, act: (scene: Scene) => void, sleeps: number): void {
  let scene: Scene | undefined;
  const points = {
    at(passed: number): void {
      if (scene === undefined || passed !== POINT_NAMES.indexOf(point)) return;
      const now = scene;
      scene = undefined;
      act(now);
    },
  };
  withUserfault({ mode: MISSING, policy, points }, (made) => {
    scene = made;
    assert.is(userRead(made.cpu, X as Vpn), 0);
    assert.is(made.cpu.value, COPIED);
    assert.is(made.slept, sleeps);
    assert.is(readCounters(made.cpu.memory).userfaults, 1);
  });
}

/** The gate lets the handler act right before the task first touches the lock of the context. */
function answerBeforeTheQueue(policy: FaultPolicy): void {
  let scene: Scene | undefined;
  const gate: StepGate = {
    step(id, _kind, word) {
      if (scene === undefined || id !== scene.cpu.id || word !== uffdLockWord(scene.cpu.memory, scene.ctx)) return;
      const now = scene;
      scene = undefined;
      copy(now, X);
      assert.is(readCounters(now.cpu.memory).userfault_wakes, 0);
    },
    park: (_cpu, _word: Word) => PARK_WOKEN,
    unpark: () => 0,
  };
  withUserfault({ mode: MISSING, policy, gate }, (made) => {
    scene = made;
    assert.is(userRead(made.cpu, X as Vpn), 0);
    assert.is(made.cpu.value, COPIED);
  });
}

test.run();
