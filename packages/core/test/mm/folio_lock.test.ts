/** The folio lock on one thread: what each call does in each state, what it refuses, and random sequences against a small model. */
import type { CpuId, Pfn } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { heldCount, readHeld } from '@faultlab/core/locking/held_locks';
import { LOCK_FOLIO } from '@faultlab/core/locking/lock_class';
import { readLockStat } from '@faultlab/core/locking/lock_stat';
import { spin_lock } from '@faultlab/core/locking/spinlock';
import { PARK_TIMED_OUT, STEP_UPDATE, type StepGate } from '@faultlab/core/memory/step_gate';
import {
  folio_flags,
  folioClear,
  folioFlagsWord,
  folioInitFlags,
  folioSet,
  PG_dirty,
  PG_locked,
  PG_uptodate,
  PG_waiters,
  PG_writeback,
} from '@faultlab/core/mm/folio';
import {
  __folio_set_locked,
  folio_end_read,
  folio_lock,
  folio_lock_killable,
  folio_mark_uptodate,
  folio_trylock,
  folio_unlock,
  folio_wait_locked,
  folio_wait_locked_killable,
  folioLockFromIo,
  folioLockOwner,
  folioLockToIo,
  OWNER_IO,
  OWNER_NONE,
} from '@faultlab/core/mm/folio_lock';
import { folioWaitHead } from '@faultlab/core/mm/folio_wait';
import {
  folio_end_writeback,
  folio_start_writeback,
  folio_wait_writeback,
  folio_wait_writeback_killable,
} from '@faultlab/core/mm/folio_writeback';
import { rcu_read_lock } from '@faultlab/core/sched/rcu_state';
import { SIGKILL, send_signal } from '@faultlab/core/sched/task';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { FRAMES, folioMemory, PAGE, problemAtRest } from './folio_lock_steps.ts';

const test = suite('mm/folio_lock');

interface World {
  readonly me: Cpu;
  readonly other: Cpu;
}

function world(): World {
  const memory = folioMemory(2);
  const cpu = (id: number): Cpu => new Cpu({ id: id as CpuId, memory, now: () => 0, verify: true });
  return { me: cpu(0), other: cpu(1) };
}

type State = 'free' | 'mine' | "another's" | "an I/O's" | 'killed and free';
const SET_UP: Readonly<Record<State, (w: World) => void>> = {
  free: () => undefined,
  mine: (w) => folio_lock(w.me, PAGE),
  "another's": (w) => folio_lock(w.other, PAGE),
  "an I/O's": (w) => {
    folio_lock(w.other, PAGE);
    folioLockToIo(w.other, PAGE);
  },
  'killed and free': (w) => send_signal(w.other, w.me.id, SIGKILL),
};
/** What the call returns or the id of the invariant it breaks, then the flags and the owner afterwards. */
type Wanted = readonly [number | boolean | undefined | 'I19' | 'I20', number, number];
const REFUSED = (id: 'I19' | 'I20', locked = PG_locked, owner = OWNER_NONE): Wanted => [id, locked, owner];

const TABLE: readonly (readonly [string, (cpu: Cpu, pfn: Pfn) => unknown, Partial<Record<State, Wanted>>])[] = [
  [
    'folio_trylock',
    folio_trylock,
    {
      free: [true, PG_locked, 1],
      mine: [false, PG_locked, 1],
      "another's": [false, PG_locked, 2],
      "an I/O's": [false, PG_locked, OWNER_IO],
    },
  ],
  ['folio_lock', folio_lock, { free: [undefined, PG_locked, 1], mine: REFUSED('I20', PG_locked, 1) }],
  ['folio_lock_killable', folio_lock_killable, { free: [0, PG_locked, 1], 'killed and free': [0, PG_locked, 1] }],
  ['__folio_set_locked', __folio_set_locked, { free: [undefined, PG_locked, 1], "another's": REFUSED('I20', PG_locked, 2) }],
  ['folio_wait_locked', folio_wait_locked, { free: [undefined, 0, 0], mine: REFUSED('I20', PG_locked, 1) }],
  ['folio_wait_locked_killable', folio_wait_locked_killable, { free: [0, 0, 0], 'killed and free': [0, 0, 0] }],
  [
    'folio_unlock',
    folio_unlock,
    {
      free: REFUSED('I20', 0),
      mine: [undefined, 0, 0],
      "another's": REFUSED('I20', PG_locked, 2),
      "an I/O's": REFUSED('I20', PG_locked, OWNER_IO),
    },
  ],
  [
    'folioLockToIo',
    folioLockToIo,
    {
      free: REFUSED('I20', 0),
      mine: [undefined, PG_locked, OWNER_IO],
      "another's": REFUSED('I20', PG_locked, 2),
      "an I/O's": REFUSED('I20', PG_locked, OWNER_IO),
    },
  ],
  [
    'folioLockFromIo',
    folioLockFromIo,
    {
      free: REFUSED('I20', 0),
      mine: REFUSED('I20', PG_locked, 1),
      "another's": REFUSED('I20', PG_locked, 2),
      "an I/O's": [undefined, PG_locked, 1],
    },
  ],
  [
    'folio_end_read, success',
    (cpu, pfn) => folio_end_read(cpu, pfn, true),
    {
      free: REFUSED('I20', 0),
      mine: [undefined, PG_uptodate, 0],
      "another's": REFUSED('I20', PG_locked, 2),
      "an I/O's": [undefined, PG_uptodate, 0],
    },
  ],
  [
    'folio_end_read, failure',
    (cpu, pfn) => folio_end_read(cpu, pfn, false),
    { mine: [undefined, 0, 0], "another's": REFUSED('I20', PG_locked, 2), "an I/O's": [undefined, 0, 0] },
  ],
  [
    'folio_mark_uptodate',
    folio_mark_uptodate,
    {
      free: REFUSED('I19', 0),
      mine: [undefined, PG_locked | PG_uptodate, 1],
      "another's": REFUSED('I19', PG_locked, 2),
      "an I/O's": [undefined, PG_locked | PG_uptodate, OWNER_IO],
    },
  ],
  [
    'folio_start_writeback',
    folio_start_writeback,
    { free: REFUSED('I20', 0), mine: [undefined, PG_locked | PG_writeback, 1], "another's": REFUSED('I20', PG_locked, 2) },
  ],
  ['folio_end_writeback', folio_end_writeback, { free: REFUSED('I20', 0) }],
  ['folio_wait_writeback', folio_wait_writeback, { free: [undefined, 0, 0], mine: [undefined, PG_locked, 1] }],
  ['folio_wait_writeback_killable', folio_wait_writeback_killable, { free: [0, 0, 0] }],
];

