/** Limits of memory cgroups: who reclaims, who waits and for how long, and what a limit that changes does. One thread. */
import type { CpuId, MmId, Vpn } from '@faultlab/core/base/brand';
import { createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { PC_WAIT_KIND, WAIT_OVER_HIGH } from '@faultlab/core/memory/percpu';
import { memcgEvents, memcgMax, memcgUsage, setMemcg, setMemcgMax, tryCharge, unchargePage } from '@faultlab/core/mm/memcg';
import { set_mm_memcg } from '@faultlab/core/mm/mm_struct';
import { isOomVictim } from '@faultlab/core/mm/oom_victim';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SYSCTL_MEMCG } from '@faultlab/core/mm/vm_sysctl';
import {
  calculate_high_delay,
  HIGH_DELAY_MS_MAX,
  mem_cgroup_handle_over_high,
  memory_high_write,
  memory_max_write,
} from '@faultlab/core/reclaim/memcg_limits';
import { SIGKILL, SIGUSR1, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import type { OnDisk } from '../fixtures/disk.ts';
import { endProcess, killable, process } from '../fixtures/oom.ts';
import { counter, mapAnonymous, mapFile, readPages, withReclaim } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('reclaim/memcg_limits');
const CGROUP = SYSCTL_MEMCG;

/** Anonymous pages that cannot go anywhere. */
function fill(cpu: Cpu, pages: number, from = 0): void {
  for (let page = from; page < from + pages; page++) assert.is(userWrite(cpu, (BASE + page) as Vpn, 5), 0, `page ${page}`);
}

/** Time passes only while the CPU sleeps; what it sleeps for is noted. */
function withTime(body: (one: OnDisk, kinds: number[], now: () => number) => void): void {
  let now = 0;
  withReclaim({ now: () => now }, (one) => {
    const kinds: number[] = [];
    one.cpu.idle = () => {
      kinds.push(one.cpu.words[one.cpu.percpu + PC_WAIT_KIND] as number);
      now += 0.5;
      return true;
    };
    body(one, kinds, () => now);
    one.cpu.idle = one.serve;
  });
}

test('the delay grows with the square of the excess and with the pages, and has an end', () => {
  withReclaim({}, ({ cpu }) => {
    mapAnonymous(cpu, 100);
    fill(cpu, 50);
    const delays = [50, 40, 25, 5].map((high) => {
      setMemcg(cpu.memory, CGROUP, { high });
      return [calculate_high_delay(cpu, CGROUP, 1), calculate_high_delay(cpu, CGROUP, 2)];
    });
    assert.equal(delays, [
      [0, 0],
      [62.5, 125],
      [1000, 2000],
      [HIGH_DELAY_MS_MAX, HIGH_DELAY_MS_MAX],
    ]);
    setMemcg(cpu.memory, CGROUP, {});
    sys_munmap(cpu, BASE, 100);
  });
});

test('a task beyond `high` that finds nothing to reclaim sleeps for the delay before it returns to its program, each time for longer', () => {
  withTime(({ cpu }, kinds, now) => {
    mapAnonymous(cpu, 20);
    fill(cpu, 8);
    setMemcg(cpu.memory, CGROUP, { high: 8 });
    const took = [8, 9, 10].map((page) => {
      const before = now();
      fill(cpu, 1, page);
      return now() - before;
    });
    assert.equal(took, [16, 62.5, 141], '1, 2 and 3 eighths too much: 15.6, 62.5 and 140.6 ms');
    assert.ok(kinds.every((kind) => kind === WAIT_OVER_HIGH));
    assert.equal([counter(cpu, 'memcg_throttled'), counter(cpu, 'memcg_throttled_us')], [3, 219_500]);
    assert.is(memcgEvents(cpu.memory, CGROUP, 'high'), 3);
    setMemcg(cpu.memory, CGROUP, {});
    sys_munmap(cpu, BASE, 20);
  });
});

test('a fatal signal ends the delay, and one that is pending before prevents it; another one does not', () => {
  withTime(({ cpu, other }, kinds, now) => {
    mapAnonymous(cpu, 20);
    fill(cpu, 10);
    setMemcg(cpu.memory, CGROUP, { high: 5 });
    const sleepWith = (act: () => void): number => {
      cpu.overHigh = CGROUP;
      cpu.pagesOverHigh = 1;
      const before = now();
      const { idle } = cpu;
      cpu.idle = () => {
        act();
        return idle?.() ?? false;
      };
      mem_cgroup_handle_over_high(cpu);
      cpu.idle = idle;
      takeSignals(cpu);
      return now() - before;
    };
    assert.is(
      sleepWith(() => {}),
      1000,
    );
    assert.is(
      sleepWith(() => send_signal(other(), cpu.id, SIGUSR1)),
      1000,
    );
    assert.is(
      sleepWith(() => send_signal(other(), cpu.id, SIGKILL)),
      0.5,
    );
    send_signal(cpu, cpu.id, SIGKILL);
    assert.is(
      sleepWith(() => {}),
      0,
    );
    assert.ok(kinds.length > 0);
    setMemcg(cpu.memory, CGROUP, {});
    sys_munmap(cpu, BASE, 20);
  });
});

test('whoever lowers `max` reclaims down to it', () => {
  withReclaim({ pages: 64 }, ({ cpu, file }) => {
    mapFile(cpu, file, 64);
    readPages(cpu, BASE, 50);
    memory_max_write(cpu, CGROUP, 20);
    assert.ok(memcgUsage(cpu, CGROUP) <= 20);
    assert.is(memcgEvents(cpu.memory, CGROUP, 'oom'), 0);
    assert.ok(counter(cpu, 'pgsteal_direct') >= 30);
    memory_max_write(cpu, CGROUP, 60);
    assert.is(memcgMax(cpu, CGROUP), 60);
    sys_munmap(cpu, BASE, 64);
  });
});

test('a `max` below what can be had stands all the same: it is an OOM event, and no charge succeeds', () => {
  withReclaim({}, ({ cpu }) => {
    mapAnonymous(cpu, 20);
    fill(cpu, 10);
    memory_max_write(cpu, CGROUP, 4);
    assert.equal([memcgUsage(cpu, CGROUP), memcgMax(cpu, CGROUP), memcgEvents(cpu.memory, CGROUP, 'oom')], [10, 4, 1]);
    assert.not(tryCharge(cpu, CGROUP));
    assert.is(memcgUsage(cpu, CGROUP), 10, 'a charge that fails leaves no trace');
    sys_munmap(cpu, BASE, 20);
    assert.ok(tryCharge(cpu, CGROUP));
    unchargePage(cpu, CGROUP);
  });
});

test('a `max` below what can be had kills, and the writer goes on until the victim has given enough back', () => {
  killable({}, ({ cpu }) => {
    const victim = process(cpu, 12);
    memory_max_write(cpu, CGROUP, 4);
    assert.ok(isOomVictim(cpu, victim));
    assert.ok(memcgUsage(cpu, CGROUP) <= 4);
    assert.equal([memcgEvents(cpu.memory, CGROUP, 'oom_kill'), counter(cpu, 'oom_kill')], [1, 1]);
    endProcess(cpu, victim);
  });
});

test('a signal ends the attempt of the writer', () => {
  withReclaim({ pages: 64 }, ({ cpu, file }) => {
    mapFile(cpu, file, 64);
    readPages(cpu, BASE, 50);
    send_signal(cpu, cpu.id, SIGUSR1);
    memory_max_write(cpu, CGROUP, 20);
    memory_high_write(cpu, CGROUP, 10);
    assert.equal([memcgUsage(cpu, CGROUP), counter(cpu, 'pgscan_direct')], [50, 0]);
    takeSignals(cpu);
    setMemcg(cpu.memory, CGROUP, {});
    sys_munmap(cpu, BASE, 64);
  });
});

test('whoever lowers `high` reclaims, as far as it goes, and nobody runs out of memory', () => {
  withReclaim({ pages: 64 }, ({ cpu, file }) => {
    mapFile(cpu, file, 64);
    readPages(cpu, BASE, 50);
    mapAnonymous(cpu, 20, BASE + 0x1000);
    for (let page = 0; page < 20; page++) userWrite(cpu, (BASE + 0x1000 + page) as Vpn, 5);
    memory_high_write(cpu, CGROUP, 30);
    assert.ok(memcgUsage(cpu, CGROUP) <= 30);
    memory_high_write(cpu, CGROUP, 10);
    assert.is(memcgUsage(cpu, CGROUP), 20, 'only what cannot go is left');
    assert.is(memcgEvents(cpu.memory, CGROUP, 'oom'), 0);
    setMemcg(cpu.memory, CGROUP, {});
    sys_munmap(cpu, BASE, 64);
    sys_munmap(cpu, BASE + 0x1000, 20);
  });
});

test('cgroups are apart: a charge beyond the limit of one takes pages of that one only', () => {
  withReclaim({ pages: 64 }, ({ cpu, mm, file, fork, exit }) => {
    setMemcg(cpu.memory, 2, { max: 8 });
    mapFile(cpu, file, 64);
    readPages(cpu, BASE, 20);
    const child = fork() as MmId;
    set_mm_memcg(cpu.memory, child, 2);
    switch_mm(cpu, child);
    readPages(cpu, BASE + 20, 30);
    assert.equal([memcgUsage(cpu, CGROUP), memcgUsage(cpu, 2) <= 8], [20, true]);
    switch_mm(cpu, mm);
    exit(child);
    setMemcg(cpu.memory, 2, {});
    sys_munmap(cpu, BASE, 64);
  });
});

test('a limit that falls between the look of a charge and its count is never passed', () => {
  withReclaim({}, ({ cpu }) => {
    setMemcg(cpu.memory, CGROUP, { max: 5 });
    const second = createCpu({ id: 1 as CpuId, memory: cpu.memory, now: () => 0, verify: true });
    for (let page = 0; page < 5; page++) assert.ok(tryCharge(page % 2 === 0 ? cpu : second, CGROUP));
    assert.not(tryCharge(cpu, CGROUP));
    setMemcgMax(second, CGROUP, 6);
    assert.ok(tryCharge(cpu, CGROUP));
    assert.not(tryCharge(second, CGROUP));
    for (let page = 0; page < 6; page++) unchargePage(cpu, CGROUP);
    assert.is(memcgUsage(cpu, CGROUP), 0);
    setMemcg(cpu.memory, CGROUP, {});
  });
});

test.run();
