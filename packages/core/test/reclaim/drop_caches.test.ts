/** vm.drop_caches: clean pages of files that nobody maps go, everything else stays. */
import { EINVAL } from '@faultlab/core/base/errno';
import { folioSet, NO_FOLIO, PG_readahead } from '@faultlab/core/mm/folio';
import { drop_caches } from '@faultlab/core/reclaim/drop_caches';
import { sys_read, sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_fsync } from '@faultlab/core/syscalls/msync';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { assert, suite } from '@faultlab/test-support';
import { cachedFolio } from '../fixtures/disk.ts';
import { counter, mapFile, readPages, withReclaim } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('reclaim/drop_caches');

test('what is clean and not mapped goes; what is dirty, mapped or looked at stays until it is not', () => {
  withReclaim({ pages: 8 }, ({ cpu, file }) => {
    for (let page = 0; page < 8; page++) assert.is(sys_read(cpu, file, page), 1);
    mapFile(cpu, file, 1);
    readPages(cpu, BASE, 1);
    assert.is(sys_write(cpu, file, 1, 77), 1);
    folioSet(cpu, cachedFolio(cpu, file, 2), PG_readahead);
    const there = (): number[] => Array.from({ length: 8 }, (_, page) => page).filter((page) => cachedFolio(cpu, file, page) !== NO_FOLIO);
    assert.is(drop_caches(cpu, 1), 6);
    assert.equal(there(), [0, 1]);
    assert.is(sys_fsync(cpu, file), 0);
    sys_munmap(cpu, BASE, 1);
    assert.is(drop_caches(cpu, 3), 2);
    assert.equal(there(), []);
    assert.equal([counter(cpu, 'drop_pagecache'), counter(cpu, 'drop_slab'), counter(cpu, 'pgscan_direct')], [2, 1, 0]);
    assert.is(sys_read(cpu, file, 1), 1);
    assert.is(cpu.value, 77, 'nothing was lost');
    assert.is(counter(cpu, 'workingset_refault_file'), 0, 'who throws pages away does not want to know when they come back');
  });
});

test('slabs alone take no pages, and numbers that mean nothing are refused', () => {
  withReclaim({ pages: 1 }, ({ cpu, file }) => {
    assert.is(sys_read(cpu, file, 0), 1);
    assert.is(drop_caches(cpu, 2), 0);
    for (const wrong of [0, -1, 4, 1.5]) assert.is(drop_caches(cpu, wrong), EINVAL);
    assert.is.not(cachedFolio(cpu, file, 0), NO_FOLIO);
    assert.equal([counter(cpu, 'drop_pagecache'), counter(cpu, 'drop_slab')], [0, 1]);
  });
});

test.run();
