/** Watermarks: who is woken, who reclaims, and who gives up. One thread; kswapd is a second CPU that makes steps. */
import type { Vpn } from '@faultlab/core/base/brand';
import { UsageError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { FAULT_OOM } from '@faultlab/core/fault/do_user_addr_fault';
import { PC_TASK_STATE } from '@faultlab/core/memory/percpu';
import { allocOrReclaim } from '@faultlab/core/mm/alloc_or_reclaim';
import { NO_FOLIO } from '@faultlab/core/mm/folio';
import { folio_put, nr_free_pages, nrFreeBelow } from '@faultlab/core/mm/page_alloc';
import { readSysctl, setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { KSWAPD_FAILURES_MAX, kswapdFailures, kswapdNeeded, wakeup_kswapd } from '@faultlab/core/mm/wakeup_kswapd';
import { kswapdStep, kswapdWork } from '@faultlab/core/reclaim/kswapd';
import { try_to_free_pages } from '@faultlab/core/reclaim/try_to_free_pages';
import { KTHREAD_KSWAPD, registerKthread } from '@faultlab/core/sched/kthread';
import { SIGKILL, send_signal, set_current_state, TASK_RUNNING, TASK_UNINTERRUPTIBLE, takeSignals } from '@faultlab/core/sched/task';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { counter, mapAnonymous, withReclaim } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('reclaim/kswapd');
const SIZE = { frames: 256 };

const stateOf = (cpu: Cpu): number => cpu.words[cpu.percpu + PC_TASK_STATE] as number;
const marks = (cpu: Cpu, min: number, low: number, high: number): void =>
  setSysctl(cpu.memory, { watermarkMin: min, watermarkLow: low, watermarkHigh: high });
const touch = (cpu: Cpu, page: number): number => userWrite(cpu, (BASE + page) as Vpn, 5);

test('whoever takes the frame that leaves fewer than `low` wakes kswapd, and nobody before', () => {
  withReclaim({ size: SIZE }, ({ cpu, other }) => {
    const daemon = other();
    registerKthread(cpu.memory, KTHREAD_KSWAPD, daemon.id);
    mapAnonymous(cpu, 8);
    touch(cpu, 0);
    const free = nr_free_pages(cpu.memory);
    marks(cpu, 0, free - 2, free);
    set_current_state(daemon, TASK_UNINTERRUPTIBLE);
    assert.is(touch(cpu, 1), 0);
    assert.is(touch(cpu, 2), 0);
    assert.is(stateOf(daemon), TASK_UNINTERRUPTIBLE, 'exactly `low` are free');
    assert.is(touch(cpu, 3), 0);
    assert.is(stateOf(daemon), TASK_RUNNING);
    assert.is(counter(cpu, 'allocstall'), 0, 'the task goes on');
    sys_munmap(cpu, BASE, 8);
  });
});

test('below `min` a task reclaims first, once for each frame, and one that is being killed does not', () => {
  withReclaim({ pages: 100, size: SIZE }, ({ cpu, file }) => {
    mapAnonymous(cpu, 4);
    for (let page = 0; page < 100; page++) assert.is(sys_read(cpu, file, page), 1);
    marks(cpu, nr_free_pages(cpu.memory), nr_free_pages(cpu.memory), nr_free_pages(cpu.memory));
    assert.is(touch(cpu, 0), 0, 'exactly `min` are free');
    assert.equal([counter(cpu, 'allocstall'), counter(cpu, 'pgsteal_direct')], [0, 0]);
    assert.is(touch(cpu, 1), 0);
    assert.is(counter(cpu, 'allocstall'), 1);
    assert.ok(counter(cpu, 'pgsteal_direct') >= 32);
    assert.ok(!nrFreeBelow(cpu.memory, readSysctl(cpu.memory).watermarkMin));
    marks(cpu, 255, 255, 255);
    send_signal(cpu, cpu.id, SIGKILL);
    const frame = allocOrReclaim(cpu, cpu.mm);
    assert.is.not(frame, NO_FOLIO, 'the dying may go below');
    folio_put(cpu, frame);
    takeSignals(cpu);
    assert.is(counter(cpu, 'allocstall'), 1);
    sys_munmap(cpu, BASE, 4);
  });
});

test('below `min` with nothing to reclaim there is no frame, although some are free', () => {
  withReclaim({ size: SIZE }, ({ cpu }) => {
    mapAnonymous(cpu, 4);
    marks(cpu, 256, 256, 256);
    assert.is(touch(cpu, 0), FAULT_OOM);
    assert.ok(nr_free_pages(cpu.memory) > 200);
    assert.ok(counter(cpu, 'allocstall') >= 16, 'it has tried');
    marks(cpu, 0, 256, 256);
    assert.is(touch(cpu, 0), 0);
    sys_munmap(cpu, BASE, 4);
  });
});

test('kswapd gives up after so many rounds without success, and hopes again when a task has freed something', () => {
  withReclaim({ pages: 40, size: SIZE }, ({ cpu, file, other }) => {
    const daemon = other();
    registerKthread(cpu.memory, KTHREAD_KSWAPD, daemon.id);
    marks(cpu, 0, 256, 256);
    for (let round = 0; round < KSWAPD_FAILURES_MAX; round++) {
      assert.ok(kswapdNeeded(cpu.memory), `after ${round} rounds`);
      assert.is(kswapdStep(daemon), 0);
    }
    assert.is(kswapdFailures(cpu.memory), KSWAPD_FAILURES_MAX);
    set_current_state(daemon, TASK_UNINTERRUPTIBLE);
    wakeup_kswapd(cpu);
    assert.is(stateOf(daemon), TASK_UNINTERRUPTIBLE, 'there is no hope');
    for (let page = 0; page < 40; page++) sys_read(cpu, file, page);
    assert.ok(try_to_free_pages(cpu, 0, 8) > 0);
    assert.is(kswapdFailures(cpu.memory), 0);
    wakeup_kswapd(cpu);
    assert.is(stateOf(daemon), TASK_RUNNING);
  });
});

test('the thread works until `high` is reached, and says whether it is to be asked again', () => {
  withReclaim({ pages: 120, size: SIZE }, ({ cpu, file, other }) => {
    const daemon = other();
    for (let page = 0; page < 120; page++) assert.is(sys_read(cpu, file, page), 1);
    const free = nr_free_pages(cpu.memory);
    const work = kswapdWork();
    marks(cpu, 0, free, free + 60);
    assert.not(work.pass(daemon), 'not below `low`');
    marks(cpu, 0, free + 1, free + 60);
    assert.ok(work.pass(daemon));
    assert.not(work.pass(daemon));
    assert.ok(nr_free_pages(cpu.memory) >= free + 60);
    assert.equal([counter(cpu, 'pageoutrun'), counter(cpu, 'pgsteal_direct')], [1, 0]);
    assert.is(counter(cpu, 'pgsteal_kswapd'), nr_free_pages(cpu.memory) - free);
  });
});

test('watermarks that are out of order are refused', () => {
  withReclaim({}, ({ cpu }) => {
    const before = readSysctl(cpu.memory);
    assert.throws(
      () => marks(cpu, 5, 4, 6),
      (error: unknown) => error instanceof UsageError,
    );
    assert.throws(() => marks(cpu, 1, 4, 3), /^.*watermarks are min 1, low 4 and high 3, but each must be at least as high/);
    assert.equal(readSysctl(cpu.memory), before);
  });
});

test.run();
