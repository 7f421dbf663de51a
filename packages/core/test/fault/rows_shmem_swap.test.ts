/**
 * Row 46 of the table of results, and what follows it (24, 25): faults on pages of shmem that are in swap. First and later attempts, under the VMA lock
 * and under mmap_lock, with both designs of the VMA lock; the fault keeps its lock over the read. Then what reclaim and everybody else may do meanwhile.
 */
import type { MappingId, Pfn, SwapId, SwpEntry, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import { EIO } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import * as fault from '@faultlab/core/fault/vm_fault';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { setBadBlocks, setErrorRate } from '@faultlab/core/io/error_injection';
import { heldCount } from '@faultlab/core/locking/held_locks';
import { nrpages, pagesRoot } from '@faultlab/core/mm/address_space';
import { folioTest, PG_dirty, PG_swapcache, readStamp } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import * as mman from '@faultlab/core/mm/mman';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { xa_is_value, xa_to_value } from '@faultlab/core/mm/swap_entry';
import { swap_cache_get_folio } from '@faultlab/core/mm/swap_state';
import { swapExtent, swapInUse } from '@faultlab/core/mm/swapfile';
import { xa_load } from '@faultlab/core/mm/xarray';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_read, sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, sys_fallocate, sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { readCounters } from '@faultlab/core/trace/counters';
import * as points from '@faultlab/core/trace/points';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { ATTEMPT_LOCKS, type Attempt, type AttemptLock, attempt, dropped, held } from '../fixtures/attempt.ts';
import { pteOf } from '../fixtures/disk.ts';
import { hog } from '../fixtures/hog.ts';
import { type InSwap, SHMEM_PAGES, type SwapOptions, withShmemSwap } from '../fixtures/shmem.ts';
import { BASE, RWSEM_6_18 } from '../fixtures/with_cpu.ts';

const test = suite('fault/rows_shmem_swap');

const X = BASE;
const REFERENCE = policyByName('linux-6.18');
const DESIGNS: readonly FaultPolicy[] = [REFERENCE, RWSEM_6_18];
const { FAULT_FLAG_TRIED: TRIED, FAULT_FLAG_WRITE: WRITE, VM_FAULT_MAJOR: MAJOR } = fault;
const READ = 0;
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const AREA = 0 as SwapId;
const DEVICE = 0 as DeviceId;

/** LOCKED is left over in results, and means nothing. */
const shown = ({ result, lock }: Attempt): Attempt => ({ result: result & ~fault.VM_FAULT_LOCKED, lock });
const eachAttempt = (body: (lock: AttemptLock, tried: number) => void): void => {
  for (const lock of ATTEMPT_LOCKS) for (const tried of [0, TRIED]) body(lock, tried);
};
const inUse = (cpu: Cpu): number => swapInUse(cpu.memory, AREA);
/** What the file has at the index: the entry, if that is in swap. */
function entryOf(cpu: Cpu, file: MappingId, index: number): SwpEntry {
  const found = xa_load(cpu, pagesRoot(cpu.memory, file), index);
  assert.ok(xa_is_value(found), `page ${index} is not in swap`);
  return xa_to_value(found) as SwpEntry;
}

/** Reads or writes the page of the address space. */
function access(cpu: Cpu, page: number): number {
  assert.is(ACCESS_NAMES[userRead(cpu, (X + page) as Vpn)], 'ok');
  return cpu.value;
}

/** Serves the device when the CPU sleeps, and notes whether it held a lock then. */
function watchSleep({ cpu, serve }: InSwap): { held: boolean; slept: number } {
  const seen = { held: false, slept: 0 };
  cpu.idle = () => {
    seen.held = heldCount(cpu) > 0;
    seen.slept++;
    return serve();
  };
  return seen;
}

for (const policy of DESIGNS) {
  for (const [name, options] of [
    ['a rotational device', { rotational: true }],
    ['a device without seeks', {}],
    ['a synchronous device', { synchronous: true }],
  ] as readonly (readonly [string, SwapOptions])[]) {
    test(`${policy.vmaLock}: row 46: a page in swap on ${name} is read with the fault lock held`, () => {
      eachAttempt((lock, tried) =>
        withShmemSwap(policy, options, (one) => {
          const { cpu, folio, file } = one;
          one.pushOut();
          assert.is(inUse(cpu), SHMEM_PAGES);
          const asleep = watchSleep(one);
          assert.equal(shown(attempt(cpu, X + 1, READ | tried, lock)), held(MAJOR));
          assert.ok(asleep.slept > 0 && asleep.held);
          assert.is(readStamp(cpu, folio(1)), 101);
          assert.equal(
            [PG_dirty, PG_swapcache].map((flag) => folioTest(cpu, folio(1), flag)),
            [true, false],
          );
          assert.is(inUse(cpu), SHMEM_PAGES - 1);
          assert.is(nrpages(cpu.memory, file), 1);
          assert.is(readCounters(cpu.memory).pgmajfault, 1);
        }),
      );
    });
  }

  test(`${policy.vmaLock}: row 24 after row 46: a shared write to a page in swap is completed, and major; later it keeps the lock`, () => {
    eachAttempt((lock, tried) =>
      withShmemSwap(policy, {}, (one) => {
        one.pushOut();
        const expected = tried === 0 ? dropped(fault.VM_FAULT_COMPLETED | MAJOR) : held(MAJOR);
        assert.equal(shown(attempt(one.cpu, X, WRITE | tried, lock)), expected);
      }),
    );
  });

  test(`${policy.vmaLock}: row 46: a page in the swap cache is not read, and not major`, () => {
    eachAttempt((lock, tried) =>
      withShmemSwap(policy, {}, (one) => {
        const { cpu } = one;
        one.pushOut();
        assert.is(sys_madvise(cpu, X + 2, 1, mman.MADV_WILLNEED), 0);
        one.serve();
        assert.equal(shown(attempt(cpu, X + 2, READ | tried, lock)), held(0));
        assert.is(readStamp(cpu, one.folio(2)), 102);
        assert.is(readCounters(cpu.memory).pgmajfault, 0);
      }),
    );
  });

  test(`${policy.vmaLock}: row 46: killed while the read is under way: it goes on waiting`, () => {
    eachAttempt((lock, tried) =>
      withShmemSwap(policy, {}, (one) => {
        const { cpu } = one;
        one.pushOut();
        send_signal(one.other(), cpu.id, SIGKILL);
        assert.equal(shown(attempt(cpu, X, READ | tried, lock)), held(MAJOR));
        takeSignals(cpu);
      }),
    );
  });

  test(`${policy.vmaLock}: row 46: a page that cannot be read: SIGBUS at once, and from then on, until it is punched out`, () => {
    eachAttempt((lock, tried) =>
      withShmemSwap(policy, {}, (one) => {
        const { cpu, file } = one;
        one.pushOut();
        setBadBlocks(cpu.memory, DEVICE, swapExtent(entryOf(cpu, file, 0)), 0, 100);
        assert.equal(attempt(cpu, X, READ | tried, lock), held(fault.VM_FAULT_SIGBUS));
        setBadBlocks(cpu.memory, DEVICE, 0, 0, 0);
        assert.is(inUse(cpu), SHMEM_PAGES - 1);
        assert.equal(attempt(cpu, X, READ | tried, lock), held(fault.VM_FAULT_SIGBUS));
        assert.is(sys_read(cpu, file, 0), EIO);
        assert.is(sys_write(cpu, file, 0, 1), EIO);
        assert.is(sys_fallocate(cpu, file, PUNCH, 0, 1), 0);
        assert.equal(shown(attempt(cpu, X, READ | tried, lock)), held(0));
        assert.is(readStamp(cpu, one.folio(0)), 0);
      }),
    );
  });
}

for (const name of ['retry-vma', 'hold', 'reacquire', 'split-flags', 'linux-5.7']) {
  test(`${name}: row 46 is what it is under every policy`, () => {
    const policy = policyByName(name);
    for (const lock of policy.vmaLock === 'none' ? (['mmap'] as const) : ATTEMPT_LOCKS) {
      withShmemSwap(policy, {}, (one) => {
        one.pushOut();
        assert.equal(shown(attempt(one.cpu, X, READ, lock)), held(MAJOR));
      });
    }
  });
}

test('row 46: the folio in the swap cache is locked by another CPU', () => {
  eachAttempt((lock, tried) =>
    withShmemSwap(REFERENCE, {}, (one) => {
      const { cpu, file } = one;
      one.pushOut();
      assert.is(sys_madvise(cpu, X, 1, mman.MADV_WILLNEED), 0);
      one.serve();
      const pfn = swap_cache_get_folio(cpu, entryOf(cpu, file, 0));
      folio_lock(one.other(), pfn);
      let asleep = false;
      cpu.idle = () => {
        asleep = heldCount(cpu) > 0;
        folio_unlock(one.other(), pfn);
        return true;
      };
      assert.equal(shown(attempt(cpu, X, READ | tried, lock)), held(0));
      assert.ok(asleep);
      folio_put(cpu, pfn);
    }),
  );
});

test('row 46: the file gets shorter while the page is read (R15, R17): SIGBUS, and the slot is free', () => {
  eachAttempt((lock, tried) =>
    withShmemSwap(REFERENCE, {}, (one) => {
      const { cpu, file } = one;
      one.pushOut();
      one.points.once(points.BEFORE_FOLIO_LOCK, () => assert.is(sys_ftruncate(one.other(), file, 0), 0));
      assert.equal(attempt(cpu, X, READ | tried, lock), held(fault.VM_FAULT_SIGBUS));
      assert.is(one.points.passed, 1);
      while (one.serve());
      squeezeAll(cpu);
      assert.is(inUse(cpu), 0);
    }),
  );
});

test('row 46: the page is punched out while it is read: the fault finds a hole', () => {
  withShmemSwap(REFERENCE, {}, (one) => {
    const { cpu, file } = one;
    one.pushOut();
    one.points.once(points.BEFORE_FOLIO_LOCK, () => assert.is(sys_fallocate(one.other(), file, PUNCH, 0, 1), 0));
    // It was read, although in vain: the fault is major.
    assert.equal(shown(attempt(cpu, X, READ, 'vma')), held(MAJOR));
    assert.is(readStamp(cpu, one.folio(0)), 0);
  });
});

test('row 46: another CPU brings the page back first', () => {
  withShmemSwap(REFERENCE, {}, (one) => {
    const { cpu, file } = one;
    one.pushOut();
    one.other().idle = one.serve;
    one.points.once(points.AFTER_SWAP_LOOKUP, () => assert.is(sys_write(one.other(), file, 0, 7), 1));
    assert.equal(shown(attempt(cpu, X, READ, 'vma')), held(MAJOR));
    assert.is(readStamp(cpu, one.folio(0)), 7);
    assert.is(readCounters(cpu.memory).folio_gone_found_again, 1);
  });
});

test('the page goes to swap between the look and the lock: the fault finds it in the swap cache (R14)', () => {
  withShmemSwap(REFERENCE, {}, (one) => {
    const { cpu, file } = one;
    assert.is(sys_write(cpu, file, 0, 55), 1);
    // The fault's reference keeps the folio from reclaim, so the step is reclaim's own, which had looked before.
    one.points.once(points.BEFORE_FOLIO_LOCK, () => squeezeAll(cpu));
    assert.equal(shown(attempt(cpu, X, READ, 'vma')), held(0));
    assert.is(readStamp(cpu, one.folio(0)), 55);
  });
});

test('row 46: no frame for the page: OOM with the lock held, and the page is still in swap', () => {
  eachAttempt((lock, tried) =>
    withShmemSwap(REFERENCE, {}, (one) => {
      const { cpu, file } = one;
      one.pushOut();
      const giveBack = hog(cpu, 'frames', 0);
      assert.equal(attempt(cpu, X, WRITE | tried, lock), held(fault.VM_FAULT_OOM));
      giveBack();
      assert.is(inUse(cpu), SHMEM_PAGES);
      assert.is(sys_read(cpu, file, 0), 1);
      assert.is(cpu.value, 100);
    }),
  );
});

// --- reclaim ------------------------------------------------------------------------------------------------------------------------------
const whole = (options: SwapOptions, body: (one: InSwap) => void): void => withShmemSwap(REFERENCE, { ...options, direct: false }, body);

test('mapped pages go out through madvise and come back with what was written', () => {
  whole({}, ({ cpu, file, serve }) => {
    for (let page = 0; page < SHMEM_PAGES; page++) assert.is(userWrite(cpu, (X + page) as Vpn, 20 + page), 0);
    assert.is(sys_madvise(cpu, X, SHMEM_PAGES, mman.MADV_PAGEOUT), 0);
    while (serve());
    assert.equal(
      [0, 1, 2, 3].map((page) => pteOf(cpu, X + page)),
      [0, 0, 0, 0],
    );
    assert.is(nrpages(cpu.memory, file), 0);
    assert.is(readCounters(cpu.memory).pswpout, SHMEM_PAGES);
    assert.equal(
      [0, 1, 2, 3].map((page) => access(cpu, page)),
      [20, 21, 22, 23],
    );
    squeezeAll(cpu);
    assert.equal(
      [0, 1, 2, 3].map((page) => access(cpu, page)),
      [20, 21, 22, 23],
    );
    assert.is(inUse(cpu), 0);
  });
});

test('a page that two areas map stays for madvise, and goes when everything is squeezed', () => {
  whole({}, ({ cpu, file }) => {
    assert.is(sys_mmap(cpu, X + 0x100, 1, mman.PROT_READ, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), X + 0x100);
    assert.is(userWrite(cpu, X as Vpn, 9), 0);
    assert.is(userRead(cpu, (X + 0x100) as Vpn), 0);
    assert.is(sys_madvise(cpu, X, 1, mman.MADV_PAGEOUT), 0);
    assert.is(nrpages(cpu.memory, file), 1);
    squeezeAll(cpu);
    assert.is(nrpages(cpu.memory, file), 0);
    assert.is(userRead(cpu, (X + 0x100) as Vpn), 0);
    assert.is(cpu.value, 9);
    assert.is(sys_munmap(cpu, X + 0x100, 1), 0);
  });
});

test('a page that was only read is dropped: it is a hole again', () => {
  whole({}, ({ cpu, file }) => {
    assert.is(access(cpu, 0), 0);
    squeezeAll(cpu);
    assert.equal([nrpages(cpu.memory, file), inUse(cpu), pteOf(cpu, X)], [0, 0, 0]);
    assert.is(access(cpu, 0), 0);
  });
});

test('swap space is out: the page stays, dirty', () => {
  whole({ slots: 3 }, (one) => {
    const { cpu, file } = one;
    for (let page = 0; page < SHMEM_PAGES; page++) assert.is(sys_write(cpu, file, page, 30 + page), 1);
    squeezeAll(cpu);
    assert.equal([nrpages(cpu.memory, file), inUse(cpu)], [2, 2]);
    assert.equal(
      [2, 3].map((page) => folioTest(cpu, one.folio(page), PG_dirty)),
      [true, true],
    );
    assert.equal(
      [0, 1, 2, 3].map((page) => access(cpu, page)),
      [30, 31, 32, 33],
    );
  });
});

test('a page that cannot be written stays dirty in the swap cache, and is not lost', () => {
  whole({}, (one) => {
    const { cpu, file } = one;
    assert.is(sys_write(cpu, file, 0, 66), 1);
    setErrorRate(cpu.memory, DEVICE, 1, 1);
    squeezeAll(cpu);
    setErrorRate(cpu.memory, DEVICE, 0, 1);
    assert.is(access(cpu, 0), 66);
  });
});

test('truncation, punching and the end of a file give slots back', () => {
  whole({}, (one) => {
    const { cpu, file } = one;
    one.pushOut();
    assert.is(sys_fallocate(cpu, file, PUNCH, 1, 1), 0);
    assert.is(inUse(cpu), SHMEM_PAGES - 1);
    assert.is(sys_ftruncate(cpu, file, 1), 0);
    assert.is(inUse(cpu), 1);
    assert.is(access(cpu, 0), 100);
    const anonymous = mman.MAP_SHARED | mman.MAP_ANONYMOUS | mman.MAP_FIXED;
    assert.is(sys_mmap(cpu, X + 0x100, 4, mman.PROT_READ | mman.PROT_WRITE, anonymous, NO_MAPPING, 0), X + 0x100);
    for (let page = 0; page < 4; page++) assert.is(userWrite(cpu, (X + 0x100 + page) as Vpn, 40 + page), 0);
    squeezeAll(cpu);
    assert.is(inUse(cpu), 5);
    assert.is(sys_munmap(cpu, X + 0x100, 4), 0);
    assert.is(inUse(cpu), 1);
  });
});

test('read and write of the file bring pages back', () => {
  whole({}, (one) => {
    const { cpu, file } = one;
    one.pushOut();
    assert.is(sys_read(cpu, file, 2), 1);
    assert.is(cpu.value, 102);
    assert.is(sys_write(cpu, file, 3, 5), 1);
    assert.is(access(cpu, 3), 5);
    assert.is(readCounters(cpu.memory).pgmajfault, 0, 'only faults count as major faults');
  });
});

test('by slot: neighbours are read along, and count as hits', () => {
  whole({ rotational: true }, (one) => {
    const { cpu } = one;
    one.pushOut();
    for (let page = 0; page < SHMEM_PAGES; page++) assert.is(access(cpu, page), 100 + page);
    const { swap_ra, swap_ra_hit, pswpin } = readCounters(cpu.memory);
    assert.is(pswpin, SHMEM_PAGES);
    assert.ok(swap_ra > 0 && swap_ra_hit > 0, `${swap_ra} read ahead, ${swap_ra_hit} hits`);
  });
});

test('forked address spaces find the page that went to swap', () => {
  whole({}, (one) => {
    const { cpu } = one;
    assert.is(userWrite(cpu, X as Vpn, 8), 0);
    const child = one.fork();
    squeezeAll(cpu);
    assert.is(access(cpu, 0), 8);
    assert.ok(child > 0);
    const pfn: Pfn = one.folio(0);
    assert.is(readStamp(cpu, pfn), 8);
  });
});

test.run();
