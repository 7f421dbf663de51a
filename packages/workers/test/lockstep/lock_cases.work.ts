/**
 * Carries out the calls of a lock case. Who is inside says so in a word of the funnel, so that the search sees whom it concerns; whoever finds
 * somebody else there whom the lock should have kept out has found the lock broken.
 */
import type { CpuId, MmId, Pfn, VmaId, Word } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { busted_lock, busted_unlock } from '@faultlab/core/locking/busted_lock';
import { complete_all, wait_for_completion } from '@faultlab/core/locking/completion';
import { mutex_lock, mutex_lock_killable, mutex_trylock, mutex_unlock } from '@faultlab/core/locking/mutex';
import { rcu_read_lock, rcu_read_unlock, synchronize_rcu } from '@faultlab/core/locking/rcu';
import { rcuwait_wait_event, rcuwait_wake_up } from '@faultlab/core/locking/rcuwait';
import {
  down_read,
  down_read_killable,
  down_read_trylock,
  down_write,
  down_write_killable,
  down_write_trylock,
  downgrade_write,
  up_read,
  up_write,
} from '@faultlab/core/locking/rwsem';
import { read_seqcount_begin, read_seqcount_retry, write_seqcount_begin, write_seqcount_end } from '@faultlab/core/locking/seqcount';
import { spin_lock, spin_unlock } from '@faultlab/core/locking/spinlock';
import { atomic_fetch_add, atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { folio_lock, folio_lock_killable, folio_unlock, folio_wait_locked } from '@faultlab/core/mm/folio_lock';
import { mmap_write_lock, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import { vma_end_read, vma_start_read, vma_start_write } from '@faultlab/core/mm/vma_lock';
import { VMA_LOCKED } from '@faultlab/core/mm/vma_start_read';
import { SIGKILL, send_signal, TASK_UNINTERRUPTIBLE } from '@faultlab/core/sched/task';
import type { WorkContext } from '@faultlab/workers/work';
import type { LockCall } from './lock_cases.ts';

/** A reader counts one, a writer so much. */
const WRITER = 0x10000;
const READER = 1;
export const PAGE = 1 as Pfn;

/** Lines of the user words. The first two words say which address space and which area there is. */
const LINE = 16;
const LOCK = 4;
const INSIDE = 8;
const VALUE = 10;

export default function lockCase(context: WorkContext, calls: readonly LockCall[]): void {
  context.arrive();
  const one = new LockCaller(context);
  for (const call of calls) one.make(call);
}

class LockCaller {
  readonly #cpu: WorkContext['cpu'];
  readonly #lock: Word;
  readonly #inside: Word;
  readonly #value: Word;

  constructor({ cpu }: WorkContext) {
    this.#cpu = cpu;
    const line = (number: number): Word => (cpu.memory.userAt + number * LINE) as Word;
    this.#lock = line(LOCK);
    this.#inside = line(INSIDE);
    this.#value = line(VALUE);
  }

  make(call: LockCall): void {
    this.#calls[call](this.#cpu, this.#lock);
  }

  readonly #calls: Readonly<Record<LockCall, (cpu: WorkContext['cpu'], lock: Word) => void>> = {
    read: (cpu, lock) => this.#ifTaken(down_read(cpu, lock) === undefined, READER, () => up_read(cpu, lock)),
    read_killable: (cpu, lock) => this.#ifTaken(down_read_killable(cpu, lock) === 0, READER, () => up_read(cpu, lock)),
    try_read: (cpu, lock) => this.#ifTaken(down_read_trylock(cpu, lock), READER, () => up_read(cpu, lock)),
    write: (cpu, lock) => this.#ifTaken(down_write(cpu, lock) === undefined, WRITER, () => up_write(cpu, lock)),
    write_killable: (cpu, lock) => this.#ifTaken(down_write_killable(cpu, lock) === 0, WRITER, () => up_write(cpu, lock)),
    try_write: (cpu, lock) => this.#ifTaken(down_write_trylock(cpu, lock), WRITER, () => up_write(cpu, lock)),
    write_downgrade: (cpu, lock) => {
      down_write(cpu, lock);
      this.#leaveBy(WRITER, () => downgrade_write(cpu, lock));
      this.#leaveBy(READER, () => up_read(cpu, lock));
    },
    mutex: (cpu, lock) => this.#ifTaken(mutex_lock(cpu, lock) === undefined, WRITER, () => mutex_unlock(cpu, lock)),
    mutex_killable: (cpu, lock) => this.#ifTaken(mutex_lock_killable(cpu, lock) === 0, WRITER, () => mutex_unlock(cpu, lock)),
    mutex_try: (cpu, lock) => this.#ifTaken(mutex_trylock(cpu, lock), WRITER, () => mutex_unlock(cpu, lock)),
    spin: (cpu, lock) => this.#ifTaken(spin_lock(cpu, lock) === undefined, WRITER, () => spin_unlock(cpu, lock)),
    busted: (cpu, lock) => this.#ifTaken(busted_lock(cpu, lock) === undefined, WRITER, () => busted_unlock(cpu, lock)),
    folio: (cpu) => this.#ifTaken(folio_lock(cpu, PAGE) === undefined, WRITER, () => folio_unlock(cpu, PAGE)),
    folio_killable: (cpu) => this.#ifTaken(folio_lock_killable(cpu, PAGE) === 0, WRITER, () => folio_unlock(cpu, PAGE)),
    folio_wait: (cpu) => folio_wait_locked(cpu, PAGE),
    kill_1: (cpu) => send_signal(cpu, 1 as CpuId, SIGKILL),
    rcuwait: (cpu, lock) => void rcuwait_wait_event(cpu, lock, () => atomic_read(cpu, this.#value) !== 0, TASK_UNINTERRUPTIBLE),
    rcuwait_wake: (cpu, lock) => {
      atomic_fetch_add(cpu, this.#value, 1);
      rcuwait_wake_up(cpu, lock);
    },
    complete: complete_all,
    wait_complete: wait_for_completion,
    seq_write: () => this.#seqWrite(),
    seq_read: () => this.#seqRead(),
    vma_read: () => this.#vmaRead(),
    vma_write: () => this.#vmaWrite(),
    rcu_read: () => this.#rcuRead(),
    rcu_update: () => this.#rcuUpdate(),
  };

  #ifTaken(taken: boolean, weight: number, release: () => void): void {
    if (taken) this.#leaveBy(weight, release);
  }

  /** Inside: nobody whom the lock keeps out may be there, now or when this CPU leaves. */
  #leaveBy(weight: number, release: () => void): void {
    const before = atomic_fetch_add(this.#cpu, this.#inside, weight);
    const wrong = weight === WRITER ? before !== 0 : before >= WRITER;
    if (wrong) throw new InvariantError('I01', 'two CPUs are inside of one lock');
    atomic_fetch_add(this.#cpu, this.#inside, -weight);
    release();
  }

  /** Two words that are equal outside of the section. */
  #seqWrite(): void {
    const cpu = this.#cpu;
    write_seqcount_begin(cpu, this.#lock);
    atomic_fetch_add(cpu, this.#value, 1);
    atomic_fetch_add(cpu, (this.#value + 1) as Word, 1);
    write_seqcount_end(cpu, this.#lock);
  }

  #seqRead(): void {
    const cpu = this.#cpu;
    for (;;) {
      const start = read_seqcount_begin(cpu, this.#lock);
      const one = atomic_read(cpu, this.#value);
      const other = atomic_read(cpu, (this.#value + 1) as Word);
      if (read_seqcount_retry(cpu, this.#lock, start)) continue;
      if (one !== other) throw new InvariantError('I01', 'a read section saw half of a write section');
      return;
    }
  }

  #vmaRead(): void {
    const cpu = this.#cpu;
    const [mm, vma] = cpu.memory.user as unknown as [MmId, VmaId];
    rcu_read_lock(cpu);
    const answer = vma_start_read(cpu, mm, vma);
    rcu_read_unlock(cpu);
    this.#ifTaken(answer === VMA_LOCKED, READER, () => vma_end_read(cpu, vma));
  }

  #vmaWrite(): void {
    const cpu = this.#cpu;
    const [mm, vma] = cpu.memory.user as unknown as [MmId, VmaId];
    mmap_write_lock(cpu, mm);
    vma_start_write(cpu, vma);
    this.#leaveBy(WRITER, () => mmap_write_unlock(cpu, mm));
  }

  /** What is found in a read section is not freed before its end: 2 means freed. */
  #rcuRead(): void {
    const cpu = this.#cpu;
    rcu_read_lock(cpu);
    const found = atomic_read(cpu, this.#value) === 0;
    if (found && atomic_read(cpu, (this.#value + 1) as Word) === 2) throw new InvariantError('I28', 'freed inside of a read section');
    rcu_read_unlock(cpu);
  }

  #rcuUpdate(): void {
    const cpu = this.#cpu;
    atomic_set(cpu, this.#value, 1);
    synchronize_rcu(cpu);
    atomic_set(cpu, (this.#value + 1) as Word, 2);
  }
}
