/** When nothing can be reclaimed, the largest process is killed, once; its tasks hear of it, and nobody else does. One thread. */
import type { MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MM } from '@faultlab/core/base/brand';
import { EFAULT } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { FAULT_OOM } from '@faultlab/core/fault/do_user_addr_fault';
import { LOCK_OOM } from '@faultlab/core/locking/lock_class';
import { mutex_trylock, mutex_unlock } from '@faultlab/core/locking/mutex';
import { memcgEvents, memcgUsage } from '@faultlab/core/mm/memcg';
import { MMF_OOM_SKIP, MMF_OOM_VICTIM, mmFlagsWord, set_oom_score_adj } from '@faultlab/core/mm/mm_struct';
import { isOomVictim, OOM_LOCK } from '@faultlab/core/mm/oom_victim';
import { nr_free_pages } from '@faultlab/core/mm/page_alloc';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SYSCTL_MEMCG, setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { OOM_SCORE_ADJ_MIN, oom_badness, out_of_memory } from '@faultlab/core/reclaim/oom_kill';
import { fatal_signal_pending } from '@faultlab/core/sched/task';
import { ACCESS_KILLED, userRead, userWrite } from '@faultlab/core/user/access';
import { kernelWrite } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { endProcess, killable, process } from '../fixtures/oom.ts';
import { counter, mapAnonymous } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('reclaim/oom_kill');
const CGROUP = SYSCTL_MEMCG;

/** The limit is reached by others, and the space that the CPU runs on wants one page more. */
function overTheLimit(cpu: Cpu): number {
  mapAnonymous(cpu, 2);
  return userWrite(cpu, BASE as Vpn, 7);
}

const killed = (cpu: Cpu, ...spaces: MmId[]): boolean[] => spaces.map((mm) => isOomVictim(cpu, mm));

test('the largest process of the cgroup is killed, its pages are reaped, and the access that was short of memory succeeds', () => {
  killable({ memoryMax: 12 }, ({ cpu }) => {
    const small = process(cpu, 4);
    const large = process(cpu, 8);
    assert.is(overTheLimit(cpu), 0);
    assert.equal(killed(cpu, small, large), [false, true]);
    assert.equal([counter(cpu, 'oom_kill'), memcgEvents(cpu.memory, CGROUP, 'oom_kill'), counter(cpu, 'oom_reaped')], [1, 1, 1]);
    assert.equal([counter(cpu, 'oom_reaped_pages'), memcgUsage(cpu, CGROUP)], [8, 5]);
    endProcess(cpu, small);
    endProcess(cpu, large);
  });
});

test('swap entries and page tables count, and oom_score_adj adds thousandths of all memory; the least one is for ever safe', () => {
  killable({}, ({ cpu }) => {
    const mm = process(cpu, 10);
    const plain = oom_badness(cpu, mm, 5000);
    assert.ok(plain > 10, 'ten pages, and the tables that lead to them');
    set_oom_score_adj(cpu.memory, mm, 100);
    assert.is(oom_badness(cpu, mm, 5000), plain + 500);
    set_oom_score_adj(cpu.memory, mm, OOM_SCORE_ADJ_MIN);
    assert.is(oom_badness(cpu, mm, 5000), Number.NEGATIVE_INFINITY);
    endProcess(cpu, mm);
  });
});

test('nobody can be killed: the access is told that there is no memory, as without a killer', () => {
  for (const oomKiller of [0, 1]) {
    killable({ memoryMax: 8, oomKiller }, ({ cpu }) => {
      const safe = process(cpu, 8);
      if (oomKiller === 1) set_oom_score_adj(cpu.memory, safe, OOM_SCORE_ADJ_MIN);
      assert.is(overTheLimit(cpu), FAULT_OOM);
      assert.equal([counter(cpu, 'oom_kill'), killed(cpu, safe)], [0, [false]]);
      endProcess(cpu, safe);
    });
  }
});

test('a process of another cgroup is not killed for the limit of this one', () => {
  killable({ memoryMax: 4 }, ({ cpu }) => {
    const stranger = process(cpu, 20, 0);
    const own = process(cpu, 4);
    assert.is(overTheLimit(cpu), 0);
    assert.equal(killed(cpu, stranger, own), [false, true]);
    endProcess(cpu, stranger);
    endProcess(cpu, own);
  });
});

test('the machine has no frame left: the largest process of all cgroups is killed', () => {
  killable({}, ({ cpu }) => {
    const free = nr_free_pages(cpu.memory);
    const own = process(cpu, 100);
    const large = process(cpu, free - 100, 0);
    assert.is(overTheLimit(cpu), 0);
    assert.equal(killed(cpu, own, large), [false, true]);
    endProcess(cpu, own);
    endProcess(cpu, large);
  });
});

