/** The state table of the semaphore: what the next caller gets in every state of the count word. One thread, nobody sleeps: "queue" is a wait whose deadline has passed. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { readHeld } from '@faultlab/core/locking/held_locks';
import { LOCK_USER } from '@faultlab/core/locking/lock_class';
import { readLockStat } from '@faultlab/core/locking/lock_stat';
import {
  down_read,
  down_read_trylock,
  down_write,
  down_write_trylock,
  downgrade_write,
  downReadUntil,
  downWriteUntil,
  RWSEM_WORDS,
  rwsem_is_contended,
  rwsem_is_locked,
  up_read,
  up_write,
} from '@faultlab/core/locking/rwsem';
import { RWSEM_READER_BIAS, SEM_COUNT, SEM_OWNER, SEM_WAIT_LIST } from '@faultlab/core/locking/rwsem_word';
import { appendSelf, setWaiterField, W_HANDOFF, W_TYPE } from '@faultlab/core/locking/wait_list';
import { assert, suite } from '@faultlab/test-support';
import { type World, world } from './fixtures.ts';

const test = suite('rwsem states');

const FREE = 0;
const READER = RWSEM_READER_BIAS;
const WRITER = 1;
const WAITERS = 2;
const HANDOFF = 4;

interface Row {
  readonly state: string;
  readonly count: number;
  /** Who holds the lock: CPUs 2 and 3. */
  readonly readers: number;
  readonly writer?: boolean;
  /** A writer is queued on CPU 1. */
  readonly queued?: boolean;
  readonly handoff?: boolean;
  /** What the next caller gets: the lock, or a place in the queue. */
  readonly read: boolean;
  readonly readTrylock: boolean;
  readonly write: boolean;
  readonly writeTrylock: boolean;
}

const ROWS: readonly Row[] = [
  { state: 'free', count: FREE, readers: 0, read: true, readTrylock: true, write: true, writeTrylock: true },
  { state: 'one reader', count: READER, readers: 1, read: true, readTrylock: true, write: false, writeTrylock: false },
  { state: 'two readers', count: 2 * READER, readers: 2, read: true, readTrylock: true, write: false, writeTrylock: false },
  {
    state: 'a reader and a queued writer',
    count: READER + WAITERS,
    readers: 1,
    queued: true,
    read: false,
    readTrylock: false,
    write: false,
    writeTrylock: false,
  },
  {
    state: 'a reader and a queued writer that demands the lock',
    count: READER + WAITERS + HANDOFF,
    readers: 1,
    queued: true,
    handoff: true,
    read: false,
    readTrylock: false,
    write: false,
    writeTrylock: false,
  },
  { state: 'a writer', count: WRITER, readers: 0, writer: true, read: false, readTrylock: false, write: false, writeTrylock: false },
  {
    state: 'a writer and a queued one',
    count: WRITER + WAITERS,
    readers: 0,
    writer: true,
    queued: true,
    read: false,
    readTrylock: false,
    write: false,
    writeTrylock: false,
  },
  {
    state: 'free with a queued writer',
    count: WAITERS,
    readers: 0,
    queued: true,
    read: true,
    readTrylock: false,
    write: true,
    writeTrylock: false,
  },
  {
    state: 'free with a queued writer that demands the lock',
    count: WAITERS + HANDOFF,
    readers: 0,
    queued: true,
    handoff: true,
    read: false,
    readTrylock: false,
    write: false,
    writeTrylock: false,
  },
];

/** Brings a lock into the state of a row, by the lock's own functions but for the queued writer. */
function arrange(row: Row): World {
  const made = world();
  const { cpus, lock, memory } = made;
  if (row.writer === true) down_write(cpus[2], lock);
  for (let reader = 0; reader < row.readers; reader++) down_read(cpus[2 + reader] as Cpu, lock);
  if (row.queued === true) {
    const waiter = appendSelf(cpus[1], (lock + SEM_WAIT_LIST) as Word);
    setWaiterField(cpus[1], waiter, W_TYPE, 1);
    if (row.handoff === true) setWaiterField(cpus[1], waiter, W_HANDOFF, 1);
    memory.words[lock + SEM_COUNT] = (memory.words[lock + SEM_COUNT] as number) | WAITERS | (row.handoff === true ? HANDOFF : 0);
  }
  assert.is(memory.words[lock + SEM_COUNT], row.count);
  return made;
}

/** What the caller got, and that the count shows it, or shows nothing of it. */
function check(row: Row, act: (cpu: Cpu, lock: Word, nowMs: number) => boolean, wanted: boolean, gained: number): void {
  const { cpus, lock, memory, clock } = arrange(row);
  const got = act(cpus[0], lock, clock.ms);
  assert.is(got, wanted);
  assert.is((memory.words[lock + SEM_COUNT] as number) & ~WAITERS & ~HANDOFF, ((row.count & ~WAITERS & ~HANDOFF) + (got ? gained : 0)) | 0);
  assert.is(readHeld(memory, cpus[0].id).length, got ? 1 : 0);
  assert.is(rwsem_is_contended(cpus[0], lock), row.queued === true);
}

