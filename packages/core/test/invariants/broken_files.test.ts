/** What the sweep says about the pages of files is broken here, by changing words of a machine at rest, and seen. */
import type { Vpn, Word } from '@faultlab/core/base/brand';
import { sweep } from '@faultlab/core/invariants/sweep';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { i_size_write, nrdirtyWord } from '@faultlab/core/mm/address_space';
import { folioClear, folioSet, PG_dirty } from '@faultlab/core/mm/folio';
import * as mman from '@faultlab/core/mm/mman';
import { NR_DIRTY_THROTTLED, NR_FILE_DIRTY, NR_WRITEBACK } from '@faultlab/core/mm/vmstat';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { cachedFolio, type OnDisk, withDisk } from '../fixtures/disk.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('invariants/broken_files');

const PAGES = 3;

/** A file of three pages: the first dirty, the second mapped, of the last there is a private copy. */
function breaks(id: string, what: string, message: RegExp, damage: (one: OnDisk) => () => void): void {
  test(`${id}: ${what}`, () => {
    withDisk({ pages: PAGES }, (one) => {
      const { cpu, file } = one;
      const map = (start: number, kind: number): number =>
        sys_mmap(cpu, start, PAGES, mman.PROT_READ | mman.PROT_WRITE, kind | mman.MAP_FIXED, file, 0);
      assert.equal([map(BASE, mman.MAP_SHARED), map(BASE + 8, mman.MAP_PRIVATE)], [BASE, BASE + 8]);
      assert.equal([userWrite(cpu, BASE as Vpn, 5), userRead(cpu, (BASE + 1) as Vpn), userWrite(cpu, (BASE + 10) as Vpn, 6)], [0, 0, 0]);
      rcu_barrier(cpu);
      assert.equal(sweep(cpu), []);
      const repair = damage(one);
      const found = sweep(cpu);
      assert.ok(
        found.some((violation) => violation.id === id && message.test(violation.message)),
        JSON.stringify(found),
      );
      repair();
      sys_munmap(cpu, BASE, 16);
    });
  });
}

/** Adds one to a word, and takes it back. */
const oneMore =
  (word: (one: OnDisk) => Word) =>
  (one: OnDisk): (() => void) => {
    const { words } = one.cpu;
    const at = word(one);
    words[at] = (words[at] as number) + 1;
    return () => {
      words[at] = (words[at] as number) - 1;
    };
  };

breaks(
  'Q13',
  'the machine counts a dirty page too many',
  /the machine counts 2 dirty pages of files, but there are 1/,
  oneMore(() => NR_FILE_DIRTY),
);
breaks(
  'Q13',
  'a file counts a dirty page too many',
  /file \d+ counts 2 dirty pages, but has 1/,
  oneMore(({ cpu, file }) => nrdirtyWord(cpu.memory, file)),
);
breaks('Q13', 'a page is dirty and nobody has counted it', /file \d+ counts 1 dirty pages, but has 2/, ({ cpu, file }) => {
  folioSet(cpu, cachedFolio(cpu, file, 1), PG_dirty);
  return () => void folioClear(cpu, cachedFolio(cpu, file, 1), PG_dirty);
});
breaks(
  'Q13',
  'a page is counted as being written for ever',
  /counts 1 pages that are being written/,
  oneMore(() => NR_WRITEBACK),
);
breaks(
  'Q13',
  'a CPU is counted as throttled for ever',
  /counts 1 CPUs that are throttled/,
  oneMore(() => NR_DIRTY_THROTTLED),
);
const shorter =
  (pages: number) =>
  ({ cpu, file }: OnDisk): (() => void) => {
    i_size_write(cpu, file, pages);
    return () => i_size_write(cpu, file, PAGES);
  };
breaks('I16', 'a dirty page lies beyond the end of the file', /has 0 pages, but its page 0 is dirty/, shorter(0));
breaks('I16', 'a private copy lies beyond the end of the file', /maps page 2 of file \d+, which has 2/, shorter(2));
breaks('I16', 'a mapped page lies beyond the end of the file', /maps page 1 of file \d+, which has 1/, shorter(1));

test.run();
