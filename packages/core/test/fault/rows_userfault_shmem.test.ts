/**
 * Rows 29, 36 and 37 in shmem: missing pages, pages that the file has but nobody has mapped (minor), and write protection that outlives the entries.
 * The handler runs on the same thread, when the CPU would sleep.
 */
import type { MappingId, Pte, UffdId, Vpn } from '@faultlab/core/base/brand';
import { NO_UFFD } from '@faultlab/core/base/brand';
import { EEXIST, EFAULT, EINVAL } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { FAULT_FLAG_TRIED, FAULT_FLAG_WRITE, VM_FAULT_RETRY, VM_FAULT_SIGBUS } from '@faultlab/core/fault/vm_fault';
import { closeFile } from '@faultlab/core/io/file';
import { createFile, FILE_SHMEM } from '@faultlab/core/mm/address_space';
import { MADV_DONTNEED, MAP_FIXED, MAP_PRIVATE, MAP_SHARED } from '@faultlab/core/mm/mman';
import { pte_none, pte_uffd_wp } from '@faultlab/core/mm/pte';
import { make_pte_marker, PTE_MARKER_UFFD_WP } from '@faultlab/core/mm/swap_entry';
import { UFFD_FEATURE_SIGBUS } from '@faultlab/core/mm/userfaultfd_ctx';
import { UFFD_PAGEFAULT_FLAG_MINOR, UFFD_PAGEFAULT_FLAG_WP, UFFD_PAGEFAULT_FLAG_WRITE } from '@faultlab/core/mm/userfaultfd_wait';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import {
  userfaultfd_continue,
  userfaultfd_copy,
  userfaultfd_wake,
  userfaultfd_writeprotect,
  userfaultfd_zeropage,
} from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { userfaultfd_ctx_read } from '@faultlab/core/syscalls/userfaultfd_read';
import {
  UFFDIO_REGISTER_MODE_MINOR as MINOR,
  UFFDIO_REGISTER_MODE_MISSING as MISSING,
  userfaultfd_register,
  UFFDIO_REGISTER_MODE_WP as WP,
} from '@faultlab/core/syscalls/userfaultfd_register';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { ATTEMPT_LOCKS, type AttemptLock, attempt, dropped, held } from '../fixtures/attempt.ts';
import { pteOf, RW, X } from '../fixtures/userfault.ts';
import { ALL_POLICIES, RWSEM_6_18, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('fault/rows_userfault_shmem');
const PAGES = 4;
/** Another mapping of the file, not registered. */
const PLAIN = X + 64;
const DESIGNS: readonly FaultPolicy[] = [policyByName('linux-6.18'), RWSEM_6_18];

interface OnShmem {
  readonly cpu: Cpu;
  readonly handler: Cpu;
  readonly ctx: UffdId;
  readonly file: MappingId;
  /** The oldest question's flags. */
  ask(): number;
  readonly whenAsleep: (() => void)[];
}

interface Options {
  readonly mode: number;
  readonly sharing?: number;
  readonly policy?: FaultPolicy;
  readonly features?: number;
  readonly direct?: boolean;
}

/** A file of four pages, mapped and registered at X and mapped plainly at PLAIN; its page 1 has been written. */
function onShmem({ mode, sharing = MAP_SHARED, features, ...options }: Options, body: (scene: OnShmem) => void): void {
  withCpu(options, ({ cpu, other }) => {
    const file = createFile(cpu, { pages: PAGES, kind: FILE_SHMEM });
    assert.is(sys_mmap(cpu, X, PAGES, RW, sharing | MAP_FIXED, file, 0), X);
    assert.is(sys_mmap(cpu, PLAIN, PAGES, RW, MAP_SHARED | MAP_FIXED, file, 0), PLAIN);
    assert.is(userWrite(cpu, (PLAIN + 1) as Vpn, 41), 0);
    const ctx = sys_userfaultfd(cpu, features) as UffdId;
    assert.is(userfaultfd_register(cpu, ctx, X, PAGES, mode), 0);
    const handler = other();
    const whenAsleep: (() => void)[] = [];
    cpu.idle = () => {
      const act = whenAsleep.shift();
      if (act === undefined) throw new Error('the CPU sleeps once too often');
      act();
      return true;
    };
    const ask = (): number => {
      const message = userfaultfd_ctx_read(handler, ctx, 0);
      if (typeof message === 'number') throw new Error('there is nothing to read');
      return message.flags;
    };
    body({ cpu, handler, ctx, file, ask, whenAsleep });
    assert.is(whenAsleep.length, 0, 'the CPU did not sleep as often as it should');
    userfaultfd_release(cpu, ctx);
    sys_munmap(cpu, X, PAGES);
    sys_munmap(cpu, PLAIN, PAGES);
    closeFile(cpu, file);
  });
}

const possible = (policy: FaultPolicy, lock: AttemptLock): boolean =>
  lock === 'mmap' || (policy.vmaLock !== 'none' && policy.vmaLockUserfault && policy.vmaLockFile === 'yes');

for (const { row, mode, page, flags, before } of [
  { row: 'row 36: read of a hole', mode: MISSING, page: X, flags: 0, before: null },
  { row: 'row 36: write to a hole', mode: MISSING, page: X, flags: FAULT_FLAG_WRITE, before: null },
  { row: 'row 36: a page that the file has (minor)', mode: MINOR, page: X + 1, flags: 0, before: null },
  { row: 'row 29: write to a protected page', mode: WP, page: X + 1, flags: FAULT_FLAG_WRITE, before: userfaultfd_writeprotect },
] as const) {
  for (const [attempted, tried] of [
    ['First', 0],
    ['Later', FAULT_FLAG_TRIED],
  ] as const) {
    test(`${row}, ${attempted}: plain RETRY and no lock, under every policy`, () => {
      for (const policy of ALL_POLICIES) {
        for (const lock of ATTEMPT_LOCKS.filter((lock) => possible(policy, lock))) {
          onShmem({ mode, policy, direct: true }, ({ cpu, handler, ctx, whenAsleep }) => {
            if (before !== null) {
              assert.is(userRead(cpu, page as Vpn), 0);
              assert.is(before(handler, ctx, page, 1, true), 0);
            }
            whenAsleep.push(() => userfaultfd_wake(handler, ctx, page, 1));
            assert.equal(attempt(cpu, page, flags | tried, lock), dropped(VM_FAULT_RETRY), `${policy.name} ${lock}`);
          });
        }
      }
    });
  }
}

for (const lock of ATTEMPT_LOCKS) {
  test(`row 37: a context in SIGBUS mode, under the ${lock} lock`, () => {
    for (const policy of DESIGNS) {
      onShmem({ mode: MISSING | MINOR, features: UFFD_FEATURE_SIGBUS, policy, direct: true }, ({ cpu, ctx }) => {
        assert.is.not(ctx, NO_UFFD);
        assert.equal(attempt(cpu, X, 0, lock), held(VM_FAULT_SIGBUS));
        assert.equal(attempt(cpu, X + 1, 0, lock), held(VM_FAULT_SIGBUS));
      });
    }
  });
}

test('a copy makes a page of the file, which every mapping sees', () => {
  onShmem({ mode: MISSING }, ({ cpu, handler, ctx, ask, whenAsleep }) => {
    whenAsleep.push(() => {
      assert.is(ask(), UFFD_PAGEFAULT_FLAG_WRITE);
      assert.is(userfaultfd_copy(handler, ctx, X, 1, 7), 1);
    });
    assert.is(userWrite(cpu, X as Vpn, 8), 0);
    assert.is(userRead(cpu, PLAIN as Vpn), 0);
    assert.is(cpu.value, 8);
    assert.is(userRead(cpu, (X + 1) as Vpn), 0, 'a page that the file has is no missing page');
    assert.is(cpu.value, 41);
    assert.is(userfaultfd_copy(handler, ctx, X + 1, 1, 7), EEXIST);
    assert.is(userfaultfd_zeropage(handler, ctx, X + 2, 1), 1);
    assert.is(userRead(cpu, (PLAIN + 2) as Vpn), 0);
    assert.is(cpu.value, 0);
  });
});

test('a private mapping: a copy is a page of its own, and the file keeps its hole', () => {
  onShmem({ mode: MISSING, sharing: MAP_PRIVATE }, ({ cpu, handler, ctx, whenAsleep }) => {
    whenAsleep.push(() => assert.is(userfaultfd_copy(handler, ctx, X, 1, 7), 1));
    assert.is(userRead(cpu, X as Vpn), 0);
    assert.is(cpu.value, 7);
    assert.is(userRead(cpu, PLAIN as Vpn), 0);
    assert.is(cpu.value, 0);
    // A write to a hole: the file needs a page before it can be copied.
    whenAsleep.push(() => assert.is(userfaultfd_copy(handler, ctx, X + 2, 1, 9), 1));
    assert.is(userWrite(cpu, (X + 2) as Vpn, 5), 0);
  });
});

test('minor: the handler is asked about the page that is there, and maps it', () => {
  onShmem({ mode: MINOR }, ({ cpu, handler, ctx, ask, whenAsleep }) => {
    assert.is(userfaultfd_continue(handler, ctx, X, 1), EFAULT, 'the file has no page there');
    whenAsleep.push(() => {
      assert.is(ask(), UFFD_PAGEFAULT_FLAG_MINOR);
      assert.is(userfaultfd_continue(handler, ctx, X + 1, 1), 1);
    });
    assert.is(userRead(cpu, (X + 1) as Vpn), 0);
    assert.is(cpu.value, 41);
    assert.is(userfaultfd_continue(handler, ctx, X + 1, 1), EEXIST);
    assert.is(userRead(cpu, X as Vpn), 0, 'a hole is no minor fault');
  });
});

test('behind the end of the file: SIGBUS for the access, EFAULT for the answer, and nothing is left in the page cache', () => {
  onShmem({ mode: MISSING | MINOR }, ({ cpu, handler, ctx, file }) => {
    assert.is(sys_mmap(cpu, X + 32, PAGES * 2, RW, MAP_SHARED | MAP_FIXED, file, 0), X + 32);
    assert.is(userfaultfd_register(cpu, ctx, X + 32, PAGES * 2, MISSING | MINOR), 0);
    assert.is(userfaultfd_copy(handler, ctx, X + 32 + PAGES, 1, 7), EFAULT);
    assert.is(userfaultfd_continue(handler, ctx, X + 32 + PAGES, 1), EFAULT);
    assert.is(userRead(cpu, (X + 32 + PAGES) as Vpn), 3);
    sys_munmap(cpu, X + 32, PAGES * 2);
  });
});

test('write protection outlives the entry: DONTNEED leaves a marker, and the page comes back protected', () => {
  onShmem({ mode: WP }, ({ cpu, handler, ctx, ask, whenAsleep }) => {
    assert.is(userRead(cpu, (X + 1) as Vpn), 0);
    assert.is(userfaultfd_writeprotect(handler, ctx, X, PAGES, true), 0);
    assert.is(pteOf(cpu, X), make_pte_marker(PTE_MARKER_UFFD_WP), 'holes are protected, too');
    assert.is(sys_madvise(cpu, X, PAGES, MADV_DONTNEED), 0);
    assert.is(pteOf(cpu, X + 1), make_pte_marker(PTE_MARKER_UFFD_WP));
    assert.is(userRead(cpu, (X + 1) as Vpn), 0);
    assert.is(cpu.value, 41);
    assert.ok(pte_uffd_wp(pteOf(cpu, X + 1) as Pte));
    for (const page of [X + 1, X]) {
      whenAsleep.push(() => {
        assert.is(ask(), UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
        assert.is(userfaultfd_writeprotect(handler, ctx, page, 1, false), 0);
      });
      assert.is(userWrite(cpu, page as Vpn, 6), 0);
    }
    assert.is(userfaultfd_writeprotect(handler, ctx, X, PAGES, false), 0);
    assert.ok(pte_none(pteOf(cpu, X + 3) as Pte), 'the marker of a page that nobody touched goes');
  });
});

test('a marker in an area that is registered no more means nothing', () => {
  onShmem({ mode: WP }, ({ cpu, handler, ctx }) => {
    assert.is(userfaultfd_writeprotect(handler, ctx, X, PAGES, true), 0);
    assert.is(userfaultfd_register(cpu, ctx, X, PAGES, MINOR), 0, 'another mode: the markers stay');
    assert.is(userWrite(cpu, X as Vpn, 6), 0);
    assert.is(userfaultfd_copy(handler, ctx, X + 2, 1, 1, { wp: true }), EINVAL);
  });
});

test.run();
