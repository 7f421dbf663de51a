/**
 * A work in which one CPU after the other reads a page into a locked folio, and all CPUs wait on the lock of that folio: the read must end
 * once, with the data before the flag, and every waiter must be woken.
 */
import type { MappingId, Pfn, Word } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { submitRequestWait } from '@faultlab/core/io/block_device';
import { type DeviceId, REQ_OP_READ } from '@faultlab/core/io/device_record';
import { END_IO_READ_FOLIOS } from '@faultlab/core/io/end_io';
import { atomic_fetch_add, atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { unpark } from '@faultlab/core/memory/park';
import { WAIT_ORDER } from '@faultlab/core/memory/percpu';
import { fileToken } from '@faultlab/core/mm/filemap';
import { folio_flags, folio_get, PG_uptodate, readStamp } from '@faultlab/core/mm/folio';
import { __folio_set_locked, folio_wait_locked, folioLockToIo } from '@faultlab/core/mm/folio_lock';
import { alloc_page, folio_put } from '@faultlab/core/mm/page_alloc';
import { waitOnWord } from '@faultlab/workers/doorbell';
import type { WorkContext } from '@faultlab/workers/work';

export interface FolioReaderData {
  readonly rounds: number;
  readonly cpus: number;
}

const DISK = 0 as DeviceId;
const EXTENT = 5;
/** Words of the user region: number of the round that was submitted, its folio, CPUs that have finished the round. */
const ROUND = 0;
const FOLIO = 16;
const FINISHED = 32;

/** @returns reads that failed, as this CPU saw them */
export default function folioReader(context: WorkContext, { rounds, cpus }: FolioReaderData): number {
  const { cpu } = context;
  const word = (index: number): Word => (cpu.memory.userAt + index) as Word;
  const until = (index: number, wanted: number): void => {
    for (let seen = atomic_read(cpu, word(index)); seen < wanted; seen = atomic_read(cpu, word(index))) {
      waitOnWord(cpu, WAIT_ORDER, word(index), seen, 20);
    }
  };
  let failed = 0;
  context.arrive();
  for (let round = 1; round <= rounds; round++) {
    if (round % cpus === cpu.id) {
      until(FINISHED, (round - 1) * cpus);
      const page = alloc_page(cpu);
      for (let other = 1; other < cpus; other++) folio_get(cpu, page);
      __folio_set_locked(cpu, page);
      atomic_set(cpu, word(FOLIO), page);
      folioLockToIo(cpu, page);
      submitRequestWait(cpu, DISK, {
        op: REQ_OP_READ,
        extent: EXTENT,
        first: round,
        pages: [page],
        endIo: END_IO_READ_FOLIOS,
        argument: 0,
      });
      atomic_set(cpu, word(ROUND), round);
      unpark(cpu, word(ROUND), cpus);
    }
    until(ROUND, round);
    const page = atomic_read(cpu, word(FOLIO)) as Pfn;
    folio_wait_locked(cpu, page);
    if ((folio_flags(cpu, page) & PG_uptodate) === 0) failed++;
    else if (readStamp(cpu, page) !== fileToken(EXTENT as MappingId, round))
      throw new InvariantError('data', 'up to date without its data');
    folio_put(cpu, page);
    atomic_fetch_add(cpu, word(FINISHED), 1);
    unpark(cpu, word(FINISHED), 1);
    context.progress();
  }
  return failed;
}
