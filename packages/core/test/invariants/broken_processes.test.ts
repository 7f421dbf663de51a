/** What must hold of processes and of those that were killed is broken here, and the sweep sees it. */
import type { MmId } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { PC_SIGLOCK, PC_SIGPENDING } from '@faultlab/core/memory/percpu';
import {
  MMF_OOM_REAP_QUEUED,
  MMF_OOM_SKIP,
  MMF_OOM_VICTIM,
  MMF_UNSTABLE,
  mmCpumaskWord,
  mmdrop,
  mmFlagsWord,
  mmgrab,
  mmUsersWord,
} from '@faultlab/core/mm/mm_struct';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SYSCTL_MEMCG } from '@faultlab/core/mm/vm_sysctl';
import { out_of_memory } from '@faultlab/core/reclaim/oom_kill';
import { oomReaperStep } from '@faultlab/core/reclaim/oom_reaper';
import { assert, suite } from '@faultlab/test-support';
import { endProcess, killable, process } from '../fixtures/oom.ts';

const test = suite('invariants/broken_processes');

/** A process of 8 pages at the limit, on which the CPU runs. */
function breaks(id: string, what: string, message: RegExp, damage: (cpu: Cpu, mm: MmId) => () => void): void {
  test(`${id}: ${what}`, () => {
    killable({ memoryMax: 8 }, ({ cpu, mm: home }) => {
      const mm = process(cpu, 8);
      switch_mm(cpu, mm);
      assert.equal(sweep(cpu), []);
      const repair = damage(cpu, mm);
      const found = sweep(cpu);
      assert.ok(
        found.some((violation) => violation.id === id && message.test(violation.message)),
        JSON.stringify(found),
      );
      repair();
      switch_mm(cpu, home);
      endProcess(cpu, mm);
    });
  });
}

/** Changes a word, until it is repaired. */
function change(cpu: Cpu, word: number, value: number): () => void {
  const before = cpu.words[word] as number;
  cpu.words[word] = value;
  return () => {
    cpu.words[word] = before;
  };
}
const flags = (cpu: Cpu, mm: MmId): number => mmFlagsWord(cpu.memory, mm);

breaks('Q15', 'a CPU runs on a process that has no user', /1 CPUs run on it, but it has 0 users/, (cpu, mm) =>
  change(cpu, mmUsersWord(cpu.memory, mm), 0),
);
breaks('Q15', 'a CPU runs on a process without a bit in its mask', /CPU 0 runs on it, but its mask says otherwise/, (cpu, mm) =>
  change(cpu, mmCpumaskWord(cpu.memory, mm, 0), 0),
);
breaks('I34', 'a task of a killed process does not know', /CPU 0 runs on mm \d+, which was killed, and does not know/, (cpu) => {
  assert.ok(out_of_memory(cpu, SYSCTL_MEMCG));
  assert.equal(sweep(cpu), [], 'it knows');
  return change(cpu, cpu.percpu + PC_SIGPENDING, 0);
});
breaks('I34', 'a process that nobody has killed is being reaped', /the flags 1 of a victim, but nobody has killed it/, (cpu, mm) =>
  change(cpu, flags(cpu, mm), MMF_UNSTABLE),
);
breaks('I34', 'a page is there although its process was reaped', /it was reaped, but page \d+ has the entry \d+/, (cpu, mm) => {
  const repair = change(cpu, flags(cpu, mm), MMF_OOM_VICTIM | MMF_UNSTABLE | MMF_OOM_SKIP);
  const told = change(cpu, cpu.percpu + PC_SIGPENDING, 1 << 8);
  return () => {
    told();
    repair();
  };
});
breaks('I34', 'a process that was reaped waits for the reaper again', /it was reaped, and waits for the reaper again/, (cpu, mm) => {
  out_of_memory(cpu, SYSCTL_MEMCG);
  assert.is(oomReaperStep(cpu), 1);
  assert.equal(sweep(cpu), [], 'it is reaped');
  const before = cpu.words[flags(cpu, mm)] as number;
  return change(cpu, flags(cpu, mm), before | MMF_OOM_REAP_QUEUED);
});
breaks('Q04', 'a pin that nobody has', /mm \d+ is in use with 1 users and 2 pins/, (cpu, mm) => {
  mmgrab(cpu, mm);
  return () => mmdrop(cpu, mm);
});
breaks('Q10', 'the siglock of a CPU is held', /the siglock of CPU 0 is held/, (cpu) => change(cpu, cpu.percpu + PC_SIGLOCK, 1));

test.run();
