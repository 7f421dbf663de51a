/** The private pages of a victim are taken while it runs, and nobody who reaches for one finds a fresh page in its place. */
import type { MappingId, MmId, Vpn } from '@faultlab/core/base/brand';
import { EFAULT, EINTR } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { FAULT_SIGBUS } from '@faultlab/core/fault/do_user_addr_fault';
import { get_user_pages_unlocked } from '@faultlab/core/fault/gup';
import { memcgUsage } from '@faultlab/core/mm/memcg';
import { MMF_OOM_SKIP, MMF_UNSTABLE, mmCountWord, mmFlagsWord, mmgrab, mmUsersWord } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import { isOomVictim } from '@faultlab/core/mm/oom_victim';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SYSCTL_MEMCG } from '@faultlab/core/mm/vm_sysctl';
import { out_of_memory } from '@faultlab/core/reclaim/oom_kill';
import { MAX_OOM_REAP_RETRIES, oomReaperStep } from '@faultlab/core/reclaim/oom_reaper';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { IN_FORK_COPY } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { kernelRead, kernelWrite, processVmRead } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { AtPoint } from '../fixtures/disk.ts';
import { endProcess, killable, process, stampOf } from '../fixtures/oom.ts';
import { counter, mapAnonymous } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('reclaim/oom_reaper');
const CGROUP = SYSCTL_MEMCG;
const KILLED = 1 << (SIGKILL - 1);
const FILE_AT = BASE + 0x1000;

const flags = (cpu: Cpu, mm: MmId): number => cpu.words[mmFlagsWord(cpu.memory, mm)] as number;

/** A process of 8 pages that has been killed, and not reaped yet. */
function withVictim(body: (cpu: Cpu, victim: MmId, file: MappingId) => void): void {
  killable({ memoryMax: 8 }, ({ cpu, file }) => {
    const victim = process(cpu, 8);
    assert.ok(out_of_memory(cpu, CGROUP));
    assert.ok(isOomVictim(cpu, victim));
    body(cpu, victim, file);
    endProcess(cpu, victim);
  });
}

test('before the reaper comes everything is there; afterwards every way to a private page ends in SIGBUS or EFAULT, and never in zero', () => {
  withVictim((cpu, victim) => {
    const home = cpu.mm;
    assert.is(processVmRead(cpu, victim, BASE as Vpn), 0);
    assert.is(cpu.value, stampOf(0));
    assert.is(oomReaperStep(cpu), 1);
    assert.equal([flags(cpu, victim) & MMF_UNSTABLE, flags(cpu, victim) & MMF_OOM_SKIP], [MMF_UNSTABLE, MMF_OOM_SKIP]);
    assert.equal([memcgUsage(cpu, CGROUP), counter(cpu, 'oom_reaped_pages')], [0, 8]);
    assert.is(processVmRead(cpu, victim, BASE as Vpn), EFAULT);
    switch_mm(cpu, victim);
    cpu.words[cpu.percpu + 17] = 0; // The signal: what is looked at is what somebody without it would find, such as a helper of the kernel.
    assert.is(userRead(cpu, (BASE + 1) as Vpn), FAULT_SIGBUS);
    assert.is(userWrite(cpu, (BASE + 2) as Vpn, 7), FAULT_SIGBUS);
    assert.is(kernelRead(cpu, (BASE + 3) as Vpn), EFAULT);
    assert.is(kernelWrite(cpu, (BASE + 4) as Vpn, 7), EFAULT);
    assert.is(get_user_pages_unlocked(cpu, (BASE + 5) as Vpn, 1, 0, []), EFAULT);
    assert.is(memcgUsage(cpu, CGROUP), 0, 'nothing came back');
    switch_mm(cpu, home);
  });
});

test('a victim has no child, whose holes would read as fresh pages: neither when it is killed before it forks, nor in the middle', () => {
  withVictim((cpu, victim) => {
    const home = cpu.mm;
    oomReaperStep(cpu);
    switch_mm(cpu, victim);
    assert.is(sys_fork(cpu), EINTR);
    assert.is(takeSignals(cpu) & KILLED, KILLED, 'it was the signal');
    switch_mm(cpu, home);
  });
  const point = new AtPoint();
  killable(
    { memoryMax: 8 },
    ({ cpu, mm: home }) => {
      const parent = process(cpu, 4);
      switch_mm(cpu, parent);
      point.once(IN_FORK_COPY, () => send_signal(cpu, cpu.id, SIGKILL));
      assert.is(sys_fork(cpu), EINTR);
      assert.is(takeSignals(cpu) & KILLED, KILLED);
      const child = sys_fork(cpu) as MmId;
      assert.ok(child > 0, 'without the signal there is one');
      mmput(cpu, child);
      switch_mm(cpu, home);
      endProcess(cpu, parent);
    },
    point,
  );
});

