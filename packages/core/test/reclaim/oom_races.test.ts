/** A process is killed while it is left, entered, forked, looked at and ended: each race is forced into its window, at a named point. One thread. */
import type { MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MM } from '@faultlab/core/base/brand';
import { EFAULT, EINTR } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { lru_add_drain } from '@faultlab/core/mm/folio_add_lru';
import { memcgUsage } from '@faultlab/core/mm/memcg';
import { MMF_OOM_SKIP, mmCountWord, mmdrop, mmFlagsWord, mmget_not_zero, mmgrab, set_oom_score_adj } from '@faultlab/core/mm/mm_struct';
import { isOomVictim } from '@faultlab/core/mm/oom_victim';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SYSCTL_MEMCG } from '@faultlab/core/mm/vm_sysctl';
import { OOM_SCORE_ADJ_MIN, out_of_memory } from '@faultlab/core/reclaim/oom_kill';
import { oomReaperStep } from '@faultlab/core/reclaim/oom_reaper';
import { fatal_signal_pending } from '@faultlab/core/sched/task';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { BEFORE_ZAP, BETWEEN_MARK_AND_KILL, BETWEEN_UNSTABLE_AND_REAP, IN_FORK_COPY } from '@faultlab/core/trace/points';
import { userRead } from '@faultlab/core/user/access';
import { processVmRead } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { AtPoint, type OnDisk } from '../fixtures/disk.ts';
import { endProcess, killable, process, stampOf } from '../fixtures/oom.ts';
import { counter } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('reclaim/oom_races');
const CGROUP = SYSCTL_MEMCG;
const PAGES = 8;

/** A cgroup that is full of one process. The second CPU acts at the point. */
function atPoint(body: (one: OnDisk, second: Cpu, mm: MmId, points: AtPoint) => void, mapped = PAGES): void {
  const points = new AtPoint();
  killable({ memoryMax: PAGES }, (one) => body(one, one.other(), process(one.cpu, PAGES, CGROUP, mapped), points), points);
}

const kill = (cpu: Cpu): void => assert.ok(out_of_memory(cpu, CGROUP));
const readAll = (cpu: Cpu): number[] =>
  Array.from({ length: PAGES }, (_, page) => (userRead(cpu, (BASE + page) as Vpn) === 0 ? cpu.value : -1));
const WRITTEN = Array.from({ length: PAGES }, (_, page) => stampOf(page));

test('a CPU that leaves the victim between the mark and the signals is not told: what it does next lives', () => {
  atPoint(({ cpu, mm: home }, second, victim, points) => {
    switch_mm(second, victim);
    points.once(BETWEEN_MARK_AND_KILL, () => switch_mm(second, home));
    kill(cpu);
    assert.is(points.passed, 1);
    assert.equal([isOomVictim(cpu, victim), fatal_signal_pending(second)], [true, false]);
    switch_mm(second, NO_MM);
    endProcess(cpu, victim);
  });
});

test('a CPU that enters the victim between the mark and the signals is told when it enters', () => {
  atPoint(({ cpu, mm: home }, second, victim, points) => {
    switch_mm(second, home);
    let told = false;
    points.once(BETWEEN_MARK_AND_KILL, () => {
      switch_mm(second, victim);
      told = fatal_signal_pending(second);
    });
    kill(cpu);
    assert.equal([points.passed, told], [1, true]);
    switch_mm(second, NO_MM);
    endProcess(cpu, victim);
  });
});

test('between UNSTABLE and the first page taken: what is there is still read, and what is not there any more cannot come', () => {
  atPoint(({ cpu }, second, victim, points) => {
    kill(cpu);
    let seen: number[] = [];
    points.once(BETWEEN_UNSTABLE_AND_REAP, () => {
      seen = [processVmRead(second, victim, BASE as Vpn), second.value, processVmRead(second, victim, (BASE + PAGES) as Vpn)];
    });
    assert.is(oomReaperStep(cpu), 1);
    assert.equal(seen, [0, stampOf(0), EFAULT]);
    endProcess(cpu, victim);
  }, PAGES + 1);
});

test('the reaper comes while the victim ends by itself: both take pages, each page goes once', () => {
  atPoint(({ cpu }, second, victim, points) => {
    kill(cpu);
    points.once(BEFORE_ZAP, () => assert.is(oomReaperStep(second), 1));
    mmput(cpu, victim);
    assert.is(points.passed, 1);
    assert.equal([counter(cpu, 'oom_reaped'), counter(cpu, 'oom_reaped_pages'), memcgUsage(cpu, CGROUP)], [1, PAGES, 0]);
    assert.is(cpu.words[mmCountWord(cpu.memory, victim)], 0);
  });
});

test('a parent is killed in the middle of its fork: the reaper waits for its turn, and there is no child', () => {
  atPoint(({ cpu, mm: home }, second, parent, points) => {
    switch_mm(cpu, parent);
    points.once(IN_FORK_COPY, () => {
      kill(second);
      assert.is(oomReaperStep(second), 0, 'the layout is being copied');
    });
    assert.is(sys_fork(cpu), EINTR);
    assert.equal([points.passed, isOomVictim(cpu, parent)], [1, true]);
    assert.is(memcgUsage(cpu, CGROUP), PAGES, 'what the child had got has gone');
    assert.is(oomReaperStep(second), 1);
    assert.is(memcgUsage(cpu, CGROUP), 0);
    switch_mm(cpu, home);
    endProcess(cpu, parent);
  });
});

test('a child is killed in the middle of its birth: it is born, told when it first runs, and its parent has all pages', () => {
  atPoint(({ cpu, mm: home }, second, parent, points) => {
    switch_mm(cpu, parent);
    points.once(IN_FORK_COPY, () => {
      set_oom_score_adj(cpu.memory, parent, OOM_SCORE_ADJ_MIN);
      kill(second);
      assert.is(oomReaperStep(second), 0, 'its layout is being made');
    });
    const child = sys_fork(cpu) as MmId;
    assert.equal([points.passed, isOomVictim(cpu, parent), isOomVictim(cpu, child)], [1, false, true]);
    assert.is(oomReaperStep(second), 1);
    assert.is(processVmRead(second, child, BASE as Vpn), EFAULT);
    assert.equal(readAll(cpu), WRITTEN);
    switch_mm(cpu, child);
    assert.ok(fatal_signal_pending(cpu));
    switch_mm(cpu, home);
    endProcess(cpu, parent);
    endProcess(cpu, child);
  });
});

test('whoever looks from outside has a pin, and a use for each look: it may be the last one, and then the process ends there', () => {
  atPoint(({ cpu }, second, mm) => {
    mmgrab(second, mm);
    assert.ok(mmget_not_zero(second, mm));
    lru_add_drain(cpu); // Pages in its batch would outlive their process.
    mmput(cpu, mm);
    assert.is(memcgUsage(cpu, CGROUP), PAGES, 'it lives, by that one use');
    assert.is(processVmRead(second, mm, BASE as Vpn), 0);
    assert.is(second.value, stampOf(0));
    mmput(second, mm);
    assert.is(memcgUsage(cpu, CGROUP), 0);
    assert.is((cpu.words[mmFlagsWord(cpu.memory, mm)] as number) & MMF_OOM_SKIP, MMF_OOM_SKIP, 'the killer passes it over');
    assert.not.ok(mmget_not_zero(second, mm), 'only the record is left');
    const next = process(cpu, 1);
    assert.is.not(next, mm, 'whose slot is nobody else’s');
    mmdrop(second, mm);
    endProcess(cpu, next);
  });
});

test.run();
