/**
 * What a run has besides anonymous memory: files, swap areas, a userfaultfd, helpers. Each is there when the programs start and gone when they have
 * ended, and a wait that nobody ends is told by its name.
 */

import type { SwapId } from '@faultlab/core/base/brand';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { readDeviceStats } from '@faultlab/core/io/device_stats';
import { FILE_DISK, FILE_SHMEM } from '@faultlab/core/mm/address_space';
import { MADV_DONTNEED, MADV_PAGEOUT } from '@faultlab/core/mm/mman';
import { nr_free_pages } from '@faultlab/core/mm/page_alloc';
import { swapMax } from '@faultlab/core/mm/swapfile';
import { UFFDIO_REGISTER_MODE_MISSING } from '@faultlab/core/syscalls/userfaultfd_register';
import { assert, suite } from '@faultlab/test-support';
import { bootMachine, type FileUse, op, type Program, type Region, runPrograms } from '@faultlab/workers';
import { mapRegion, sharedView, striped } from '@faultlab/workers/scenarios/layout';

const test = suite('run_programs');
const PATIENT = { deadlineMs: 60_000 };
const PAGES = 16;
const FAST = { latency: 'fixed:20us' };
const memory = striped('memory', 0, PAGES, 0, 1);
const file: FileUse = { name: 'file', pages: PAGES, initial: 'token', writes: { step: 1, offset: 0 }, discards: 'mine' };
const view = sharedView(file, 0, 0);
const each = (name: 'read' | 'write', region: Region) => Array.from({ length: region.pages }, (_, page) => op(name, region.start + page));

test(
  'a run reads and writes a file on a device, and gives everything back',
  async () => {
    await using machine = await bootMachine({ cpus: 1, devices: [FAST] });
    const free = nr_free_pages(machine.memory);
    const list = [
      ...each('read', view),
      ...each('write', view),
      op('fsync', 0),
      op('madvise', view.start, PAGES, MADV_DONTNEED),
      op('evict', 0),
      ...each('read', view),
      op('punch', 0, 3, 4),
      op('fread', 0, 3),
      op('truncate', 0, 5),
      op('fread', 0, 5),
      op('fwrite', 0, 9),
      ...Array.from({ length: 10 }, (_, page) => op('read', view.start + page)),
    ];
    const program: Program = { files: [file], regions: [view], body: { list }, count: 3 };
    const files = [{ pages: PAGES, kind: FILE_DISK, device: 0 }];
    const result = await runPrograms(machine, { files, setup: [mapRegion(view)], program: () => program });
    assert.is(result.verdict, 'success', `${JSON.stringify(result.violations)} ${result.postMortem?.message}`);
    const { reads, pagesWritten } = readDeviceStats(machine.memory, 0 as DeviceId);
    assert.ok(reads > 0 && pagesWritten >= PAGES, `${reads} reads, ${pagesWritten} pages written`);
    assert.is(nr_free_pages(machine.memory), free);
  },
  PATIENT,
);

test(
  'a file that a program takes for something else than it is gives a violation',
  async () => {
    await using machine = await bootMachine({ cpus: 1 });
    const program: Program = { files: [file], regions: [view], body: { list: [op('read', view.start)] }, count: 1 };
    const result = await runPrograms(machine, {
      files: [{ pages: PAGES, kind: FILE_SHMEM }],
      setup: [mapRegion(view)],
      program: () => program,
    });
    assert.equal(
      result.violations.map(({ id }) => id),
      ['I25'],
    );
  },
  PATIENT,
);

test(
  'a swap area is on while a run lasts, and off afterwards, also on a machine that runs again',
  async () => {
    await using machine = await bootMachine({ cpus: 1, devices: [FAST] });
    const list = [...each('write', memory), op('madvise', memory.start, PAGES, MADV_PAGEOUT), ...each('read', memory)];
    for (const synchronous of [false, true]) {
      const result = await runPrograms(machine, {
        swaps: [{ pages: 64, device: 0, synchronous }],
        setup: [mapRegion(memory)],
        program: () => ({ regions: [memory], body: { list }, count: 5 }),
      });
      assert.is(result.verdict, 'success', `${JSON.stringify(result.violations)} ${result.postMortem?.message}`);
      const { pswpout, pswpin, swapin_cached } = result.counters;
      assert.ok(pswpout >= PAGES, String(pswpout));
      // From the device, or from the swap cache when the device is still writing them out.
      assert.ok(pswpin + swapin_cached > 0, JSON.stringify({ pswpin, swapin_cached }));
      assert.is(swapMax(machine.memory, 0 as SwapId), 0);
    }
  },
  PATIENT,
);

test(
  'settings are those of the run while it lasts',
  async () => {
    await using machine = await bootMachine({ cpus: 1, devices: [FAST], sysctl: { faultAroundPages: 1 } });
    const run = { files: [{ pages: PAGES, kind: FILE_DISK, device: 0 }], setup: [mapRegion(view)] };
    const program: Program = { files: [file], regions: [view], body: { list: [op('fread', 0, 1), ...each('read', view)] }, count: 1 };
    const one = await runPrograms(machine, { ...run, program: () => program });
    const around = await runPrograms(machine, { ...run, sysctl: { faultAroundPages: 16 }, program: () => program });
    const again = await runPrograms(machine, { ...run, program: () => program });
    assert.is(one.counters.fault_around_mapped, 0);
    assert.ok(around.counters.faults_user < one.counters.faults_user);
    assert.is(again.counters.faults_user, one.counters.faults_user);
  },
  PATIENT,
);

const served: Region = { ...memory, discards: 'shared', fresh: 'fill' };
const register = [mapRegion(served), op('uffd_open'), op('uffd_register', served.start, PAGES, UFFDIO_REGISTER_MODE_MISSING)];

test(
  'a helper answers until the others have ended, however many operations they were told to do',
  async () => {
    await using machine = await bootMachine({ cpus: 2 });
    const list = [...each('read', served), op('madvise', served.start, PAGES, MADV_DONTNEED)];
    const result = await runPrograms(machine, {
      setup: register,
      program: (cpu) =>
        cpu === 1
          ? { regions: [served], helper: true, body: { list: [op('uffd_serve')] } }
          : { regions: [served], body: { list }, count: 4 },
    });
    assert.is(result.verdict, 'success', `${JSON.stringify(result.violations)} ${result.postMortem?.message}`);
    assert.is(result.opsByCpu[0], 4 * list.length);
    assert.is(result.counters.userfault_handled, 4 * PAGES);
  },
  PATIENT,
);

test(
  'a userfault that nobody answers is a stall, which names the wait',
  async () => {
    await using machine = await bootMachine({ cpus: 1, stallMs: 500 });
    const program: Program = { regions: [served], body: { list: [op('read', served.start)] }, count: 1 };
    const result = await runPrograms(machine, { setup: register, program: () => program });
    assert.is(result.verdict, 'stall');
    assert.match(result.postMortem?.message ?? '', /CPU 0 has made no progress for 500 ms/);
    assert.match(result.postMortem?.message ?? '', /read page=\d+ \(in it\).*userfaultfd of userfaultfd 1 for \d+ ms/);
  },
  PATIENT,
);

test.run();