test('pages of a shared mapping stay, and can be faulted in again: only what is private is lost', () => {
  killable({ memoryMax: 16, faultAroundPages: 1 }, ({ cpu, file, mm: home }) => {
    const victim = process(cpu, 8);
    switch_mm(cpu, victim);
    const map = (at: number, kind: number): void =>
      assert.is(sys_mmap(cpu, at, 2, mman.PROT_READ | mman.PROT_WRITE, kind | mman.MAP_FIXED, file, 0), at);
    map(FILE_AT, mman.MAP_SHARED);
    map(FILE_AT + 8, mman.MAP_PRIVATE);
    assert.is(userRead(cpu, FILE_AT as Vpn), 0);
    const held = cpu.value;
    assert.is(userWrite(cpu, (FILE_AT + 8) as Vpn, 77), 0);
    switch_mm(cpu, home);
    mapAnonymous(cpu, 10);
    for (let page = 0; page < 10 && counter(cpu, 'oom_kill') === 0; page++) assert.is(userWrite(cpu, (BASE + page) as Vpn, 5), 0);
    oomReaperStep(cpu);
    switch_mm(cpu, victim);
    cpu.words[cpu.percpu + 17] = 0;
    assert.is(userRead(cpu, FILE_AT as Vpn), 0);
    assert.is(cpu.value, held);
    assert.is(userRead(cpu, (FILE_AT + 8) as Vpn), FAULT_SIGBUS, 'not what the file holds: a copy was written');
    switch_mm(cpu, home);
    endProcess(cpu, victim);
  });
});

test('somebody changes the layout: the reaper does not wait, comes again, and after ten times the next process may be killed', () => {
  killable({ memoryMax: 8 }, ({ cpu, other }) => {
    const second = other();
    const victim = process(cpu, 5);
    const next = process(cpu, 3);
    assert.ok(out_of_memory(cpu, CGROUP));
    mmap_write_lock(second, victim);
    for (let round = 1; round < MAX_OOM_REAP_RETRIES; round++) assert.is(oomReaperStep(cpu), 0);
    assert.equal([flags(cpu, victim) & (MMF_UNSTABLE | MMF_OOM_SKIP), counter(cpu, 'oom_reap_failed')], [0, 0]);
    assert.ok(out_of_memory(cpu, CGROUP), 'waits, and makes the tenth try');
    assert.equal([flags(cpu, victim) & (MMF_UNSTABLE | MMF_OOM_SKIP), counter(cpu, 'oom_reap_failed')], [MMF_OOM_SKIP, 1]);
    assert.ok(out_of_memory(cpu, CGROUP));
    assert.ok(isOomVictim(cpu, next));
    mmap_write_unlock(second, victim);
    endProcess(cpu, victim);
    endProcess(cpu, next);
  });
});

test('whoever reads the victim, and waits for memory meanwhile, reaps it under the lock that it has; a writer does not', () => {
  withVictim((cpu, victim) => {
    mmap_write_lock(cpu, victim);
    assert.is(oomReaperStep(cpu), 0);
    mmap_write_unlock(cpu, victim);
    mmap_read_lock(cpu, victim);
    assert.is(oomReaperStep(cpu), 1);
    mmap_read_unlock(cpu, victim);
    assert.is(memcgUsage(cpu, CGROUP), 0);
  });
});

test('its own exit is faster than the reaper: there is nothing to do, and the record lives until the reaper has seen that', () => {
  killable({ memoryMax: 8 }, ({ cpu }) => {
    const victim = process(cpu, 8);
    out_of_memory(cpu, CGROUP);
    mmput(cpu, victim);
    assert.equal([cpu.words[mmUsersWord(cpu.memory, victim)], cpu.words[mmCountWord(cpu.memory, victim)]], [0, 1]);
    assert.is(oomReaperStep(cpu), 1);
    assert.equal([cpu.words[mmCountWord(cpu.memory, victim)], counter(cpu, 'oom_reaped')], [0, 0]);
    const reborn = process(cpu, 1);
    assert.is(reborn, victim, 'the slot is the next to be used');
    assert.is(flags(cpu, reborn), 0);
    endProcess(cpu, reborn);
  });
});

test('two reapers: a victim is one’s or the other’s, and its pin is dropped once', () => {
  withVictim((cpu, victim) => {
    mmgrab(cpu, victim);
    const before = cpu.words[mmCountWord(cpu.memory, victim)] as number;
    assert.is(oomReaperStep(cpu) + oomReaperStep(cpu), 1);
    assert.is(cpu.words[mmCountWord(cpu.memory, victim)], before - 1);
    cpu.words[mmCountWord(cpu.memory, victim)] = before - 2;
  });
});

test.run();
