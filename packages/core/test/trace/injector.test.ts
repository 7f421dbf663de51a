/** Every injection that a CPU decides for itself is seen to happen, is counted, and leaves nothing behind. */
import { type MmId, NO_MAPPING, NO_SWAP_ENTRY, type SwapId, type Vpn, type Word } from '@faultlab/core/base/brand';
import { EFAULT, ENOMEM } from '@faultlab/core/base/errno';
import { MachineStopped } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { spin_lock, spin_unlock } from '@faultlab/core/locking/spinlock';
import { H_FREEZE, H_INJECT } from '@faultlab/core/memory/header';
import { beginWait, endWait, PARK_MS_MAX, park } from '@faultlab/core/memory/park';
import { PC_WAIT_KIND, PC_WAIT_WORD, WAIT_FOLIO, WAIT_SPINLOCK, WAIT_STOPPED } from '@faultlab/core/memory/percpu';
import { PARK_TIMED_OUT } from '@faultlab/core/memory/step_gate';
import { NO_FOLIO } from '@faultlab/core/mm/folio';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { mmap_read_lock_killable, mmap_read_unlock } from '@faultlab/core/mm/mmap_lock';
import { alloc_page, folio_put } from '@faultlab/core/mm/page_alloc';
import { allocSwapSlot, swapInUse, swapon } from '@faultlab/core/mm/swapfile';
import {
  fatal_signal_pending,
  schedule,
  schedule_timeout,
  set_current_state,
  signal_pending,
  TASK_INTERRUPTIBLE,
  TASK_KILLABLE,
  TASK_UNINTERRUPTIBLE,
} from '@faultlab/core/sched/task';
import { MM_CACHE, NODE_CACHE } from '@faultlab/core/slab/caches';
import { kmem_cache_alloc, kmem_cache_alloc_bulk, kmem_cache_free } from '@faultlab/core/slab/kmem_cache';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { readCounters } from '@faultlab/core/trace/counters';
import { ALLOC_ANY, ALLOC_FRAME, allocFromPool, EVERY_POINT, type InjectionPlan, Injector } from '@faultlab/core/trace/injector';
import { AFTER_TREE_WALK, at, BEFORE_PTL } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { BASE, bootCpu, type WithCpuOptions, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('injector');
const PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
const READ_WRITE = PROT_READ | PROT_WRITE;

/** A clock that moves by a millisecond each time somebody looks. */
const ticking = (): (() => number) => {
  let ms = 0;
  return () => ms++;
};

/** A CPU with injections alone on its machine. */
const cpuWith = (plan: Omit<InjectionPlan, 'seed'>, options: WithCpuOptions = {}): Cpu =>
  bootCpu({ now: ticking(), inject: { seed: 7, ...plan }, ...options });
const counted = (cpu: Cpu) => readCounters(cpu.memory);
/** The CPU meets these from now on. */
const arm = (cpu: Cpu, plan: InjectionPlan | null): void =>
  void Object.assign(cpu, { inject: plan === null ? null : new Injector(cpu, plan) });

test('an allocation fails for what is asked to fail, and for nothing else', () => {
  const outcomes = [ALLOC_FRAME, allocFromPool(MM_CACHE), allocFromPool(NODE_CACHE), ALLOC_ANY].map((of) => {
    const cpu = cpuWith({ allocFail: { rate: 1, of } });
    const frame = alloc_page(cpu) === NO_FOLIO;
    const slot = kmem_cache_alloc(cpu, MM_CACHE) === 0;
    const node = !kmem_cache_alloc_bulk(cpu, NODE_CACHE, 2, []);
    return [frame, slot, node, counted(cpu).injected_alloc_fail];
  });
  assert.equal(outcomes, [
    [true, false, false, 1],
    [false, true, false, 1],
    [false, false, true, 1],
    [true, true, true, 3],
  ]);
});

test('about as many allocations fail as the rate says, the same ones in every run of a seed', () => {
  const failures = (seed: number): number[] => {
    const cpu = bootCpu({ inject: { seed, allocFail: { rate: 0.1, of: allocFromPool(MM_CACHE) } } });
    const failed: number[] = [];
    for (let i = 0; i < 2000; i++) {
      const slot = kmem_cache_alloc(cpu, MM_CACHE);
      if (slot === 0) failed.push(i);
      else kmem_cache_free(cpu, MM_CACHE, slot);
    }
    return failed;
  };
  const [one, again, other] = [failures(1), failures(1), failures(2)];
  assert.equal(one, again);
  assert.not.equal(one, other);
  assert.ok(one.length > 140 && one.length < 260, `${one.length} of 2000`);
});

test('the one allocation that was named fails, and no other of its kind', () => {
  const cpu = cpuWith({ allocFail: { rate: 1, of: allocFromPool(MM_CACHE), only: 3 } });
  const slots = Array.from({ length: 5 }, () => [kmem_cache_alloc(cpu, MM_CACHE) === 0, kmem_cache_alloc_bulk(cpu, NODE_CACHE, 1, [])]);
  assert.equal(
    slots.map(([failed]) => failed),
    [false, false, true, false, false],
  );
  assert.is(counted(cpu).injected_alloc_fail, 1);
});

test('whatever allocation fails, calls and faults undo what they had begun', () => {
  let failed = 0;
  for (let seed = 1; seed <= 150; seed++) {
    withCpu({}, ({ cpu }) => {
      arm(cpu, { seed, allocFail: { rate: 0.15, of: ALLOC_ANY } });
      live(cpu, seed);
      failed += counted(cpu).injected_alloc_fail;
      arm(cpu, null);
    });
  }
  assert.ok(failed > 500, `${failed} allocations failed`);
});

/** Maps, writes, splits, moves, forks; a call may lack memory, or what an earlier one was to map. */
function live(cpu: Cpu, seed: number): void {
  for (let round = 0; round < 6; round++) {
    const base = BASE + ((seed + round) % 3) * 8;
    const results = [
      sys_mmap(cpu, base as Vpn, 12, READ_WRITE, PRIVATE, NO_MAPPING, 0),
      userWrite(cpu, (base + 1) as Vpn, 5),
      userWrite(cpu, (base + 6) as Vpn, 6),
      sys_mprotect(cpu, (base + 4) as Vpn, 3, PROT_READ),
      userRead(cpu, (base + 6) as Vpn),
      sys_mremap(cpu, (base + 1) as Vpn, 2, 2, MREMAP_MAYMOVE | MREMAP_FIXED, (base + 600) as Vpn),
      sys_munmap(cpu, (base + 2) as Vpn, 1),
    ];
    const child = sys_fork(cpu);
    results.push(Math.min(child, 0));
    if (child > 0) mmput(cpu, child as MmId);
    assert.ok(
      results.every((result) => result >= 0 || result === ENOMEM || result === EFAULT),
      `errors that no failed allocation explains: ${results}`,
    );
  }
}

test('a signal arrives as the CPU begins to wait: a killable wait ends by SIGKILL, an interruptible one by any', () => {
  const fatal = cpuWith({ signal: { rate: 1, fatal: 1 } });
  set_current_state(fatal, TASK_KILLABLE);
  schedule(fatal, WAIT_FOLIO, fatal.percpu); // Nobody wakes it: only the signal ends this.
  assert.ok(fatal_signal_pending(fatal));

  const other = cpuWith({ signal: { rate: 1, fatal: 0 } });
  set_current_state(other, TASK_INTERRUPTIBLE);
  schedule(other, WAIT_FOLIO, other.percpu);
  assert.ok(signal_pending(other) && !fatal_signal_pending(other));
  assert.equal(
    [fatal, other].map((cpu) => counted(cpu).injected_signal),
    [1, 1],
  );
});

test('a signal does not end an uninterruptible wait', () => {
  const cpu = cpuWith({ signal: { rate: 1, fatal: 1 } });
  set_current_state(cpu, TASK_UNINTERRUPTIBLE);
  const left = schedule_timeout(cpu, WAIT_FOLIO, cpu.percpu, 3);
  assert.is(left, 0);
  assert.ok(fatal_signal_pending(cpu));
});

test('a sleeper wakes up without a cause, and is running then', () => {
  const cpu = cpuWith({ spuriousWake: { rate: 1 } });
  set_current_state(cpu, TASK_UNINTERRUPTIBLE);
  schedule(cpu, WAIT_FOLIO, cpu.percpu); // Nobody wakes it.
  assert.is(counted(cpu).injected_spurious_wake, 1);
});

test('every sleep is disturbed, also one that no task does: by its end, and by a signal', () => {
  const cpu = cpuWith({ signal: { rate: 1, fatal: 0 }, spuriousWake: { rate: 1 } }, { now: () => performance.now() });
  const startMs = performance.now();
  beginWait(cpu, WAIT_SPINLOCK, (cpu.memory.userAt + 8) as Word);
  for (let i = 0; i < 10; i++) assert.is(park(cpu, (cpu.memory.userAt + 8) as Word, 0, 60_000), PARK_TIMED_OUT);
  endWait(cpu);
  assert.ok(performance.now() - startMs < 10 * PARK_MS_MAX, 'the sleeps were as long as ever');
  assert.ok(signal_pending(cpu));
  const { injected_signal, injected_spurious_wake } = counted(cpu);
  assert.equal([injected_signal, injected_spurious_wake], [10, 10]);
});

test('the sleep of an injection is not disturbed by another', () => {
  const cpu = cpuWith(
    { signal: { rate: 1, fatal: 0 }, spuriousWake: { rate: 1 }, pause: { rate: 1, ms: 3 } },
    { now: () => performance.now() },
  );
  at(cpu, AFTER_TREE_WALK);
  const { injected_signal, injected_spurious_wake, injected_pause_cpu } = counted(cpu);
  assert.equal([injected_signal, injected_spurious_wake, injected_pause_cpu], [0, 0, 1]);
});

test('whoever waits for a lock looks again after a wake without a cause', () => {
  withCpu({ now: ticking() }, ({ cpu, mm, other }) => {
    const holder = other();
    assert.is(mmap_read_lock_killable(holder, mm), 0);
    arm(cpu, { seed: 3, spuriousWake: { rate: 1 } });
    let turns = 0;
    // The holder lets go only after several sleeps have ended.
    cpu.idle = () => {
      if (++turns === 4) mmap_read_unlock(holder, mm);
      return true;
    };
    assert.is(sys_mmap(cpu, BASE as Vpn, 1, READ_WRITE, PRIVATE, NO_MAPPING, 0), BASE);
    assert.ok(turns >= 4, `${turns} sleeps`);
    assert.ok(counted(cpu).injected_spurious_wake >= 3);
    cpu.idle = null;
    arm(cpu, null);
  });
});

test('swap is full when it is to be, and no slot is taken', () => {
  const cpu = cpuWith({ fullSwap: { rate: 1 } }, { size: { devices: 1, deviceRequests: 4, deviceBlocks: 16 } });
  swapon(cpu.memory, 0 as SwapId, { device: 0 });
  const pfn = alloc_page(cpu);
  assert.is(allocSwapSlot(cpu, pfn), NO_SWAP_ENTRY);
  assert.is(swapInUse(cpu.memory, 0 as SwapId), 0);
  assert.is(counted(cpu).injected_full_swap, 1);
  arm(cpu, null);
  assert.is.not(allocSwapSlot(cpu, pfn), NO_SWAP_ENTRY);
  folio_put(cpu, pfn);
});

test('delays fall on the point that was named, pauses on any; with a spinlock held, too', () => {
  const delayed = cpuWith({ delays: [{ point: BEFORE_PTL, rate: 1, us: 3_000 }] });
  const before = delayed.now();
  at(delayed, AFTER_TREE_WALK);
  assert.is(delayed.now() - before, 1, 'nobody looked at the clock');
  at(delayed, BEFORE_PTL);
  assert.is(counted(delayed).injected_delay, 1);

  const paused = cpuWith({ pause: { rate: 1, ms: 5 } });
  const lock = (paused.memory.userAt + 8) as Word;
  spin_lock(paused, lock);
  const start = paused.now();
  at(paused, AFTER_TREE_WALK);
  assert.ok(paused.now() - start >= 5);
  spin_unlock(paused, lock);
  assert.is(counted(paused).injected_pause_cpu, 1);
});

test('a pause in the middle of a wait gives back what the CPU said it waits for', () => {
  const cpu = cpuWith({ pause: { rate: 1, ms: 2 } });
  beginWait(cpu, WAIT_FOLIO, 1234 as Word);
  at(cpu, AFTER_TREE_WALK);
  const { words, percpu } = cpu;
  assert.equal([words[percpu + PC_WAIT_KIND], words[percpu + PC_WAIT_WORD]], [WAIT_FOLIO, 1234]);
  endWait(cpu);
});

test('a CPU stops at the first point at which it holds a lock, keeps it, and says so until the machine is frozen', () => {
  const cpu = cpuWith({ kill: { point: EVERY_POINT, after: 2 } });
  const mm = mm_alloc(cpu);
  for (let i = 0; i < 5; i++) at(cpu, AFTER_TREE_WALK); // Enough points, but nothing is held.
  assert.is(mmap_read_lock_killable(cpu, mm), 0);
  cpu.words[H_FREEZE] = 1; // Where the sleep for ever ends at once.
  assert.throws(
    () => at(cpu, BEFORE_PTL),
    (error: Error) => error instanceof MachineStopped,
  );
  assert.is(cpu.words[cpu.percpu + PC_WAIT_KIND], WAIT_STOPPED);
  assert.is(cpu.held, 1);
  assert.is(counted(cpu).injected_kill_cpu, 1);
});

test('a stop does what its CPU was told to do instead of sleeping', () => {
  const stopped = (): never => {
    throw new Error('told');
  };
  const cpu = cpuWith({ kill: { point: BEFORE_PTL, after: 0 } }, { stopped });
  assert.is(mmap_read_lock_killable(cpu, mm_alloc(cpu)), 0);
  assert.throws(() => at(cpu, BEFORE_PTL), /told/);
});

test('a thread of the machine meets nothing as long as no programs run', () => {
  const everything = { allocFail: { rate: 1, of: ALLOC_ANY }, spuriousWake: { rate: 1 }, fullSwap: { rate: 1 } };
  const cpu = cpuWith({ ...everything, pause: { rate: 1, ms: 2 }, whileArmed: true });
  const meets = (): unknown[] => {
    const { inject } = cpu;
    at(cpu, AFTER_TREE_WALK);
    return [inject?.failsAllocation(ALLOC_FRAME), inject?.swapIsFull(), inject?.atSleep() === Number.POSITIVE_INFINITY];
  };
  assert.equal(meets(), [false, false, true]);
  assert.is(counted(cpu).injected_pause_cpu, 0);
  cpu.words[H_INJECT] = 1;
  assert.equal(meets(), [true, true, false]);
  assert.is(counted(cpu).injected_pause_cpu, 1);
});

test('a CPU without injections has none, and one with injections that need no points observes none', () => {
  assert.is(bootCpu().inject, null);
  assert.is(cpuWith({ allocFail: { rate: 1, of: ALLOC_ANY } }).points, null);
  assert.is.not(cpuWith({ pause: { rate: 0.5, ms: 1 } }).points, null);
});

test.run();
