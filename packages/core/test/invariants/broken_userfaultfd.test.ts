/** Q12, I31: what the sweep sees of userfaultfds, each broken by changing words of a machine at rest. */
import type { UffdId } from '@faultlab/core/base/brand';
import { mm_alloc, mmgrab } from '@faultlab/core/mm/mm_struct';
import { PTE_RW, PTE_UFFD_WP } from '@faultlab/core/mm/pte';
import {
  allocUserfaultfd,
  mapChangingLockWord,
  mmapChangingWord,
  uffdEventList,
  uffdLockWord,
  uffdReaderList,
  userfaultfd_ctx_get,
} from '@faultlab/core/mm/userfaultfd_ctx';
import { addUffdWaiter } from '@faultlab/core/mm/userfaultfd_wait';
import { set_vm_userfaultfd_ctx } from '@faultlab/core/mm/vm_area_struct';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, userfaultfd_register } from '@faultlab/core/syscalls/userfaultfd_register';
import { assert, suite } from '@faultlab/test-support';
import { add, areaAt, assertSound, dissolve, entryAt, found, RW, type World, world } from './world.ts';

const test = suite('invariants/broken_userfaultfd');

/** A sound machine with a context and an area registered with it, then the harm: the sweep reports the id, with this in the message. */
function breaks(id: string, what: string, message: RegExp, harm: (machine: World, ctx: UffdId) => void): void {
  test(`${id}: ${what}`, () => {
    const machine = world();
    const ctx = open(machine);
    assertSound(machine.cpu);
    harm(machine, ctx);
    const lines = found(machine.cpu);
    if (!lines.some((line) => line.startsWith(`${id} `) && message.test(line)))
      throw new Error(`no ${id} with ${message} among:\n  ${lines.join('\n  ')}`);
  });
}

function open({ cpu }: World): UffdId {
  const ctx = sys_userfaultfd(cpu) as UffdId;
  assert.ok(ctx > 0);
  assert.is(userfaultfd_register(cpu, ctx, RW, 32, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP), 0);
  return ctx;
}

test('a machine with an open context is sound, and so is one that has closed it', () => {
  const machine = world();
  const ctx = open(machine);
  assertSound(machine.cpu);
  userfaultfd_release(machine.cpu, ctx);
  assertSound(machine.cpu);
  dissolve(machine);
});

breaks('Q12', 'somebody waits for an event to be read', /has CPU 1 in its list "events"/, ({ m, cpu }, ctx) =>
  addUffdWaiter(cpu, uffdEventList(m, ctx), 2),
);
breaks('Q12', 'a handler waits', /has CPU 1 in its list "readers"/, ({ m, cpu }, ctx) => addUffdWaiter(cpu, uffdReaderList(m, ctx), 2));
breaks('Q12', 'a change never ended', /says that 1 changes are under way/, (w, ctx) => add(w, mmapChangingWord(w.m, ctx), 1));
breaks('Q12', 'a waiter kept its reference', /has 2 references instead of 1/, ({ cpu }, ctx) => userfaultfd_ctx_get(cpu, ctx));
breaks('Q12', 'an area forgot its context', /has the userfaultfd 0 and the flags 4608 for it/, (w) =>
  set_vm_userfaultfd_ctx(w.m, areaAt(w, w.parent, RW), 0 as UffdId),
);
breaks('Q12', 'an area leads to a context that is closed', /is registered with userfaultfd 3, which is closed/, (w) =>
  set_vm_userfaultfd_ctx(w.m, areaAt(w, w.parent, RW), 3 as UffdId),
);
breaks('Q12', 'an area leads to a context of another address space', /with userfaultfd 2 of mm 3/, (w) =>
  set_vm_userfaultfd_ctx(w.m, areaAt(w, w.parent, RW), allocUserfaultfd(w.cpu, mm_alloc(w.cpu), 0)),
);
breaks('Q10', 'the spinlock of a context is held', /the spinlock of userfaultfd 1 holds 1/, (w, ctx) => add(w, uffdLockWord(w.m, ctx), 1));
breaks('Q10', 'an answer never ended', /the rwsem of userfaultfd 1 has the count 256/, (w, ctx) =>
  add(w, mapChangingLockWord(w.m, ctx), 256),
);
breaks('Q04', 'an address space has a pin that is no context', /mm 1 is in use with 1 users and 3 pins/, ({ cpu, parent }) =>
  mmgrab(cpu, parent),
);
breaks('I31', 'a protected page may be written', /is write-protected for a userfaultfd handler, but may be written/, (w) =>
  add(w, entryAt(w, w.parent, RW), PTE_UFFD_WP | ((w.m.words[entryAt(w, w.parent, RW)] as number) & PTE_RW ? 0 : PTE_RW)),
);

test.run();
