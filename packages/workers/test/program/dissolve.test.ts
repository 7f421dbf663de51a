/** The end of a run on one thread: a page that is being written to swap, and that nobody maps any more, does not stay behind. */
import type { CpuId, SwapId } from '@faultlab/core/base/brand';
import { NO_MM } from '@faultlab/core/base/brand';
import { cpuOffline, cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import { handedOut, leaks } from '@faultlab/core/invariants/handed_out';
import { sweep } from '@faultlab/core/invariants/sweep';
import { serveQueued, setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, type DeviceId } from '@faultlab/core/io/device_record';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { MADV_PAGEOUT, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { swapInUse, swapon } from '@faultlab/core/mm/swapfile';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { nr_writeback } from '@faultlab/core/mm/vmstat';
import { assert, suite } from '@faultlab/test-support';
import { arenaMap, withHarnessWords } from '@faultlab/workers/arena_map';
import { enterSpace, madvise, mmap, munmap, newSpace, write } from '@faultlab/workers/program/calls';
import dissolve from '@faultlab/workers/program/dissolve_work';

const test = suite('program/dissolve');
const START = 0x10000;
const PAGES = 4;
const DISK = 0 as DeviceId;
const SWAP = 0 as SwapId;

test('pages that are being written to swap when their last user goes are waited for and given back', () => {
  const size = withHarnessWords({ ...DEFAULT_SIZE, cpus: 1, swaps: 1, swapSlots: 64, devices: 1, deviceRequests: 16, deviceBlocks: 64 });
  const memory = createMachineMemory(size);
  setupDevice(memory, DISK, { queueDepth: 16, contents: CONTENTS_BLANK, server: 'idle' });
  swapon(memory, SWAP, { device: DISK });
  const cpu = createCpu({ id: 0 as CpuId, memory, now: () => performance.now(), verify: true });
  cpuOnline(cpu);
  const before = handedOut(memory);
  const space = newSpace(cpu);
  enterSpace(cpu, space);
  assert.is(mmap(cpu, START, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), START);
  for (let page = 0; page < PAGES; page++) assert.is(write(cpu, START + page, 7), 0);
  // Nobody serves the disk as long as nobody sleeps, so the writes are not over.
  assert.is(madvise(cpu, START, PAGES, MADV_PAGEOUT), 0);
  assert.is(munmap(cpu, START, PAGES), 0);
  assert.ok(nr_writeback(memory) > 0 && swapInUse(memory, SWAP) > 0, 'nothing is being written');
  cpu.idle = () => serveQueued(cpu, DISK);
  switch_mm(cpu, NO_MM);
  const context = { cpu, arena: arenaMap(size), seed: 1, arrive: () => {}, stopRequested: () => false, progress: () => {} };
  dissolve(context, { space, files: [], swaps: [SWAP] });
  assert.equal(sweep(cpu), []);
  cpuOffline(cpu);
  assert.equal(leaks(before, handedOut(memory)), []);
});

test.run();
