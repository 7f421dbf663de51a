/** Generations of pages are broken here, and the sweep sees it. */
import type { Pfn } from '@faultlab/core/base/brand';
import { sweep } from '@faultlab/core/invariants/sweep';
import { folioGenWord } from '@faultlab/core/mm/folio';
import { lru_add_drain } from '@faultlab/core/mm/folio_add_lru';
import { agingWord, GEN_FILE, maxSeqWord, minSeqWord } from '@faultlab/core/mm/lru_gen';
import { SYSCTL_MEMCG, setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { assert, suite } from '@faultlab/test-support';
import { cachedFolio, type OnDisk } from '../fixtures/disk.ts';
import { withReclaim } from '../fixtures/reclaim.ts';

const test = suite('invariants/broken_lru_gen');

/** @param word which is given a wrong value @param message what the sweep says then */
function breaks(id: string, what: string, message: RegExp, wrong: (one: OnDisk, page: Pfn) => { word: number; value: number }): void {
  test(`${id}: ${what}`, () => {
    withReclaim({ pages: 2, sysctl: { lruGen: 3 } }, (one) => {
      const { cpu, file } = one;
      sys_read(cpu, file, 0);
      lru_add_drain(cpu);
      assert.equal(sweep(cpu), []);
      const { word, value } = wrong(one, cachedFolio(cpu, file, 0));
      const before = cpu.words[word] as number;
      cpu.words[word] = value;
      const found = sweep(cpu);
      cpu.words[word] = before;
      assert.ok(
        found.some((violation) => violation.id === id && message.test(violation.message)),
        JSON.stringify(found),
      );
    });
  });
}

breaks(
  'I35',
  'a page on a list is of no generation',
  /frame \d+ is on a list of generations, but says that it is of -1/,
  ({ cpu }, page) => ({
    word: folioGenWord(cpu.memory, page),
    value: 0,
  }),
);
breaks('I35', 'there are too many generations', /the generations are from 0 to 7/, ({ cpu }) => ({
  word: maxSeqWord(cpu.memory, SYSCTL_MEMCG),
  value: 7,
}));
breaks('I35', 'there are too few generations', /the generations are from 3 to 3/, ({ cpu }) => ({
  word: minSeqWord(cpu.memory, SYSCTL_MEMCG, GEN_FILE),
  value: 3,
}));
breaks('I35', 'a generation that is over has pages', /a generation that is over has pages/, ({ cpu }) => ({
  word: minSeqWord(cpu.memory, SYSCTL_MEMCG, GEN_FILE),
  value: 1,
}));
breaks('Q10', 'somebody has not finished aging', /cgroup 1 is being aged/, ({ cpu }) => ({
  word: agingWord(cpu.memory, SYSCTL_MEMCG),
  value: 2,
}));

test('I35: pages are on lists of the kind that is not in use', () => {
  withReclaim({ pages: 2, sysctl: { lruGen: 3 } }, ({ cpu, file }) => {
    sys_read(cpu, file, 0);
    lru_add_drain(cpu);
    setSysctl(cpu.memory, { lruGen: 0 });
    const found = sweep(cpu);
    setSysctl(cpu.memory, { lruGen: 3 });
    assert.ok(
      found.some(({ id, message }) => id === 'I35' && /that kind of list is not in use/.test(message)),
      JSON.stringify(found),
    );
  });
});

test('I35: a page on no list says that it is of a generation', () => {
  withReclaim({ pages: 2, sysctl: { lruGen: 3 } }, ({ cpu, file }) => {
    sys_read(cpu, file, 0);
    const page = cachedFolio(cpu, file, 0);
    lru_add_drain(cpu);
    setSysctl(cpu.memory, { lruGen: 0 });
    const found = sweep(cpu);
    setSysctl(cpu.memory, { lruGen: 3 });
    assert.ok(
      found.some(({ id, message }) => id === 'I35' && message.startsWith(`frame ${page} is on no list`)),
      JSON.stringify(found),
    );
  });
});

test.run();
