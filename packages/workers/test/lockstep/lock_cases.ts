/**
 * Small cases of every lock by itself: what each CPU does. All interleavings of each are seen, up to the order of independent operations, or, where
 * there are too many, all with few preemptions.
 * Next: lock_cases.work.ts carries them out
 */

/** One call of a CPU; those of a lock are followed by a look whether anybody else is inside, and the release. */
export type LockCall =
  | 'read'
  | 'write'
  | 'write_downgrade'
  | 'write_killable'
  | 'read_killable'
  | 'try_read'
  | 'try_write'
  | 'mutex'
  | 'mutex_killable'
  | 'mutex_try'
  | 'spin'
  | 'busted'
  | 'seq_write'
  | 'seq_read'
  | 'rcuwait'
  | 'rcuwait_wake'
  | 'complete'
  | 'wait_complete'
  | 'folio'
  | 'folio_killable'
  | 'folio_wait'
  | 'vma_read'
  | 'vma_write'
  | 'rcu_read'
  | 'rcu_update'
  | 'kill_1';

export interface LockCase {
  readonly name: string;
  readonly calls: readonly (readonly LockCall[])[];
  /** All with at most so many preemptions; without it, all. */
  readonly bound?: number;
  /** The same where there is time: with LOCK_CASES=long. */
  readonly long?: number | 'all';
  /** Milliseconds of the clock for each operation: with 5 whoever waits is impatient at once. */
  readonly tickMs?: number;
  readonly policy?: string;
}

const COUNTED = { policy: 'linux-6.18' };
const RWSEM = { policy: 'linux-6.4' };

export const LOCK_CASES: readonly LockCase[] = [
  { name: 'rwsem: a writer and a reader', calls: [['write'], ['read']] },
  { name: 'rwsem: two writers', calls: [['write'], ['write']], bound: 4, long: 'all' },
  { name: 'rwsem: a downgrade and a reader', calls: [['write_downgrade'], ['read']], bound: 3, long: 'all' },
  { name: 'rwsem: a downgrade and a writer', calls: [['write_downgrade'], ['write']], bound: 3, long: 'all' },
  { name: 'rwsem: trylocks against a writer', calls: [['write'], ['try_read', 'try_write']], bound: 3, long: 'all' },
  { name: 'rwsem: a writer is killed', calls: [['read'], ['write_killable'], ['kill_1']], bound: 2, long: 3 },
  { name: 'rwsem: a reader is killed', calls: [['write'], ['read_killable'], ['kill_1']], bound: 2, long: 3 },
  { name: 'rwsem: three readers and two writers', calls: [['read'], ['write'], ['read'], ['write'], ['read']], bound: 1, long: 1 },
  { name: 'rwsem: two readers and a writer', calls: [['read'], ['write'], ['read']], bound: 2, long: 3 },
  { name: 'rwsem: an impatient writer is handed the lock', calls: [['read', 'read'], ['write'], ['read']], bound: 2, long: 2, tickMs: 5 },
  { name: 'mutex: two', calls: [['mutex'], ['mutex']], bound: 4, long: 'all' },
  { name: 'mutex: three', calls: [['mutex'], ['mutex'], ['mutex_try']], bound: 2, long: 3 },
  { name: 'mutex: one is killed', calls: [['mutex'], ['mutex_killable'], ['kill_1']], bound: 2, long: 3 },
  { name: 'spinlock: two', calls: [['spin'], ['spin']] },
  {
    name: 'spinlock: two, twice',
    calls: [
      ['spin', 'spin'],
      ['spin', 'spin'],
    ],
    bound: 4,
    long: 'all',
  },
  { name: 'spinlock: three', calls: [['spin'], ['spin'], ['spin']], bound: 2, long: 4 },
  { name: 'seqcount: a writer and a reader', calls: [['seq_write'], ['seq_read']] },
  { name: 'seqcount: a writer and two readers', calls: [['seq_write'], ['seq_read'], ['seq_read']], bound: 2, long: 'all' },
  { name: 'rcuwait: one waits, one wakes', calls: [['rcuwait'], ['rcuwait_wake']] },
  { name: 'rcuwait: one waits, two wake', calls: [['rcuwait'], ['rcuwait_wake'], ['rcuwait_wake']], bound: 2, long: 'all' },
  { name: 'completion: one completes, two wait', calls: [['complete'], ['wait_complete'], ['wait_complete']], bound: 1, long: 3 },
  { name: 'folio lock: two', calls: [['folio'], ['folio']], bound: 4, long: 'all' },
  { name: 'folio lock: two, and one that only waits', calls: [['folio'], ['folio'], ['folio_wait']], bound: 2, long: 2 },
  { name: 'folio lock: one is killed', calls: [['folio'], ['folio_killable'], ['kill_1']], bound: 2, long: 2 },
  { name: 'VMA lock, counted: a writer and a reader', calls: [['vma_write'], ['vma_read']], ...COUNTED },
  {
    name: 'VMA lock, counted: a writer and two readers',
    calls: [['vma_write'], ['vma_read'], ['vma_read']],
    bound: 2,
    long: 3,
    ...COUNTED,
  },
  { name: 'VMA lock, rwsem: a writer and a reader', calls: [['vma_write'], ['vma_read']], bound: 3, long: 'all', ...RWSEM },
  { name: 'VMA lock, rwsem: a writer and two readers', calls: [['vma_write'], ['vma_read'], ['vma_read']], bound: 2, long: 3, ...RWSEM },
  { name: 'RCU: a reader and an updater', calls: [['rcu_read'], ['rcu_update']] },
];
