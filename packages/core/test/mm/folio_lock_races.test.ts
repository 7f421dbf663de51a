/**
 * The folio lock on real threads with the race forced into its window; and the same scripts with doubles that are wrong on purpose, which
 * must fail. folio_lock_steps.ts says how to read a script.
 */
import { EINTR } from '@faultlab/core/base/errno';
import { PAGE_LOCK_UNFAIRNESS } from '@faultlab/core/mm/folio_wait';
import { assert, suite } from '@faultlab/test-support';
import { PAGE, problemAtRest, runScripts } from './folio_lock_steps.ts';
import { STARVED } from './folio_lock_wrong.ts';

const test = suite('mm/folio_lock, forced interleavings');

const LOWEST_FIRST = 0;
const KILLED = String(EINTR);

interface Wanted {
  readonly results?: readonly (readonly string[])[];
  readonly log?: string;
  /** What is wrong afterwards; nothing, if not given. */
  readonly problem?: string;
}

async function check(scripts: readonly string[], { results, log, problem = '' }: Wanted, seed: number | null = null): Promise<void> {
  const outcome = await runScripts(scripts, seed);
  if (results !== undefined) assert.equal(outcome.results, results);
  if (log !== undefined) assert.is(outcome.log, log);
  assert.is(problemAtRest(outcome.memory), problem);
}

// A locker updates the flags three times: it tries, sets the mark of waiters, tries again.
for (const [where, stop] of [
  ['the first try and the mark', 'stop flags 2'],
  ['queueing and sleeping', 'stop state 1'],
] as const) {
  test(`an unlock between ${where} is not lost`, () =>
    check(['folio_lock; raise 0; reached 1; folio_unlock; go 1', `await 0; ${stop}; folio_lock; note l; folio_unlock`], { log: 'l' }));
}

test('an unlock between the mark and the second try waits for the queue, and is not lost', () =>
  check(
    [
      'folio_lock; raise 0; reached 1; folio_unlock',
      'await 0; stop flags 3; folio_lock; note l; folio_unlock',
      'reached 1; asleep 0; go 1',
    ],
    { log: 'l' },
  ));

// A shared waiter updates the flags once, for the mark; its tries are reads.
test('a shared waiter does not miss the unlock either', () =>
  check(['folio_lock; raise 0; reached 1; folio_unlock; go 1', 'await 0; stop flags 1; folio_wait_locked; note w'], { log: 'w' }));

test('B33a: a double that tries before it sets the mark sleeps on although the folio is free', () =>
  check(['folio_lock; raise 0; reached 1; folio_unlock; go 1; asleep 1; look LW; kill 1', 'await 0; stop flags 2; lockTryingFirst'], {
    results: [['W'], [KILLED]],
  }));

test('exclusive waiters are woken one per unlock, in the order of their coming', () =>
  check(
    [
      'folio_lock; raise 0; asleep 1; raise 1; asleep 2; raise 2; asleep 3; folio_unlock; await 3; asleep 2; asleep 3; raise 4',
      'await 0; folio_lock; note 1; raise 3; await 4; folio_unlock',
      'await 1; folio_lock; note 2; asleep 3; folio_unlock',
      'await 2; folio_lock; note 3; folio_unlock',
    ],
    { log: '123' },
  ));

test('shared waiters are woken all at once, up to the first exclusive one, which is woken too', () =>
  check(
    [
      'folio_lock; raise 0; asleep 1; asleep 2; raise 1; asleep 3; raise 2; asleep 4; folio_unlock',
      'await 0; folio_wait_locked; note s',
      'await 0; folio_wait_locked; note s',
      'await 1; folio_lock; asleep 4; note x; folio_unlock',
      'await 2; folio_wait_locked; note z',
    ],
    { log: 'ssxz' },
    LOWEST_FIRST,
  ));

/** CPU 0 takes the lock back so many times before the woken CPU 1 moves, then tries once more. */
const barger = (times: number): string =>
  `folio_lock; raise 0; asleep 1; ${'folio_unlock; folio_trylock; asleep 1; '.repeat(times)} folio_unlock; folio_trylock`;

test(`a waiter lets others be faster ${PAGE_LOCK_UNFAIRNESS} times, then it is handed the lock (L05)`, () =>
  check(
    [`${barger(PAGE_LOCK_UNFAIRNESS)}; note b`, 'await 0; folio_lock; note 1; folio_unlock'],
    { results: [[...Array<string>(PAGE_LOCK_UNFAIRNESS).fill('true'), 'false'], []], log: 'b1' },
    LOWEST_FIRST,
  ));

test('B33c: a double that never asks for the lock starves', () =>
  check(
    [`${barger(19)}; await 1; folio_unlock`, 'await 0; lockNeverHanded; raise 1'],
    { results: [Array<string>(20).fill('true'), [String(STARVED)]] },
    LOWEST_FIRST,
  ));

test('a killed waiter leaves, and the next one gets the lock', () =>
  check(
    [
      'folio_lock; raise 0; asleep 1; raise 1; asleep 2; kill 1; await 2; folio_unlock',
      'await 0; folio_lock_killable; raise 2',
      'await 1; folio_lock; note 2; folio_unlock',
    ],
    { results: [[], [KILLED], []], log: '2' },
  ));

test('a killed shared waiter leaves; an uninterruptible one does not care', () =>
  check(
    [
      'folio_lock; raise 0; asleep 1; asleep 2; kill 1; kill 2; await 1; asleep 2; note u; folio_unlock',
      'await 0; folio_wait_locked_killable; raise 1',
      'await 0; folio_wait_locked; note w',
    ],
    { results: [[], [KILLED], []], log: 'uw' },
  ));