for (const row of ROWS) {
  test(`${row.state}: a reader ${row.read ? 'gets in' : 'queues'}`, () => {
    check(row, (cpu, lock, now) => downReadUntil(cpu, lock, LOCK_USER, now) === 0, row.read, READER);
  });
  test(`${row.state}: a read trylock ${row.readTrylock ? 'succeeds' : 'fails'}`, () => {
    check(row, (cpu, lock) => down_read_trylock(cpu, lock), row.readTrylock, READER);
  });
  test(`${row.state}: a writer ${row.write ? 'gets in' : 'queues'}`, () => {
    check(row, (cpu, lock, now) => downWriteUntil(cpu, lock, LOCK_USER, now) === 0, row.write, WRITER);
  });
  test(`${row.state}: a write trylock ${row.writeTrylock ? 'succeeds' : 'fails'}`, () => {
    check(row, (cpu, lock) => down_write_trylock(cpu, lock), row.writeTrylock, WRITER);
  });
}

test('a downgraded lock is read-held at once, and free after the read unlock', () => {
  const { cpus, lock, memory } = world();
  down_write(cpus[0], lock);
  downgrade_write(cpus[0], lock);
  assert.is(memory.words[lock + SEM_COUNT], READER);
  assert.ok(down_read_trylock(cpus[1], lock));
  up_read(cpus[0], lock);
  up_read(cpus[1], lock);
  assert.not.ok(rwsem_is_locked(cpus[0], lock));
  assert.equal(memory.words[lock + SEM_COUNT], 0);
});

test('the owner word names the writer, then nobody; and the last reader, still after he left', () => {
  const { cpus, lock, memory } = world();
  down_write(cpus[1], lock);
  assert.is(memory.words[lock + SEM_OWNER], 2 << 2);
  up_write(cpus[1], lock);
  assert.is(memory.words[lock + SEM_OWNER], 0);
  down_read(cpus[2], lock);
  up_read(cpus[2], lock);
  assert.is(memory.words[lock + SEM_OWNER], (3 << 2) | 1);
});

const MISUSES: readonly { readonly name: string; readonly act: (w: World) => void; readonly says: RegExp }[] = [
  { name: 'an unlock of a free lock', act: ({ cpus, lock }) => up_read(cpus[0], lock), says: /does not hold/ },
  {
    name: "a foreign reader's unlock",
    act: ({ cpus, lock }) => {
      down_read(cpus[1], lock);
      up_read(cpus[0], lock);
    },
    says: /does not hold/,
  },
  {
    name: "a foreign writer's unlock",
    act: ({ cpus, lock }) => {
      down_write(cpus[1], lock);
      up_write(cpus[0], lock);
    },
    says: /does not hold/,
  },
  {
    name: 'a read unlock of a write lock',
    act: ({ cpus, lock }) => {
      down_write(cpus[0], lock);
      up_read(cpus[0], lock);
    },
    says: /held for writing/,
  },
  {
    name: 'a write unlock of a read lock',
    act: ({ cpus, lock }) => {
      down_read(cpus[0], lock);
      up_write(cpus[0], lock);
    },
    says: /held for reading/,
  },
  {
    name: 'a downgrade of a read lock',
    act: ({ cpus, lock }) => {
      down_read(cpus[0], lock);
      downgrade_write(cpus[0], lock);
    },
    says: /not held for writing/,
  },
  {
    name: 'a second write lock by the holder',
    act: ({ cpus, lock }) => {
      down_write(cpus[0], lock);
      down_write(cpus[0], lock);
    },
    says: /holds the lock already/,
  },
  {
    name: 'a write lock by a reader',
    act: ({ cpus, lock }) => {
      down_read(cpus[0], lock);
      down_write(cpus[0], lock);
    },
    says: /holds the lock already/,
  },
  {
    name: 'a count without the writer that the owner list shows (I02)',
    act: ({ cpus, lock, memory }) => {
      down_write(cpus[0], lock);
      memory.words[lock] = 0;
      up_write(cpus[0], lock);
    },
    says: /I02/,
  },
];

for (const { name, act, says } of MISUSES) {
  test(`${name} is an error`, () => {
    assert.throws(() => act(world()), says);
  });
}

test('statistics count acquisitions by class and mode, and waits on the slow path only', () => {
  const { cpus, lock, memory, clock } = world();
  down_read(cpus[0], lock);
  down_read(cpus[1], lock);
  downWriteUntil(cpus[2], lock, LOCK_USER, clock.ms);
  up_read(cpus[0], lock);
  up_read(cpus[1], lock);
  down_write(cpus[2], lock);
  assert.equal(readLockStat(memory), [
    { name: 'user', mode: 'write', acquisitions: 1, contentions: 1, waitUsTotal: 0, waitUsMax: 0 },
    { name: 'user', mode: 'read', acquisitions: 2, contentions: 0, waitUsTotal: 0, waitUsMax: 0 },
  ]);
});

test('a lock is eight words of which none but its own change', () => {
  const { cpus, lock, memory } = world();
  memory.words[lock - 1] = 11;
  memory.words[lock + RWSEM_WORDS] = 22;
  down_write(cpus[0], lock);
  up_write(cpus[0], lock);
  assert.equal([memory.words[lock - 1], memory.words[lock + RWSEM_WORDS]], [11, 22]);
});

test.run();
