/**
 * Q01, I02, I07, Q03: at rest every mmap_lock is free, as the lists of held locks say too; the write sequence is even; nobody waits for readers.
 * Next: invariants/page_tables.ts
 */
import type { CpuId, MmId } from '../base/brand.ts';
import { MODE_WRITE, readHeld } from '../locking/held_locks.ts';
import { RWSEM_READER_MASK, RWSEM_READER_SHIFT, RWSEM_WRITER_LOCKED } from '../locking/rwsem_word.ts';
import { mmapLockWord, mmLockSeqWord, vmaWriterWaitWord } from '../mm/mm_struct.ts';
import { rwsemProblem } from './locks_free.ts';
import type { SweepState } from './sweep_state.ts';

export function sweepMmapLocks(state: SweepState): void {
  const { m } = state;
  for (const { mm } of state.spaces) {
    const problem = rwsemProblem(m, mmapLockWord(m, mm));
    if (problem !== undefined) state.report('Q01', `mm ${mm}: mmap_lock ${problem}`);
    sweepOwners(state, mm);
    const sequence = m.words[mmLockSeqWord(m, mm)] as number;
    if ((sequence & 1) !== 0) state.report('I07', `mm ${mm}: the write sequence is ${sequence}, as if a write section were open`);
    const waiter = m.words[vmaWriterWaitWord(m, mm)] as number;
    if (waiter !== 0) state.report('Q03', `mm ${mm}: CPU ${waiter - 1} is noted as waiting for the readers of an area`);
  }
}

/** Nobody moves, so the count and the lists must agree exactly. */
function sweepOwners(state: SweepState, mm: MmId): void {
  const { m } = state;
  const word = mmapLockWord(m, mm);
  let readers = 0;
  let writers = 0;
  for (let id = 0; id < m.size.cpus; id++) {
    for (const held of readHeld(m, id as CpuId)) {
      if (held.word !== word) continue;
      if (held.mode === MODE_WRITE) writers++;
      else readers++;
    }
  }
  const count = m.words[word] as number;
  const counted = (count & RWSEM_READER_MASK) >>> RWSEM_READER_SHIFT;
  const written = (count & RWSEM_WRITER_LOCKED) !== 0 ? 1 : 0;
  if (counted === readers && written === writers) return;
  state.report('I02', `mm ${mm}: mmap_lock counts ${counted} readers and ${written} writers, but ${readers} and ${writers} hold it`);
}