for (const [name, call, rows] of TABLE) {
  for (const [state, wanted] of Object.entries(rows) as [State, Wanted][]) {
    test(`${name}, the lock is ${state}: ${wanted[0] === 'I19' || wanted[0] === 'I20' ? `refused (${wanted[0]})` : 'done'}`, () => {
      const w = world();
      SET_UP[state](w);
      // A bit that is none of the lock's business stays.
      folioSet(w.me, PAGE, PG_dirty);
      if (wanted[0] === 'I19' || wanted[0] === 'I20') assert.throws(() => call(w.me, PAGE), new RegExp(`^${wanted[0]}: `));
      else assert.is(call(w.me, PAGE), wanted[0]);
      assert.equal([folio_flags(w.me, PAGE), folioLockOwner(w.me, PAGE)], [wanted[1] | PG_dirty, wanted[2]]);
      const held = folioLockOwner(w.me, PAGE) === 1 ? [{ class: LOCK_FOLIO, word: folioFlagsWord(w.me.memory, PAGE), mode: 1 }] : [];
      assert.equal(readHeld(w.me.memory, w.me.id), held);
    });
  }
}

/** A broken rule, and what is said about it. */
const BROKEN: readonly (readonly [string, (w: World) => void, RegExp])[] = [
  [
    'somebody who does not own the lock has cleared the bit',
    ({ me, other }) => {
      folio_lock(me, PAGE);
      folioClear(other, PAGE, PG_locked);
      folio_unlock(me, PAGE);
    },
    /I20: folio_unlock: somebody else has cleared the lock bit/,
  ],
  [
    'somebody has cleared the bit of a lock that an I/O owns',
    ({ me, other }) => {
      folio_lock(me, PAGE);
      folioLockToIo(me, PAGE);
      folioClear(other, PAGE, PG_locked);
      folio_end_read(other, PAGE, false);
    },
    /I20: folio_end_read: somebody else has cleared the lock bit/,
  ],
  [
    'a page is read in that is up to date already',
    ({ me }) => {
      folioInitFlags(me, PAGE, PG_uptodate);
      folio_lock(me, PAGE);
      folio_end_read(me, PAGE, true);
    },
    /I19: folio_end_read: the folio was up to date before its read was over/,
  ],
  [
    'B51: the end of a read unlocks first and says then that the page is up to date',
    ({ me, other }) => {
      folio_lock(me, PAGE);
      folioLockToIo(me, PAGE);
      folioLockFromIo(other, PAGE);
      folio_unlock(other, PAGE);
      folio_mark_uptodate(other, PAGE);
    },
    /I19: folio_mark_uptodate: the folio is not locked/,
  ],
  [
    'a folio is written twice at once',
    ({ me }) => {
      folio_lock(me, PAGE);
      folio_start_writeback(me, PAGE);
      folio_start_writeback(me, PAGE);
    },
    /I20: folio_start_writeback: the folio is being written already/,
  ],
  [
    'a folio lock is wanted with a spinlock held',
    ({ me }) => {
      spin_lock(me, folioWaitHead(me.memory, (PAGE + 1) as Pfn));
      folio_lock(me, PAGE);
    },
    /I11: folio is taken while a spinlock is held/,
  ],
  [
    'a folio is waited for inside an RCU read section',
    ({ me, other }) => {
      folio_lock(other, PAGE);
      rcu_read_lock(me);
      folio_wait_locked(me, PAGE);
    },
    /I11: folio is taken inside an RCU read section/,
  ],
  ['there is no folio 0', ({ me }) => void folio_trylock(me, 0 as Pfn), /there is no such folio/],
];
for (const [name, breakIt, message] of BROKEN) test(`noticed: ${name}`, () => assert.throws(() => breakIt(world()), message));