test('a fault of kernel code over the limit is refused, and kills nobody; one of user code at the same place kills', () => {
  killable({ memoryMax: 8 }, ({ cpu }) => {
    const mm = process(cpu, 8);
    mapAnonymous(cpu, 2);
    assert.is(kernelWrite(cpu, BASE as Vpn, 7), EFAULT);
    assert.equal([counter(cpu, 'oom_kill'), killed(cpu, mm)], [0, [false]]);
    assert.is(userWrite(cpu, BASE as Vpn, 7), 0);
    assert.equal(killed(cpu, mm), [true]);
    endProcess(cpu, mm);
  });
});

test('the largest process is the one that asks: its access ends with the signal, and its next process lives', () => {
  killable({ memoryMax: 8 }, ({ cpu, mm: home }) => {
    const self = process(cpu, 8, CGROUP, 9);
    switch_mm(cpu, self);
    assert.is(userWrite(cpu, (BASE + 8) as Vpn, 7), ACCESS_KILLED);
    assert.ok(fatal_signal_pending(cpu));
    switch_mm(cpu, home);
    assert.not.ok(fatal_signal_pending(cpu), 'the signal was for the process, and went with it');
    endProcess(cpu, self);
    assert.is(memcgUsage(cpu, CGROUP), 0);
  });
});

test('every CPU that runs on the victim is told, one that has just left is not, and one that comes is told at once', () => {
  killable({ memoryMax: 8 }, ({ cpu, mm: home, other }) => {
    const second = other();
    const victim = process(cpu, 8);
    switch_mm(second, victim);
    assert.is(overTheLimit(cpu), 0);
    assert.ok(fatal_signal_pending(second));
    assert.is(userRead(second, (BASE + 1) as Vpn), ACCESS_KILLED, 'the page was reaped, and SIGKILL comes before the SIGBUS');
    switch_mm(second, home);
    assert.not.ok(fatal_signal_pending(second));
    switch_mm(second, victim);
    assert.ok(fatal_signal_pending(second), 'a new task of a killed process');
    switch_mm(second, NO_MM);
    endProcess(cpu, victim);
  });
});

test('while a victim has memory nobody else is killed; when it has none, the next one is', () => {
  killable({ memoryMax: 8 }, ({ cpu }) => {
    const first = process(cpu, 5);
    const next = process(cpu, 3);
    assert.ok(out_of_memory(cpu, CGROUP));
    cpu.words[mmFlagsWord(cpu.memory, first)] = MMF_OOM_VICTIM; // As if the reaper were far away.
    assert.ok(out_of_memory(cpu, CGROUP), 'there is hope');
    assert.equal([counter(cpu, 'oom_kill'), counter(cpu, 'oom_waited'), killed(cpu, next)], [1, 1, [false]]);
    cpu.words[mmFlagsWord(cpu.memory, first)] = MMF_OOM_VICTIM | MMF_OOM_SKIP;
    assert.ok(out_of_memory(cpu, CGROUP));
    assert.equal([counter(cpu, 'oom_kill'), killed(cpu, next)], [2, [true]]);
    cpu.words[mmFlagsWord(cpu.memory, first)] = 0; // The pin of the queue was dropped with the flag.
    endProcess(cpu, first, { pins: 1 });
    endProcess(cpu, next);
  });
});

test('one CPU chooses at a time: another one finds oom_lock taken, and only tries again', () => {
  killable({ memoryMax: 8 }, ({ cpu, other }) => {
    const mm = process(cpu, 8);
    const second = other();
    assert.ok(mutex_trylock(second, OOM_LOCK, LOCK_OOM));
    assert.ok(out_of_memory(cpu, CGROUP));
    assert.equal([counter(cpu, 'oom_kill'), counter(cpu, 'oom_waited')], [0, 1]);
    mutex_unlock(second, OOM_LOCK);
    assert.ok(out_of_memory(cpu, CGROUP));
    assert.is(counter(cpu, 'oom_kill'), 1);
    endProcess(cpu, mm);
  });
});

test('a limit that is not reached any more: nobody is killed for it', () => {
  killable({ memoryMax: 8 }, ({ cpu }) => {
    const mm = process(cpu, 8);
    setSysctl(cpu.memory, { memoryMax: 9 });
    assert.ok(out_of_memory(cpu, CGROUP));
    assert.is(counter(cpu, 'oom_kill'), 0);
    endProcess(cpu, mm);
  });
});

test.run();
