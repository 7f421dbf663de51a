/** Spinlock, sequence count, reference count, held locks and the lock order: what one thread can show. */
import type { Word } from '@faultlab/core/base/brand';
import {
  heldAcquire,
  heldCount,
  heldDowngrade,
  heldMode,
  heldRelease,
  MODE_NONE,
  MODE_READ,
  MODE_WRITE,
  readHeld,
  releasedClass,
} from '@faultlab/core/locking/held_locks';
import {
  LOCK_ANON_VMA,
  LOCK_CLASSES,
  LOCK_FOLIO,
  LOCK_MMAP,
  LOCK_PTL,
  LOCK_VMA,
  LOCK_VMA_WRITE,
  lockClassName,
  mayNest,
} from '@faultlab/core/locking/lock_class';
import {
  REFCOUNT_MAX,
  refcount_dec_and_test,
  refcount_inc,
  refcount_inc_not_zero,
  refcount_inc_not_zero_limited,
  refcount_read,
  refcount_set,
} from '@faultlab/core/locking/refcount';
import {
  raw_read_seqcount,
  read_seqcount_begin,
  read_seqcount_retry,
  write_seqcount_begin,
  write_seqcount_end,
} from '@faultlab/core/locking/seqcount';
import { spin_is_held, spin_lock, spin_trylock, spin_unlock } from '@faultlab/core/locking/spinlock';
import { HELD_MAX } from '@faultlab/core/memory/percpu';
import { schedule, set_current_state, TASK_UNINTERRUPTIBLE } from '@faultlab/core/sched/task';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { world } from './fixtures.ts';

const test = suite('small locks');

test('a spinlock knows its holder', () => {
  const { cpus, lock, memory } = world();
  spin_lock(cpus[1], lock);
  assert.equal([spin_is_held(cpus[1], lock), spin_is_held(cpus[0], lock), memory.words[lock]], [true, false, 2]);
  assert.not.ok(spin_trylock(cpus[0], lock));
  assert.is(cpus[1].spinDepth, 1);
  spin_unlock(cpus[1], lock);
  assert.equal([memory.words[lock], cpus[1].spinDepth], [0, 0]);
  assert.ok(spin_trylock(cpus[0], lock));
});

test('a spinlock refuses a relock, a foreign unlock and an unlock of a free lock, and stays as it is', () => {
  const { cpus, lock, memory } = world();
  assert.throws(() => spin_unlock(cpus[0], lock), /does not hold/);
  spin_lock(cpus[1], lock);
  assert.throws(() => spin_lock(cpus[1], lock), /already/);
  assert.throws(() => spin_unlock(cpus[0], lock), /does not hold/);
  assert.is(memory.words[lock], 2);
});

test('a task with a spinlock may not sleep', () => {
  const { cpus, lock, other } = world();
  spin_lock(cpus[0], lock);
  set_current_state(cpus[0], TASK_UNINTERRUPTIBLE);
  assert.throws(() => schedule(cpus[0], 1, other), /spinlock/);
});

test('a sequence count is odd inside a write section, and a reader notices that one took place', () => {
  const { cpus, lock } = world();
  const start = read_seqcount_begin(cpus[1], lock);
  assert.not.ok(read_seqcount_retry(cpus[1], lock, start));
  write_seqcount_begin(cpus[0], lock);
  assert.is(raw_read_seqcount(cpus[1], lock) & 1, 1);
  assert.ok(read_seqcount_retry(cpus[1], lock, start));
  write_seqcount_end(cpus[0], lock);
  assert.is(raw_read_seqcount(cpus[1], lock), start + 2);
  assert.ok(read_seqcount_retry(cpus[1], lock, start));
});

test('a sequence count wraps around and stays even', () => {
  const { cpus, lock, memory } = world();
  memory.words[lock] = 0x7ffffffe;
  write_seqcount_begin(cpus[0], lock);
  write_seqcount_end(cpus[0], lock);
  assert.is(memory.words[lock], -0x80000000);
  assert.is(read_seqcount_begin(cpus[0], lock), -0x80000000);
});

