/** A handler and faulting CPUs on real threads: every fault is answered, nobody sleeps for ever, and every page holds what somebody put there. */
import type { CpuId, UffdId } from '@faultlab/core/base/brand';
import { NO_MM, NO_UFFD } from '@faultlab/core/base/brand';
import { cpuOffline, cpuOnline, createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, userfaultfd_register } from '@faultlab/core/syscalls/userfaultfd_register';
import { readCounters } from '@faultlab/core/trace/counters';
import { assert, runThreads, suite } from '@faultlab/test-support';
import { bootMemory } from '../fixtures/boot_memory.ts';
import { mapPrivate, X } from '../fixtures/userfault.ts';
import { RWSEM_6_18, SMALL_SIZE } from '../fixtures/with_cpu.ts';
import type { TortureOrder, TortureResult } from './userfault_torture.worker.ts';

const test = suite('fault/userfault_torture');
const DEADLINE_MS = 90_000;
/** More rounds find more; so many are enough to notice a lost wake-up that is there. */
const ROUNDS = 700;
const PAGES = 8;

for (const [threads, policy] of [
  [2, policyByName('linux-6.18')],
  [4, policyByName('linux-6.18')],
  [4, RWSEM_6_18],
  [4, policyByName('linux-6.0')],
] as const) {
  test(`${threads - 1} faulting threads and a handler, ${policy.name}: no fault is lost`, () => torture(threads, policy, true), {
    deadlineMs: DEADLINE_MS + 5_000,
  });
}

for (const policy of [policyByName('linux-6.18'), RWSEM_6_18]) {
  test(
    `contexts are opened and closed while 3 threads fault, ${policy.name}: no fault is lost, and none gets SIGBUS`,
    () => torture(4, policy, false),
    { deadlineMs: DEADLINE_MS + 5_000 },
  );
}

/** @param keepsOpen one context for all the time; otherwise the handler opens and closes one after the other */
async function torture(threads: number, policy: FaultPolicy, keepsOpen: boolean): Promise<void> {
  const memory = bootMemory({ ...SMALL_SIZE, cpus: threads + 1 });
  const cpu = createCpu({ id: threads as CpuId, memory, policy, now: () => performance.now(), verify: true });
  cpuOnline(cpu);
  const mm = mm_alloc(cpu);
  switch_mm(cpu, mm);
  mapPrivate(cpu, X, PAGES);
  const ctx = keepsOpen ? openContext(cpu) : NO_UFFD;
  switch_mm(cpu, NO_MM);
  cpuOffline(cpu);
  const results = await runThreads<TortureResult, TortureOrder>({
    module: new URL('./userfault_torture.worker.js', import.meta.url),
    count: threads,
    data: (index) => ({ handle: memory.handle, index, threads, mm, ctx, policy, start: X, pages: PAGES, rounds: ROUNDS }),
    deadlineMs: DEADLINE_MS,
  });
  cpuOnline(cpu);
  assert.equal(sweep(cpu), []);
  if (ctx !== NO_UFFD) userfaultfd_release(cpu, ctx);
  mmput(cpu, mm);
  cpuOffline(cpu);
  assert.equal(sweep(cpu), []);
  assert.is(
    results.reduce((sum, { wrong }) => sum + wrong, 0),
    0,
    'an access failed, or found what nobody had put there',
  );
  const { userfaults } = readCounters(memory);
  assert.ok(userfaults >= (keepsOpen ? ROUNDS / 2 : 10), `only ${userfaults} faults went to the handler`);
}

function openContext(cpu: Cpu): UffdId {
  const ctx = sys_userfaultfd(cpu) as UffdId;
  assert.is(userfaultfd_register(cpu, ctx, X, PAGES, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP), 0);
  return ctx;
}

test.run();
