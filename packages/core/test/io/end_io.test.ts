/** The end of a read: a page whose waiters are about to be woken stays the page that they wait for. */
import { filemap_read_folio } from '@faultlab/core/io/file_io';
import { readWindow } from '@faultlab/core/io/readahead';
import { filemapGetOrCreate } from '@faultlab/core/mm/filemap_create';
import { folio_flags, folioGeneration, NO_FOLIO, PG_locked, PG_uptodate } from '@faultlab/core/mm/folio';
import { lru_add_drain } from '@faultlab/core/mm/folio_add_lru';
import { folio_trylock } from '@faultlab/core/mm/folio_lock';
import { folio_wake_bit } from '@faultlab/core/mm/folio_wait';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { invalidate_mapping_pages } from '@faultlab/core/mm/truncate';
import { BETWEEN_UNLOCK_AND_WAKE } from '@faultlab/core/trace/points';
import { assert, suite } from '@faultlab/test-support';
import { AtPoint, cachedFolio, withDisk } from '../fixtures/disk.ts';

const test = suite('io/end_io');

test('a page that is unlocked by the end of its read cannot be freed before its waiters are woken', () => {
  const points = new AtPoint();
  withDisk({ cached: false, pages: 2, points }, ({ cpu, file, serve }) => {
    readWindow(cpu, file, 0, 1, 0);
    const pfn = cachedFolio(cpu, file, 0);
    assert.is.not(pfn, NO_FOLIO, 'the read has not begun');
    const generation = folioGeneration(cpu.memory, pfn);
    let evicted = -1;
    points.once(BETWEEN_UNLOCK_AND_WAKE, () => {
      evicted = invalidate_mapping_pages(cpu, file, 0, 2);
    });
    assert.ok(serve());
    assert.is(points.passed, 1);
    assert.is(evicted, 0, 'the page was evicted between its unlocking and the wake-up');
    assert.is(folioGeneration(cpu.memory, pfn), generation);
    lru_add_drain(cpu);
    assert.is(invalidate_mapping_pages(cpu, file, 0, 2), 1, 'afterwards nothing keeps it');
  });
});

test('a wake-up that was meant for the frame when it was another page does not end the wait for a read', () => {
  withDisk({ cached: false, pages: 1 }, ({ cpu, file, serve }) => {
    let late = 0;
    const pfn = filemapGetOrCreate(cpu, file, 0);
    assert.ok(folio_trylock(cpu, pfn));
    cpu.idle = () => {
      if (late++ > 0) return serve();
      assert.is(folio_flags(cpu, pfn) & (PG_locked | PG_uptodate), PG_locked, 'the read is under way');
      folio_wake_bit(cpu, pfn, PG_locked);
      return true;
    };
    assert.is(filemap_read_folio(cpu, file, pfn), 0);
    assert.is(late, 2);
    folio_put(cpu, pfn);
    cpu.idle = serve;
  });
});

test.run();
