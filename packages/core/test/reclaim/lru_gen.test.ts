/** Generations instead of two lists: what ages, what goes, what an mmap_lock that cannot be had does, and what aging does to a writer. One thread. */
import type { MmId, Vpn } from '@faultlab/core/base/brand';
import { UsageError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { heldMode, MODE_READ } from '@faultlab/core/locking/held_locks';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { down_write_trylock, up_write } from '@faultlab/core/locking/rwsem';
import { atomic_set } from '@faultlab/core/memory/atomic';
import { NO_FOLIO } from '@faultlab/core/mm/folio';
import { lru_add_drain } from '@faultlab/core/mm/folio_add_lru';
import { genList, lruSize } from '@faultlab/core/mm/lru';
import {
  agingWord,
  folio_inc_gen,
  folio_lru_gen,
  GEN_ANON,
  GEN_FILE,
  type GenType,
  lru_gen_from_seq,
  max_seq,
  min_seq,
} from '@faultlab/core/mm/lru_gen';
import { memcgUsage } from '@faultlab/core/mm/memcg';
import { mmapLockWord, set_mm_memcg } from '@faultlab/core/mm/mm_struct';
import { mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import { PTE_YOUNG } from '@faultlab/core/mm/pte';
import { flush_tlb_range } from '@faultlab/core/mm/tlb';
import { SYSCTL_MEMCG, setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { readVmstatStates } from '@faultlab/core/mm/vmstat_state';
import { kswapdStep } from '@faultlab/core/reclaim/kswapd';
import { try_to_inc_max_seq } from '@faultlab/core/reclaim/lru_gen_age';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import { try_to_free_pages } from '@faultlab/core/reclaim/try_to_free_pages';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { IN_LRU_GEN_WALK } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { AtPoint, cachedFolio, type OnDisk, pteOf } from '../fixtures/disk.ts';
import { counter, mapAnonymous, mapFile, type ReclaimOptions, readPages, withReclaim } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('reclaim/lru_gen');
const CGROUP = SYSCTL_MEMCG;

/** @param bits of the switch: 3 with walks, 1 without */
const withGenerations = (options: ReclaimOptions, body: (one: OnDisk) => void, bits = 3): void =>
  withReclaim({ ...options, sysctl: { lruGen: bits, ...options.sysctl } }, body);

const isSound = (cpu: Cpu): void => {
  rcu_barrier(cpu);
  assert.equal(sweep(cpu), []);
};
const isYoung = (cpu: Cpu, page: number): boolean => (pteOf(cpu, BASE + page) & PTE_YOUNG) !== 0;
const isThere = (cpu: Cpu, page: number): boolean => pteOf(cpu, BASE + page) !== 0;
/** The next use of a page goes through its entry, and leaves a mark there. */
const forget = (cpu: Cpu, pages: number): void => flush_tlb_range(cpu, cpu.mm, BASE as Vpn, (BASE + pages) as Vpn);
const age = (cpu: Cpu): boolean => try_to_inc_max_seq(cpu, CGROUP, max_seq(cpu, CGROUP));
/** Pages of each generation, oldest first. */
const generations = (cpu: Cpu, type: GenType): number[] => {
  const pages: number[] = [];
  for (let seq = min_seq(cpu, CGROUP, type); seq <= max_seq(cpu, CGROUP); seq++)
    pages.push(lruSize(cpu.memory, CGROUP, genList(lru_gen_from_seq(seq), type)));
  return pages;
};

test('pages that a fault brings are young, those of read(2) are of the oldest generation, and anonymous ones are in between', () => {
  withGenerations({ pages: 8 }, ({ cpu, file }) => {
    mapFile(cpu, file, 3);
    readPages(cpu, BASE, 3);
    for (let page = 3; page < 5; page++) sys_read(cpu, file, page);
    mapAnonymous(cpu, 2, BASE + 0x1000);
    for (let page = 0; page < 2; page++) userWrite(cpu, (BASE + 0x1000 + page) as Vpn, 5);
    lru_add_drain(cpu);
    assert.equal(generations(cpu, GEN_FILE), [2, 0, 3, 0]);
    assert.equal(generations(cpu, GEN_ANON), [0, 0, 2, 0]);
    const { nr_active_file, nr_inactive_file, nr_active_anon } = readVmstatStates(cpu.memory);
    assert.equal([nr_active_file, nr_inactive_file, nr_active_anon], [3, 2, 2]);
    isSound(cpu);
    sys_munmap(cpu, BASE, 3);
    sys_munmap(cpu, BASE + 0x1000, 2);
  });
});

test('aging takes the marks of use away, says that their pages are young, and begins a generation; lists follow later', () => {
  withGenerations({ pages: 4 }, ({ cpu, file }) => {
    mapFile(cpu, file, 4);
    readPages(cpu, BASE, 4);
    lru_add_drain(cpu);
    const [seq] = [max_seq(cpu, CGROUP)];
    assert.ok(isYoung(cpu, 0));
    assert.ok(age(cpu));
    assert.is(max_seq(cpu, CGROUP), seq + 1);
    assert.equal([isYoung(cpu, 0), isYoung(cpu, 3)], [false, false]);
    assert.is(folio_lru_gen(cpu, cachedFolio(cpu, file, 0)), lru_gen_from_seq(seq), 'the youngest when the walk began');
    assert.equal(counter(cpu, 'lru_gen_young'), 4);
    assert.equal([counter(cpu, 'lru_gen_aged'), counter(cpu, 'lru_gen_mm_walked'), counter(cpu, 'lru_gen_mm_skipped')], [1, 1, 0]);
    assert.ok(age(cpu));
    assert.is(counter(cpu, 'lru_gen_young'), 4, 'nobody has used them since');
    isSound(cpu);
    sys_munmap(cpu, BASE, 4);
  });
});

test('the oldest generation goes first, and a page that was used after aging stays', () => {
  withGenerations({ pages: 6 }, ({ cpu, file }) => {
    mapFile(cpu, file, 6);
    readPages(cpu, BASE, 3);
    lru_add_drain(cpu);
    age(cpu);
    readPages(cpu, BASE + 3, 3);
    lru_add_drain(cpu);
    forget(cpu, 6);
    assert.is(userRead(cpu, (BASE + 1) as Vpn), 0);
    assert.ok(isYoung(cpu, 1), 'the fixture does what it says');
    age(cpu);
    assert.equal(try_to_free_pages(cpu, CGROUP, 2), 2);
    assert.equal(
      [0, 1, 2, 3, 4, 5].map((page) => isThere(cpu, page)),
      [false, true, false, true, true, true],
    );
    assert.ok(counter(cpu, 'lru_gen_sorted') >= 1, 'page 1 was on the old list still');
    isSound(cpu);
    sys_munmap(cpu, BASE, 6);
  });
});

test('without walks (1) what was used is found when its turn comes, and stays as well', () => {
  withGenerations(
    { pages: 6 },
    ({ cpu, file }) => {
      mapFile(cpu, file, 6);
      readPages(cpu, BASE, 6);
      lru_add_drain(cpu);
      age(cpu);
      age(cpu);
      assert.ok(isYoung(cpu, 0), 'nobody has looked');
      assert.equal([counter(cpu, 'lru_gen_mm_walked'), counter(cpu, 'lru_gen_young')], [0, 0]);
      assert.ok(try_to_free_pages(cpu, CGROUP, 2) >= 2, 'marks go with the first look, pages with a later one');
      isSound(cpu);
      sys_munmap(cpu, BASE, 6);
    },
    1,
  );
});

test('a process whose mmap_lock cannot be had is passed over and counted; its marks stay, and the generation begins all the same', () => {
  withGenerations({ pages: 2 }, ({ cpu, mm, file, other }) => {
    mapFile(cpu, file, 2);
    readPages(cpu, BASE, 2);
    lru_add_drain(cpu);
    const writer = other();
    mmap_write_lock(writer, mm);
    assert.ok(age(cpu));
    mmap_write_unlock(writer, mm);
    assert.equal([counter(cpu, 'lru_gen_mm_skipped'), counter(cpu, 'lru_gen_mm_walked'), counter(cpu, 'mmap_trylock_failed')], [1, 0, 1]);
    assert.ok(isYoung(cpu, 0) && isYoung(cpu, 1));
    sys_munmap(cpu, BASE, 2);
  });
});

test('the process whose lock the reclaiming task has itself is passed over without a try, if it is for writing, and walked if it is for reading', () => {
  withGenerations({ pages: 2 }, ({ cpu, mm, file }) => {
    mapFile(cpu, file, 2);
    readPages(cpu, BASE, 2);
    mmap_write_lock(cpu, mm);
    assert.ok(age(cpu));
    mmap_write_unlock(cpu, mm);
    assert.equal([counter(cpu, 'lru_gen_mm_skipped'), counter(cpu, 'mmap_trylock_failed')], [1, 0]);
    assert.ok(isYoung(cpu, 0));
    mmap_read_lock(cpu, mm);
    assert.ok(age(cpu));
    assert.is(heldMode(cpu, mmapLockWord(cpu.memory, mm)), MODE_READ, 'and has it still');
    mmap_read_unlock(cpu, mm);
    assert.equal([counter(cpu, 'lru_gen_mm_walked'), isYoung(cpu, 0)], [1, false]);
    sys_munmap(cpu, BASE, 2);
  });
});

test('as long as aging walks, no writer gets the lock', () => {
  const points = new AtPoint();
  withGenerations({ pages: 2, points }, ({ cpu, mm, file, other }) => {
    mapFile(cpu, file, 2);
    readPages(cpu, BASE, 2);
    const writer = other();
    const lock = mmapLockWord(cpu.memory, mm);
    const tryIt = (): boolean => {
      const got = down_write_trylock(writer, lock);
      if (got) up_write(writer, lock);
      return got;
    };
    let during: boolean | undefined;
    points.once(IN_LRU_GEN_WALK, () => {
      during = tryIt();
    });
    assert.ok(tryIt(), 'free before');
    age(cpu);
    assert.equal([during, tryIt()], [false, true]);
    sys_munmap(cpu, BASE, 2);
  });
});

test('a cgroup is aged by one CPU at a time, and once for what was decided once', () => {
  withGenerations({}, ({ cpu }) => {
    const seq = max_seq(cpu, CGROUP);
    atomic_set(cpu, agingWord(cpu.memory, CGROUP), 2);
    assert.not(try_to_inc_max_seq(cpu, CGROUP, seq), 'another CPU is at it');
    atomic_set(cpu, agingWord(cpu.memory, CGROUP), 0);
    assert.ok(try_to_inc_max_seq(cpu, CGROUP, seq));
    assert.not(try_to_inc_max_seq(cpu, CGROUP, seq), 'somebody has done it');
    assert.is(max_seq(cpu, CGROUP), seq + 1);
  });
});

test('pages of another cgroup keep their marks: the walk of their own will ask for them', () => {
  withGenerations({ pages: 2 }, ({ cpu, mm, file, fork, exit }) => {
    mapFile(cpu, file, 2);
    readPages(cpu, BASE, 2);
    lru_add_drain(cpu);
    set_mm_memcg(cpu.memory, mm, 2);
    assert.ok(try_to_inc_max_seq(cpu, 2, max_seq(cpu, 2)));
    assert.equal([counter(cpu, 'lru_gen_mm_walked'), isYoung(cpu, 0)], [1, true]);
    set_mm_memcg(cpu.memory, mm, CGROUP);
    const child = fork() as MmId;
    age(cpu);
    assert.is(counter(cpu, 'lru_gen_mm_walked'), 3, 'every process of the cgroup');
    exit(child);
    sys_munmap(cpu, BASE, 2);
  });
});

test('a page found young while its generation is joined with the next keeps the younger one', () => {
  withGenerations({ pages: 2 }, ({ cpu, file }) => {
    sys_read(cpu, file, 0);
    lru_add_drain(cpu);
    const pfn = cachedFolio(cpu, file, 0);
    const gen = folio_lru_gen(cpu, pfn);
    folio_inc_gen(cpu, pfn, gen, (gen + 1) % 4);
    assert.is(folio_lru_gen(cpu, pfn), (gen + 1) % 4);
    folio_inc_gen(cpu, pfn, gen, (gen + 2) % 4);
    assert.is(folio_lru_gen(cpu, pfn), (gen + 1) % 4, 'it was of another one already');
    for (let round = 0; round < 6; round++) age(cpu);
    isSound(cpu);
    assert.ok(max_seq(cpu, CGROUP) - min_seq(cpu, CGROUP, GEN_FILE) < 4);
  });
});

test('a file larger than the limit, anonymous memory with swap, and kswapd: limits hold, contents too, and everything goes in the end', () => {
  for (const bits of [1, 3]) {
    withGenerations(
      { pages: 64, swap: true, size: { frames: 256 }, sysctl: { memoryMax: 48 } },
      ({ cpu, file }) => {
        mapFile(cpu, file, 64);
        mapAnonymous(cpu, 40, BASE + 0x1000);
        for (let round = 0; round < 2; round++) {
          for (let page = 0; page < 40; page++) {
            const at = (BASE + 0x1000 + page) as Vpn;
            assert.is(userRead(cpu, at), 0);
            assert.is(cpu.value, round === 0 ? 0 : 100 + page, `page ${page} in round ${round}`);
            assert.is(userWrite(cpu, at, 100 + page), 0);
            readPages(cpu, BASE + page, 1);
            assert.ok(memcgUsage(cpu, CGROUP) <= 48);
          }
        }
        assert.ok(counter(cpu, 'pswpin') > 0 && counter(cpu, 'pgsteal_file') > 0 && counter(cpu, 'lru_gen_aged') > 0);
        assert.is(counter(cpu, 'lru_gen_mm_walked') + counter(cpu, 'lru_gen_mm_skipped') > 0, bits === 3);
        isSound(cpu);
        setSysctl(cpu.memory, { watermarkLow: 255, watermarkHigh: 255 });
        assert.ok(kswapdStep(cpu) > 0);
        setSysctl(cpu.memory, { watermarkLow: 0, watermarkHigh: 0 });
        squeezeAll(cpu);
        assert.is(cachedFolio(cpu, file, 0), NO_FOLIO);
        isSound(cpu);
        sys_munmap(cpu, BASE, 64);
        sys_munmap(cpu, BASE + 0x1000, 40);
      },
      bits,
    );
  }
});

test('a page comes back: it is a refault, and active if a fault wants it while generations are there that knew it', () => {
  withGenerations({ pages: 2 }, ({ cpu, file }) => {
    mapFile(cpu, file, 1);
    readPages(cpu, BASE, 1);
    squeezeAll(cpu);
    readPages(cpu, BASE, 1);
    assert.equal([counter(cpu, 'workingset_refault_file'), counter(cpu, 'workingset_activate_file')], [1, 1]);
    squeezeAll(cpu);
    for (let round = 0; round < 4; round++) age(cpu);
    readPages(cpu, BASE, 1);
    assert.equal([counter(cpu, 'workingset_refault_file'), counter(cpu, 'workingset_activate_file')], [2, 1], 'too long ago');
    sys_munmap(cpu, BASE, 1);
  });
});

test('bits of the switch that mean nothing are refused', () => {
  withReclaim({}, ({ cpu }) => {
    for (const wrong of [2, 4, 7, -1, 1.5]) {
      assert.throws(
        () => setSysctl(cpu.memory, { lruGen: wrong }),
        (error: Error) => error instanceof UsageError && /^lruGen is .*, but it must be 0, 1 .* or 3/.test(error.message),
      );
    }
  });
});

test.run();
