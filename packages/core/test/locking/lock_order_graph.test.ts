/** The order of locks is learned as they are taken, kept, and a circle in it is found although nobody ever waited. */
import { sweep } from '@faultlab/core/invariants/sweep';
import { LOCK_ANON_VMA, LOCK_FOLIO, LOCK_I_MMAP, LOCK_MUTEX, LOCK_USER } from '@faultlab/core/locking/lock_class';
import { lockOrderCycle, lockOrderText, mergeLockOrders, noteLockOrder, readLockOrder } from '@faultlab/core/locking/lock_order_graph';
import { checkLockOrder, wrongOrderOf } from '@faultlab/core/locking/lockdep';
import { mutex_lock, mutex_unlock } from '@faultlab/core/locking/mutex';
import { down_write, down_write_trylock, up_write } from '@faultlab/core/locking/rwsem';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { userWord, world } from './fixtures.ts';

const test = suite('locking/lock_order_graph');

const edge = (held: number, taken: number) => ({ held, taken, cpu: 0, opKind: 0 });

test('a lock taken while another is held makes an edge, whoever takes it; the first one is remembered', () => {
  const { memory, cpus, lock, other } = world({ verify: true });
  for (const cpu of [cpus[2], cpus[1]]) {
    down_write(cpu, lock, LOCK_FOLIO);
    mutex_lock(cpu, other, LOCK_MUTEX);
    mutex_unlock(cpu, other);
    up_write(cpu, lock);
  }
  assert.equal(readLockOrder(memory), [{ held: LOCK_FOLIO, taken: LOCK_MUTEX, cpu: 2, opKind: 0 }]);
});

test('a trylock waits for nobody: it makes no edge to its lock, but edges from it count', () => {
  const { memory, cpus, lock, other } = world({ verify: true });
  const third = userWord(memory, 6);
  const [cpu] = cpus;
  down_write(cpu, lock, LOCK_I_MMAP);
  assert.ok(down_write_trylock(cpu, other, LOCK_FOLIO));
  assert.equal(readLockOrder(memory), []);
  down_write(cpu, third, LOCK_ANON_VMA);
  assert.equal(
    readLockOrder(memory).map(({ held, taken }) => [held, taken]),
    [
      [LOCK_FOLIO, LOCK_ANON_VMA],
      [LOCK_I_MMAP, LOCK_ANON_VMA],
    ],
  );
});

test('without verify nothing is kept', () => {
  const { memory, cpus, lock, other } = world();
  down_write(cpus[0], lock, LOCK_FOLIO);
  mutex_lock(cpus[0], other, LOCK_MUTEX);
  assert.equal(readLockOrder(memory), []);
});

test('a wrong order is refused at once, is in the graph, and its message can be read back', () => {
  const { memory, cpus, lock } = world({ verify: true });
  down_write(cpus[0], lock, LOCK_ANON_VMA);
  let message = '';
  try {
    checkLockOrder(cpus[0], LOCK_FOLIO);
  } catch (error) {
    message = (error as Error).message;
  }
  assert.equal(wrongOrderOf(message), { wanted: 'folio', held: 'anon_vma' });
  assert.equal(wrongOrderOf('folio is taken while a spinlock is held'), { wanted: 'folio', held: 'a spinlock' });
  assert.is(wrongOrderOf('anything else'), undefined);
  assert.is(readLockOrder(memory).length, 1);
});

test('I11: two orders that met in different runs are a circle, and a sweep sees it', () => {
  const { cpus, memory } = world({ verify: true });
  noteLockOrder(cpus[0], LOCK_FOLIO, LOCK_I_MMAP);
  noteLockOrder(cpus[1], LOCK_I_MMAP, LOCK_ANON_VMA);
  assert.equal(sweep(cpus[0]), []);
  noteLockOrder(cpus[3], LOCK_ANON_VMA, LOCK_FOLIO);
  const [found] = sweep(cpus[0]);
  assert.is(found?.id, 'I11');
  assert.match(found?.message ?? '', /folio -> i_mmap -> anon_vma -> folio/);
  assert.is(readLockOrder(memory).length, 3);
});

test('locks of one class that may nest are no circle; those that may not are', () => {
  assert.is(lockOrderCycle([edge(LOCK_USER, LOCK_USER)]), undefined);
  assert.is(lockOrderText(lockOrderCycle([edge(LOCK_MUTEX, LOCK_MUTEX)]) ?? []), 'mutex -> mutex');
});

test('a graph has a circle exactly when it cannot be put in order', () => {
  const classes = [LOCK_FOLIO, LOCK_I_MMAP, LOCK_ANON_VMA, LOCK_MUTEX];
  const one = fc.constantFrom(...classes);
  const edges = fc.array(fc.tuple(one, one).filter(([held, taken]) => held !== taken));
  fc.assert(
    fc.property(edges, (pairs) => {
      // Take away what nothing leads to, until all is gone or a circle is left.
      let left = new Set(classes);
      for (let before = -1; before !== left.size; ) {
        before = left.size;
        left = new Set([...left].filter((node) => pairs.some(([held, taken]) => taken === node && left.has(held))));
      }
      const cycle = lockOrderCycle(pairs.map(([held, taken]) => edge(held, taken)));
      assert.is(cycle !== undefined, left.size > 0);
      cycle?.slice(1).forEach((taken, index) => {
        assert.ok(pairs.some((pair) => pair[0] === cycle[index] && pair[1] === taken));
      });
    }),
  );
});

test('of two graphs together each edge is once, with the account of the first', () => {
  const first = [{ held: LOCK_FOLIO, taken: LOCK_I_MMAP, cpu: 1, opKind: 3 }];
  const second = [{ held: LOCK_FOLIO, taken: LOCK_I_MMAP, cpu: 2, opKind: 4 }, edge(LOCK_FOLIO, LOCK_ANON_VMA)];
  assert.equal(mergeLockOrders(first, second), [first[0], second[1]]);
});

test.run();