// A waiter updates the spinlock of the queue three times: twice to enter, and once, here, to leave because it was killed.
test('a killed waiter that was woken before it had left takes the lock: the wake-up is not lost, nor is the next one', () =>
  check(
    [
      'folio_lock; raise 0; asleep 1; raise 1; asleep 2; kill 1; reached 1; folio_unlock; go 1',
      'await 0; stop queue 3; folio_lock_killable; note 1; folio_unlock',
      'await 1; folio_lock; note 2; folio_unlock',
    ],
    { results: [[], ['0'], []], log: '12' },
  ));

test('a killed waiter that was handed the lock before it had left owns it', () => {
  // CPU 1 tries, marks, tries and sleeps; woken it tries (a stop, at which CPU 0 is faster), marks, tries and sleeps again.
  const faster = 'folio_unlock; reached 1; folio_trylock; go 1; asleep 1; '.repeat(PAGE_LOCK_UNFAIRNESS);
  const stops = `stop flags 4; ${'stop flags 3; '.repeat(PAGE_LOCK_UNFAIRNESS - 1)}`;
  return check(
    [
      `folio_lock; raise 0; asleep 1; ${faster} kill 1; reached 1; folio_unlock; look L; go 1`,
      `await 0; ${stops} stop queue 3; folio_lock_killable; folio_unlock`,
    ],
    { results: [[...Array<string>(PAGE_LOCK_UNFAIRNESS).fill('true'), 'L'], ['0']] },
  );
});

test('B33d: a double that decides before it has left leaves the lock to nobody', () =>
  check(['folio_lock; raise 0; asleep 1; kill 1; reached 1; folio_unlock; go 1', 'await 0; stop queue 3; lockDecidingEarly; look L'], {
    results: [[], [KILLED, 'L']],
    problem: `folio ${PAGE} is locked or being written`,
  }));

/** Two waiters, of which the first gets the lock; does the second get it then? */
const second = 'await 1; folio_lock_killable; folio_trylock; raise 3';
const firstOfTwo = 'await 0; folio_lock; folio_unlock; raise 2';

test('the mark stays as long as somebody waits', () =>
  check(
    ['folio_lock; raise 0; asleep 1; raise 1; asleep 2; folio_unlock; await 3', firstOfTwo, `${second}; folio_unlock`],
    { results: [[], [], ['0', 'false']] },
    LOWEST_FIRST,
  ));

test('B33b: a double that clears the mark while somebody waits leaves him asleep although the folio is free', () =>
  check(
    [
      'folio_lock; raise 0; asleep 1; raise 1; asleep 2; unlockForgettingWaiters; await 2; asleep 2; look LW; kill 2',
      firstOfTwo,
      `${second}; folio_unlock`,
    ],
    { results: [['-'], [], [KILLED, 'true']] },
    LOWEST_FIRST,
  ));

test('a mark that nobody needs any more costs one empty walk', () =>
  check(['folio_lock; raise 0; asleep 1; kill 1; await 1; look W; folio_unlock; look W', 'await 0; folio_lock_killable; raise 1'], {
    results: [['W', '-'], [KILLED]],
  }));

test('folios that share a queue do not wake one another; the mark that stays in vain goes at the next unlock', () => {
  const unlockOther = 'folio_unlock Q; await 1; asleep 1; look W Q; folio_lock Q; folio_unlock Q; look W Q';
  return check(
    [
      `folio_lock; folio_lock Q; raise 0; asleep 1; asleep 2; ${unlockOther}; look W; note p; folio_unlock`,
      'await 0; folio_lock; note 1; folio_unlock',
      'await 0; folio_wait_locked Q; note 2; raise 1',
    ],
    { results: [['W', '-', 'W'], [], []], log: '2p1' },
  );
});

test('who waits for writeback is not woken by an unlock, and the other way round', () => {
  const unlock = 'folio_lock; folio_start_writeback; raise 0; asleep 1; asleep 2; folio_unlock; await 1; asleep 2; note w';
  const endWriteback = 'folio_lock; raise 2; asleep 3; folio_end_writeback; look W; await 3; asleep 3; note u; folio_unlock';
  return check(
    [
      `${unlock}; ${endWriteback}`,
      'await 0; folio_wait_locked; note 1; raise 1',
      'await 0; folio_wait_writeback; note 2; raise 3',
      'await 2; folio_wait_locked; note 3',
    ],
    { results: [['W'], [], [], []], log: '1w2u3' },
  );
});

for (const [end, seen] of [
  ['folio_end_read', 'U'],
  ['fail_read', '-'],
] as const) {
  const waiter = 'await 0; folio_wait_locked; look LU';
  test(`${end} by another CPU than the one that locked: who is woken sees the page ${seen === 'U' ? '' : 'not '}up to date (I19)`, () =>
    check(['folio_lock; folioLockToIo; raise 0', waiter, waiter, `asleep 1; asleep 2; ${end}`], { results: [[], [seen], [seen], []] }));
}

/** Looks at the page when CPU 0, at the end of a read, is about to update the flags; and when the read has ended. */
const onlooker = 'reached 0; look LU; go 0; await 1; look LU';

test('the end of a read is one step: before it the page is locked, after it the page is up to date (I19)', () =>
  check(['folio_lock; folioLockToIo; stop flags 1; folio_end_read; raise 1', onlooker], { results: [[], ['L', 'U']] }));

test('B51: a double that unlocks first shows a page that looks like a failed read (I19)', () =>
  check(['folio_lock; folioLockToIo; stop flags 2; endReadUnlockingFirst; raise 1', onlooker], {
    results: [[], ['-', 'U']],
    problem: `folio ${PAGE} is unlocked, but has an owner`,
  }));

test.run();