test('the mark of waiters survives a lock and an unlock only as long as somebody waits', () => {
  const { me } = world();
  folioSet(me, PAGE, PG_waiters);
  folio_lock(me, PAGE);
  assert.is(folio_flags(me, PAGE), PG_locked | PG_waiters);
  folio_unlock(me, PAGE);
  assert.is(folio_flags(me, PAGE), 0);
  folioSet(me, PAGE, PG_waiters);
  folio_lock(me, PAGE);
  folio_end_read(me, PAGE, true);
  assert.is(folio_flags(me, PAGE), PG_uptodate);
});

for (const [name, end] of [
  ['folio_unlock', folio_unlock],
  ['folio_end_read, success', (cpu: Cpu, pfn: Pfn) => folio_end_read(cpu, pfn, true)],
  ['folio_end_read, failure', (cpu: Cpu, pfn: Pfn) => folio_end_read(cpu, pfn, false)],
] as const) {
  test(`${name} touches the flags exactly once: nobody can look in between (I19)`, () => {
    const memory = folioMemory(1);
    const flags = folioFlagsWord(memory, PAGE);
    const touched: number[] = [];
    const step: StepGate['step'] = (_cpu, kind, word) => {
      if (word === flags) touched.push(kind);
    };
    const gate: StepGate = { step, park: () => PARK_TIMED_OUT, unpark: () => 0 };
    const cpu = new Cpu({ id: 0 as CpuId, memory, now: () => 0, gate });
    folio_lock(cpu, PAGE);
    touched.length = 0;
    end(cpu, PAGE);
    assert.equal(touched, [STEP_UPDATE]);
  });
}

test('acquisitions are counted, and an uncontended pair waits for nothing', () => {
  const { me } = world();
  for (let i = 0; i < 3; i++) {
    folio_lock(me, PAGE);
    folio_unlock(me, PAGE);
  }
  const rows = readLockStat(me.memory).filter(({ name }) => name === 'folio');
  assert.equal(
    rows.map(({ mode, acquisitions, contentions }) => ({ mode, acquisitions, contentions })),
    [{ mode: 'write', acquisitions: 3, contentions: 0 }],
  );
});

test('neighbouring folios have queues of their own, and all queues are used', () => {
  const memory = folioMemory(1);
  const heads = Array.from({ length: FRAMES }, (_, pfn) => folioWaitHead(memory, pfn as Pfn));
  assert.is(new Set(heads).size, 256);
  assert.is(new Set(heads.slice(0, 64)).size, 64);
});

test('random sequences on two CPUs agree with a model of one owner', () => {
  const pages = fc.integer({ min: 1, max: 3 });
  const op = fc.constantFrom('try', 'unlock', 'toIo', 'fromIo', 'end', 'fail');
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1), op, pages), { size: 'medium', maxLength: 60 }), (operations) => {
      const w = world();
      const owners = [0, 0, 0, 0];
      const uptodate = [false, false, false, false];
      for (const [id, name, page] of operations) {
        const cpu = id === 0 ? w.me : w.other;
        const pfn = page as Pfn;
        const mine = owners[page] === id + 1;
        const ends = mine || owners[page] === OWNER_IO;
        if (name === 'try') {
          assert.is(folio_trylock(cpu, pfn), owners[page] === 0);
          if (owners[page] === 0) owners[page] = id + 1;
        } else if (name === 'unlock' && mine) {
          folio_unlock(cpu, pfn);
          owners[page] = 0;
        } else if (name === 'toIo' && mine) {
          folioLockToIo(cpu, pfn);
          owners[page] = OWNER_IO;
        } else if (name === 'fromIo' && owners[page] === OWNER_IO) {
          folioLockFromIo(cpu, pfn);
          owners[page] = id + 1;
        } else if ((name === 'end' || name === 'fail') && ends && !uptodate[page]) {
          folio_end_read(cpu, pfn, name === 'end');
          owners[page] = 0;
          uptodate[page] = name === 'end';
        }
        const flags = (owners[page] === 0 ? 0 : PG_locked) | (uptodate[page] === true ? PG_uptodate : 0);
        assert.equal([folio_flags(cpu, pfn), folioLockOwner(cpu, pfn)], [flags, owners[page]]);
      }
      for (const [position, cpu] of [w.me, w.other].entries()) {
        assert.is(heldCount(cpu), owners.filter((owner) => owner === position + 1).length);
        owners.forEach((owner, page) => {
          if (owner === position + 1 || (owner === OWNER_IO && position === 0)) folio_end_read(cpu, page as Pfn, false);
        });
      }
      assert.is(problemAtRest(w.me.memory), '');
    }),
  );
});

test.run();
