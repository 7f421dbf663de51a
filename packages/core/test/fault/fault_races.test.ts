/** Faults against faults, writers and signals, on real threads, with the race forced into its window. Both designs of the VMA lock. */
import type { CpuId, MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MM } from '@faultlab/core/base/brand';
import { PC_SIGPENDING, percpuBase } from '@faultlab/core/memory/percpu';
import { STEP_READ } from '@faultlab/core/memory/step_gate';
import {
  MADV_DONTNEED,
  MADV_POPULATE_READ,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
} from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { SIGKILL, SIGUSR1 } from '@faultlab/core/sched/task';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { layoutText } from '../fixtures/layout.ts';
import { type Stage, type Steered, steer } from '../fixtures/steer.ts';
import { BASE, RWSEM_6_18 } from '../fixtures/with_cpu.ts';

const test = suite('fault/fault_races');

const RW = PROT_READ | PROT_WRITE;
const DESIGNS: readonly FaultPolicy[] = [policyByName('linux-6.18'), RWSEM_6_18];
const X = BASE;
const FAR = BASE + 0x400;
const STACK = BASE + 0x1000;
const WRITTEN = 7;

const map = ({ cpu }: Stage, start: number, pages: number, flags = 0): void => {
  sys_mmap(cpu, start, pages, RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | flags, 0 as never, 0);
};

/** 16 pages of which the first has been written. */
function oneArea(stage: Stage): void {
  map(stage, X, 16);
  userWrite(stage.cpu, X as Vpn, WRITTEN);
}

/** 16 pages that nobody has touched: no anon_vma. */
const untouched = (stage: Stage): void => map(stage, X, 16);

function valueOf({ cpu }: Steered, page: number): number | string {
  return userRead(cpu, page as Vpn) === 0 ? cpu.value : 'fault';
}

function valueIn(steered: Steered, mm: MmId, page: number): number | string {
  switch_mm(steered.cpu, mm);
  const value = valueOf(steered, page);
  switch_mm(steered.cpu, steered.mm);
  return value;
}

