/** What the sweep says about shmem is broken here, by changing words of a machine at rest, and seen. */
import type { Vpn, Word } from '@faultlab/core/base/brand';
import { sweep } from '@faultlab/core/invariants/sweep';
import { f_countWord, punchCountWord, punchWaiters } from '@faultlab/core/mm/address_space';
import { shmemRssWord } from '@faultlab/core/mm/mm_struct';
import { policyByName } from '@faultlab/core/policy/policies';
import { userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { type OnShmem, withShmem } from '../fixtures/shmem.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('invariants/broken_shmem');

/** A file of which two pages are written and mapped. @param word changes by one, and back */
function breaks(id: string, what: string, message: RegExp, word: (one: OnShmem) => Word, change = 1): void {
  test(`${id}: ${what}`, () => {
    withShmem(
      policyByName('linux-6.18'),
      (one) => {
        const { cpu } = one;
        assert.equal([userWrite(cpu, BASE as Vpn, 5), userWrite(cpu, (BASE + 1) as Vpn, 6)], [0, 0]);
        assert.equal(sweep(cpu), []);
        const at = word(one);
        const before = cpu.words[at] as number;
        cpu.words[at] = before + change;
        const found = sweep(cpu);
        cpu.words[at] = before;
        assert.ok(
          found.some((violation) => violation.id === id && message.test(violation.message)),
          JSON.stringify(found),
        );
      },
      false,
    );
  });
}

breaks('I17', 'an address space counts a page of shmem too many', /it counts 3 shmem pages, but maps 2/, ({ cpu, mm }) =>
  shmemRssWord(cpu.memory, mm),
);
breaks('Q07', 'a file has a reference that nobody has', /1 areas map it, but it has 3 references/, ({ cpu, file }) =>
  f_countWord(cpu.memory, file),
);
breaks(
  'Q07',
  'a file has fewer references than areas',
  /1 areas map it, but it has 0 references/,
  ({ cpu, file }) => f_countWord(cpu.memory, file),
  -2,
);
breaks('Q03', 'a punch never ended', /a hole is being punched into it/, ({ cpu, file }) => punchCountWord(cpu.memory, file));
breaks('Q03', 'somebody waits for a punch', /somebody waits for the end of a punch/, ({ cpu, file }) => punchWaiters(cpu.memory, file));

test.run();
