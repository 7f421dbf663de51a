/** Who goes round for another task lets that task have a core. One thread: what the other does, it does when the first sleeps. */
import type { UffdId, Vpn } from '@faultlab/core/base/brand';
import { FOLL_REMOTE, FOLL_UNLOCKABLE } from '@faultlab/core/fault/foll_flags';
import { __get_user_pages_locked } from '@faultlab/core/fault/gup';
import { heldCount } from '@faultlab/core/locking/held_locks';
import { PC_WAIT_KIND, WAIT_RESCHED } from '@faultlab/core/memory/percpu';
import { folio_trylock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { migrateToDevice } from '@faultlab/core/mm/migrate_device';
import { setUffdReleased } from '@faultlab/core/mm/userfaultfd_ctx';
import { policyByName } from '@faultlab/core/policy/policies';
import { cond_resched, ROUNDS_FREE } from '@faultlab/core/sched/cond_resched';
import { __set_current_state_running } from '@faultlab/core/sched/task';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import { UFFDIO_REGISTER_MODE_MISSING, userfaultfd_register } from '@faultlab/core/syscalls/userfaultfd_register';
import { userRead } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { PAGES, pfnAt, readsAs, type Scene, scene, WRITTEN, X } from '../fixtures/special.ts';

const test = suite('sched/cond_resched');

/** Each sleep ends at once, as if its tick had passed. @returns what the CPU has slept for, so far */
function sleeps({ cpu }: Scene, meanwhile: (times: number) => void = () => {}): number[] {
  const kinds: number[] = [];
  cpu.idle = () => {
    kinds.push(cpu.words[cpu.percpu + PC_WAIT_KIND] as number);
    meanwhile(kinds.length);
    __set_current_state_running(cpu);
    return true;
  };
  return kinds;
}

test('the first rounds are free, and each after them sleeps', () => {
  scene(policyByName('linux-6.18'), (one) => {
    const kinds = sleeps(one);
    for (let round = 1; round <= ROUNDS_FREE + 2; round++) {
      cond_resched(one.cpu, round);
      assert.is(kinds.length, Math.max(0, round - ROUNDS_FREE), `round ${round}`);
    }
  });
});

test('GUP on a page that another CPU is about to move: free rounds, then a tick for the mover, with mmap_lock held all the while', () => {
  scene(policyByName('linux-6.18'), (one) => {
    const { cpu, mm, second } = one;
    assert.is(migrateToDevice(cpu, mm, X as Vpn), 0);
    const pfn = pfnAt(cpu, X);
    assert.ok(folio_trylock(second, pfn), 'the mover has locked the page; now its thread loses its core');
    let tries = 0;
    const kinds = sleeps(one, (times) => {
      if (times === 1) tries = one.counted('device_private_faults');
      if (times === 2) folio_unlock(second, pfn);
    });
    const lock = { locked: false };
    assert.is(__get_user_pages_locked(cpu, mm, X as Vpn, 1, FOLL_REMOTE | FOLL_UNLOCKABLE, null, lock), 1);
    assert.is(tries, ROUNDS_FREE);
    assert.ok(kinds.length >= 2);
    assert.equal([...new Set(kinds)], [WAIT_RESCHED]);
    assert.is(readsAs(cpu, X), WRITTEN);
  });
});

test('a fault on a userfaultfd that is being closed: free rounds, then ticks for the closing CPU, until the area is off the context', () => {
  scene(policyByName('linux-6.18'), (one) => {
    const { cpu, second } = one;
    const page = (X + 3) as Vpn;
    const ctx = sys_userfaultfd(cpu) as UffdId;
    assert.is(userfaultfd_register(cpu, ctx, X, PAGES, UFFDIO_REGISTER_MODE_MISSING), 0);
    setUffdReleased(second, ctx); // The first step of a close; now its thread loses its core.
    const ticks = 900;
    const kinds = sleeps(one, (times) => {
      assert.is(heldCount(cpu), 0, 'nobody may be kept from mmap_lock');
      if (times === ticks) userfaultfd_release(second, ctx);
    });
    assert.is(userRead(cpu, page), 0);
    assert.is(cpu.value, 0);
    assert.is(kinds.length, ticks);
    assert.equal([...new Set(kinds)], [WAIT_RESCHED]);
    assert.is(one.counted('userfaults'), 1 + ROUNDS_FREE + ticks, 'one under the VMA lock, the others under mmap_lock');
  });
});

test.run();