for (const policy of DESIGNS) {
  const name = policy.vmaLock;

  test(`${name}: of two faults on one page one maps its frame and the other gives its frame back (R13)`, async () => {
    await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [['stop', 'before_ptl'], ['write', X + 1, 20]],
        [['reached', 0], ['write', X + 1, 10], ['go', 0]],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok'], ['ok']]);
        assert.is(steered.counted.pte_race_lost, 1);
        assert.is(steered.counted.anon_new_page, 1);
        assert.is(steered.counted.pgalloc - steered.counted.pgfree, 1);
        assert.is(valueOf(steered, X + 1), 20);
      },
    });
  });

  test(`${name}: a read that lost to a write sees what was written (R13)`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [['stop', 'before_ptl'], ['read', X + 1]],
        [['reached', 0], ['write', X + 1, 10], ['go', 0]],
      ],
    });
    assert.equal(results, [['10'], ['ok']]);
    assert.is(counted.pte_race_lost, 1);
    assert.is(counted.anon_zero_page, 0);
  });

  test(`${name}: a copy that lost to another copy gives its frame back (R13)`, async () => {
    let child = NO_MM;
    await steer({
      policy,
      setup: (stage) => {
        oneArea(stage);
        child = stage.fork();
      },
      threads: () => [
        [['stop', 'before_wp_install'], ['write', X, 20]],
        [['reached', 0], ['write', X, 10], ['go', 0]],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok'], ['ok']]);
        assert.is(steered.counted.pte_race_lost, 1);
        assert.is(steered.counted.wp_copy, 1);
        assert.is(valueOf(steered, X), 20);
        assert.is(valueIn(steered, child, X), WRITTEN);
      },
    });
  });

  test(`${name}: no anon_vma and a writer that waits for this fault: the fault gives way and starts over under mmap_lock (R11, R19)`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: untouched,
      threads: () => [
        [['stop', 'before_anon_vma_trylock'], ['write', X + 1, 20], ['read', X + 1]],
        [['reached', 0], ['mprotect', X, 4, PROT_READ], ['mprotect', X, 4, RW]],
        [['reached', 0], ['asleep', 1], ['go', 0]],
      ],
    });
    assert.equal(results[1], ['ok', 'ok']);
    // What the fault finds under mmap_lock may be the area as it is between the two changes.
    assert.ok(['ok,20', 'SEGV_ACCERR,0'].includes((results[0] as string[]).join()), (results[0] as string[]).join());
    assert.is(counted.anon_vma_trylock_failed, 1);
    assert.is(counted.vma_lock_retry, 1);
    assert.ok(counted.mmap_attempts >= 1);
  });

  test(`${name}: no anon_vma and a writer that only waits in the queue of mmap_lock: the trylock fails all the same`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: (stage) => {
        untouched(stage);
        map(stage, FAR, 4);
      },
      threads: () => [
        [['stop', 'before_anon_vma_trylock'], ['write', X + 1, 20]],
        // Holds mmap_lock for reading.
        [['reached', 0], ['stop', 'before_ptl'], ['madvise', FAR, 1, MADV_POPULATE_READ]],
        [['reached', 1], ['mprotect', FAR + 2, 2, PROT_READ]],
        [['reached', 1], ['asleep', 2], ['go', 0], ['asleep', 0], ['go', 1]],
      ],
    });
    assert.equal(results, [['ok'], ['ok'], ['ok'], []]);
    assert.is(counted.anon_vma_trylock_failed, 1);
    assert.is(counted.vma_lock_retry, 1);
    assert.is(counted.mmap_attempts, 1);
  });

  test(`${name}: a signal that is pending when a fault must start over is delivered, and the access goes on`, async () => {
    await steer({
      policy,
      setup: untouched,
      threads: () => [
        [['stop', 'before_anon_vma_trylock'], ['write', X + 1, 20]],
        [['reached', 0], ['mprotect', X + 8, 4, PROT_READ]],
        [['reached', 0], ['asleep', 1], ['signal', 0, SIGUSR1], ['go', 0]],
      ],
      after: ({ cpu, results, counted }) => {
        assert.equal(results, [['ok'], ['ok'], []]);
        assert.is(counted.faults_signal, 1);
        assert.is(cpu.words[percpuBase(cpu.memory.percpuAt, 0 as CpuId) + PC_SIGPENDING], 0, 'the signal is pending still');
      },
    });
  });

  for (const [signal, outcome] of [
    [SIGKILL, 'KILLED'],
    [SIGUSR1, '0'],
  ] as const) {
    test(`${name}: signal ${signal} during the wait for mmap_lock in a fault: ${outcome}`, async () => {
      const wakes = signal === SIGKILL;
      const { results, counted } = await steer({
        policy,
        setup: oneArea,
        threads: () => [
          [['reached', 1], ['read', X + 1], ['raise', 0]],
          [['stop', 'before_ptl'], ['mprotect', X, 16, PROT_READ]],
          [['reached', 1], ['asleep', 0], ['signal', 0, signal], ...(wakes ? ([['await', 0]] as const) : []), ['go', 1]],
        ],
      });
      assert.equal(results, [[outcome], ['ok'], []]);
      assert.is(counted.faults_signal, wakes ? 1 : 0);
    });
  }

  test(`${name}: after its downgrade munmap keeps the page table that the neighbour's fault fills`, async () => {
    await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [['reached', 1], ['write', X + 9, 30], ['read', X + 1], ['go', 1]],
        [['stop', 'between_downgrade_and_zap'], ['munmap', X, 8]],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok', 'SEGV_MAPERR'], ['ok']]);
        assert.is(steered.counted.vma_lock_success, 1);
        assert.is(valueOf(steered, X + 9), 30);
      },
    });
  });

  test(`${name}: of two growths of a stack the second finds the first one's`, async () => {
    await steer({
      policy,
      setup: (stage) => map(stage, STACK, 4, MAP_GROWSDOWN),
      threads: () => [
        [['stop', 'between_unlock_and_relock'], ['write', STACK - 5, 20]],
        [['reached', 0], ['write', STACK - 10, 30], ['go', 0]],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok'], ['ok']]);
        assert.is(steered.counted.stack_expanded, 1);
        assert.is(layoutText(steered.cpu, steered.mm, STACK), '-10-4 rw-p');
        assert.is(valueOf(steered, STACK - 5), 20);
      },
    });
  });

  test(`${name}: a stack that is unmapped while the fault has no lock does not grow`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: (stage) => map(stage, STACK, 4, MAP_GROWSDOWN),
      threads: () => [
        [['stop', 'between_unlock_and_relock'], ['write', STACK - 5, 20]],
        [['reached', 0], ['munmap', STACK, 4], ['go', 0]],
      ],
    });
    assert.equal(results, [['SEGV_MAPERR'], ['ok']]);
    assert.is(counted.stack_expanded, 0);
  });

  test(`${name}: fork waits for a fault in the parent, and neither sees the other's later writes`, async () => {
    await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [['stop', 'before_ptl'], ['write', X + 1, 20], ['await', 0], ['write', X + 1, 21], ['write', X, 22]],
        [['reached', 0], ['fork'], ['raise', 0]],
        [['reached', 0], ['asleep', 1], ['go', 0]],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok', 'ok', 'ok'], ['ok'], []]);
        assert.is(valueOf(steered, X + 1), 21);
        const child = steered.children[0] as MmId;
        assert.ok([0, 20].includes(valueIn(steered, child, X + 1) as number));
        assert.is(valueIn(steered, child, X), WRITTEN);
      },
    });
  });

  test(`${name}: a copy waits for a reader that still uses the old page, before that page can be anybody else's (flush)`, async () => {
    let child = NO_MM;
    await steer({
      policy,
      setup: (stage) => {
        oneArea(stage);
        child = stage.fork();
      },
      threads: ({ contentsWord }) => [
        [['read', X], ['stop before', STEP_READ, contentsWord(X)], ['read', X]],
        [['reached', 0], ['write', X, 20]],
        [['reached', 0], ['asleep', 1], ['go', 0]],
      ],
      after: (steered) => {
        assert.equal(steered.results, [[String(WRITTEN), String(WRITTEN)], ['ok'], []]);
        assert.is(valueOf(steered, X), 20);
        assert.is(valueIn(steered, child, X), WRITTEN);
      },
    });
  });

  test(`${name}: a fault on the new place of a move waits, and finds the page with its contents`, async () => {
    const { results } = await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [['reached', 1], ['read', FAR], ['read', X]],
        [['stop', 'before_tlb_flush'], ['mremap', X, 4, FAR]],
        [['reached', 1], ['asleep', 0], ['go', 1]],
      ],
    });
    assert.equal(results, [[String(WRITTEN), 'SEGV_MAPERR'], ['ok'], []]);
  });

  test(`${name}: who throws away a page that another CPU has taken out and not flushed yet does not see it afterwards`, async () => {
    const { results } = await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [['await', 0], ['stop', 'before_tlb_flush'], ['madvise', X, 1, MADV_DONTNEED]],
        [['read', X], ['raise', 0], ['reached', 0], ['madvise', X, 1, MADV_DONTNEED], ['read', X], ['go', 0]],
      ],
    });
    assert.equal(results, [['ok'], [String(WRITTEN), 'ok', '0']]);
  });
}

test.run();