test('a write section inside a write section is an error, and so is an end without a beginning', () => {
  const { cpus, lock } = world();
  assert.throws(() => write_seqcount_end(cpus[0], lock), /no write section/);
  write_seqcount_begin(cpus[0], lock);
  assert.throws(() => write_seqcount_begin(cpus[1], lock), /open already/);
});

test('a limited reference is taken between zero and the limit only, and the value before is told', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 20 }), (value, limit) => {
      const { cpus, lock } = world();
      refcount_set(cpus[0], lock, value);
      const before = refcount_inc_not_zero_limited(cpus[0], lock, limit);
      const taken = value > 0 && value < limit;
      assert.equal([before, refcount_read(cpus[0], lock)], [value, taken ? value + 1 : value]);
    }),
  );
});

test('the last reference is the last, and a dead object is not pinned', () => {
  const { cpus, lock } = world();
  refcount_set(cpus[0], lock, 1);
  refcount_inc(cpus[0], lock);
  assert.equal([refcount_dec_and_test(cpus[0], lock), refcount_dec_and_test(cpus[0], lock)], [false, true]);
  assert.not.ok(refcount_inc_not_zero(cpus[0], lock));
});

test('resurrection, underflow and saturation are errors', () => {
  const { cpus, lock } = world();
  assert.throws(() => refcount_inc(cpus[0], lock), /dead/);
  refcount_set(cpus[0], lock, 0);
  assert.throws(() => refcount_dec_and_test(cpus[0], lock), /underflow/);
  refcount_set(cpus[0], lock, REFCOUNT_MAX);
  assert.throws(() => refcount_inc_not_zero(cpus[0], lock), /saturated/);
  assert.throws(() => refcount_inc(cpus[0], lock), /saturated/);
});

test('held locks are released in any order, and the report shows what is left', () => {
  const locks = fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: HELD_MAX });
  fc.assert(
    fc.property(
      locks.chain((words) => fc.tuple(fc.constant(words), fc.shuffledSubarray(words))),
      ([words, released]) => {
        const { cpus, memory } = world();
        for (const [index, word] of words.entries()) heldAcquire(cpus[0], index % LOCK_CLASSES.length, word as Word, index % 2);
        for (const word of released)
          assert.is(releasedClass(heldRelease(cpus[0], word as Word)), words.indexOf(word) % LOCK_CLASSES.length);
        const left = words.filter((word) => !released.includes(word));
        assert.equal(
          readHeld(memory, cpus[0].id),
          left.map((word) => ({ class: words.indexOf(word) % LOCK_CLASSES.length, word, mode: words.indexOf(word) % 2 })),
        );
        assert.is(heldCount(cpus[0]), left.length);
      },
    ),
  );
});

test('a held lock has a mode, which a downgrade changes', () => {
  const { cpus, lock } = world();
  assert.is(heldMode(cpus[0], lock), MODE_NONE);
  heldAcquire(cpus[0], LOCK_MMAP, lock, MODE_WRITE);
  assert.is(heldMode(cpus[0], lock), MODE_WRITE);
  assert.is(heldDowngrade(cpus[0], lock), LOCK_MMAP);
  assert.is(heldMode(cpus[0], lock), MODE_READ);
  assert.is(heldMode(cpus[1], lock), MODE_NONE);
  assert.throws(() => heldDowngrade(cpus[0], lock), /not held for writing/);
});

test('one lock too many is an error', () => {
  const { cpus } = world();
  for (let word = 1; word <= HELD_MAX; word++) heldAcquire(cpus[0], 0, word as Word, 0);
  assert.throws(() => heldAcquire(cpus[0], 0, 99 as Word, 0), /too many/);
});

test('the lock order is the documented one: fault lock, folio, VMA write, anon_vma, page table', () => {
  const order = [LOCK_MMAP, LOCK_VMA, LOCK_FOLIO, LOCK_VMA_WRITE, LOCK_ANON_VMA, LOCK_PTL];
  for (const [at, outer] of order.entries()) {
    for (const inner of order.slice(at + 1)) {
      assert.ok(mayNest(outer, inner), `${lockClassName(outer)} -> ${lockClassName(inner)}`);
      assert.not.ok(mayNest(inner, outer), `${lockClassName(inner)} -> ${lockClassName(outer)}`);
    }
  }
});

test.run();
