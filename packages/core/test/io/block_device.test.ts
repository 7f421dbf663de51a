/**
 * The ring of a device, its contents and its errors, with all CPUs on one thread: nothing here depends on time or on chance.
 */
import type { MappingId, Pfn } from '@faultlab/core/base/brand';
import { EAGAIN, EIO, ENOSPC } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import {
  claimRequest,
  completeRequest,
  hasClaimable,
  serveQueued,
  setupDevice,
  submitRequest,
  submitRequestWait,
  waitForRequest,
} from '@faultlab/core/io/block_device';
import { blockStamp, discardExtent } from '@faultlab/core/io/device_contents';
import {
  CONTENTS_FILES,
  type DeviceId,
  type IoRequest,
  NO_REQUEST,
  REQUEST_PAGES_MAX,
  type RequestId,
  requestArgument,
  requestError,
  requestPage,
} from '@faultlab/core/io/device_record';
import { readDeviceStats } from '@faultlab/core/io/device_stats';
import { END_IO_READ_FOLIOS } from '@faultlab/core/io/end_io';
import { injectedSlownessUs, setBadBlocks, setErrorRate, setSilentAfter, setSlowness } from '@faultlab/core/io/error_injection';
import { outstandingRequests, requestsInUse } from '@faultlab/core/io/outstanding';
import { COMPLETION_WORDS } from '@faultlab/core/locking/completion';
import { fileToken } from '@faultlab/core/mm/filemap';
import { folio_flags, PG_locked, PG_uptodate, readStamp, writeStamp } from '@faultlab/core/mm/folio';
import { __folio_set_locked, folioLockToIo } from '@faultlab/core/mm/folio_lock';
import { alloc_page } from '@faultlab/core/mm/page_alloc';
import { readCounters } from '@faultlab/core/trace/counters';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { DISK, ioWorld, reading, writing } from './fixtures.ts';

const test = suite('block device');
const page = (pfn: number): Pfn => pfn as Pfn;

/** Submits and waits. @returns 0 or an errno */
function io(cpu: Cpu, wanted: IoRequest): number {
  return waitForRequest(cpu, DISK, submitRequestWait(cpu, DISK, wanted));
}

function started(cpu: Cpu, wanted: IoRequest): RequestId {
  const request = submitRequest(cpu, DISK, wanted);
  assert.ok(request >= 0, 'the device is full');
  return request as RequestId;
}

test('what was written comes back, and the rest of the device is as it was', () => {
  const blocks = fc.integer({ min: 0, max: 40 });
  const write = fc.record({
    first: blocks,
    stamps: fc.array(fc.integer(), { minLength: 1, maxLength: 8 }),
    extent: fc.integer({ min: 0, max: 2 }),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 20 }), (writes) => {
      const { cpu } = ioWorld({ contents: CONTENTS_FILES, size: { deviceBlocks: 200 } });
      const model = new Map<string, number>();
      for (const { first, stamps, extent } of writes) {
        stamps.forEach((stamp, i) => {
          writeStamp(cpu, page(10 + i), stamp);
          model.set(`${extent}/${first + i}`, stamp);
        });
        assert.is(io(cpu, writing(first, 10, stamps.length, extent)), 0);
      }
      for (let extent = 0; extent < 4; extent++) {
        for (let first = 0; first < 48; first += 16) {
          assert.is(io(cpu, reading(first, 100, 16, extent)), 0);
          for (let i = 0; i < 16; i++) {
            const wanted = model.get(`${extent}/${first + i}`) ?? fileToken(extent as MappingId, first + i);
            assert.is(readStamp(cpu, page(100 + i)), wanted);
          }
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('a blank device holds zeroes, and its neighbour sees none of its writes', () => {
  const { cpu } = ioWorld();
  writeStamp(cpu, page(1), 5);
  writeStamp(cpu, page(2), 7);
  assert.is(io(cpu, writing(3, 1)), 0);
  assert.is(io(cpu, reading(4, 2)), 0);
  assert.equal([readStamp(cpu, page(2)), blockStamp(cpu, DISK, 0, 3), blockStamp(cpu, 1 as DeviceId, 0, 3)], [0, 5, 0]);
});

test('a device with no room left refuses new blocks, takes old ones, and has room again when an extent is discarded', () => {
  const { cpu } = ioWorld({ size: { deviceBlocks: 4 } });
  assert.is(io(cpu, writing(0, 1, 3, 1)), 0);
  assert.is(io(cpu, writing(0, 1, 3, 2)), ENOSPC);
  assert.is(io(cpu, writing(1, 1, 2, 1)), 0);
  discardExtent(cpu, DISK, 1);
  writeStamp(cpu, page(1), 9);
  assert.equal([io(cpu, writing(1, 1, 1, 2)), blockStamp(cpu, DISK, 2, 1), blockStamp(cpu, DISK, 1, 0)], [0, 9, 0]);
  discardExtent(cpu, DISK, 2);
  assert.is(io(cpu, writing(0, 1, 4, 3)), 0);
  assert.is(readDeviceStats(cpu.memory, DISK).errors, 1);
});

test('requests are claimed in the order of submission, no more than the queue depth at once', () => {
  const { cpu, server, memory } = ioWorld({ queueDepth: 2 });
  const sent = [0, 1, 2].map((block) => started(cpu, reading(block)));
  assert.ok(hasClaimable(server, DISK));
  const claimed = [claimRequest(server, DISK), claimRequest(server, DISK)];
  assert.equal(claimed, sent.slice(0, 2));
  assert.equal([claimRequest(server, DISK), hasClaimable(server, DISK)], [NO_REQUEST, false]);
  completeRequest(server, DISK, sent[1] as RequestId);
  assert.is(claimRequest(server, DISK), sent[2]);
  for (const request of [sent[0], sent[2]]) completeRequest(server, DISK, request as RequestId);
  for (const request of sent) assert.is(waitForRequest(cpu, DISK, request), 0);
  const { outstanding, outstandingMax, activeMax, reads } = readDeviceStats(memory, DISK);
  assert.equal([outstanding, outstandingMax, activeMax, reads], [0, 3, 2, 3]);
});

test('a full device says so, and a request that was put back can be used again', () => {
  const { cpu, server, memory } = ioWorld({ queueDepth: 1 });
  const sent = Array.from({ length: 8 }, (_, block) => started(cpu, reading(block)));
  assert.is(submitRequest(cpu, DISK, reading(9)), EAGAIN);
  assert.is(claimRequest(server, DISK), sent[0]);
  completeRequest(server, DISK, sent[0] as RequestId);
  assert.is(submitRequest(cpu, DISK, reading(9)), EAGAIN, 'a served request belongs to its submitter until it has looked');
  assert.is(waitForRequest(cpu, DISK, sent[0] as RequestId), 0);
  assert.is(submitRequest(cpu, DISK, reading(9)), sent[0]);
  assert.is(readDeviceStats(memory, DISK).full, 2);
});

test('end_io runs after the data, with the verdict, and before anybody can have the request', () => {
  const seen: number[][] = [];
  const endIo = (cpu: Cpu, device: number, request: number): void => {
    const [d, r, m] = [device as DeviceId, request as RequestId, cpu.memory];
    seen.push([requestArgument(m, d, r), requestError(m, d, r), readStamp(cpu, requestPage(m, d, r, 0)), cpu.id]);
  };
  const { cpu, server } = ioWorld({ queueDepth: 4, contents: CONTENTS_FILES, endIo: [() => {}, endIo] });
  setBadBlocks(cpu.memory, DISK, 2, 7, 1);
  const first = started(cpu, { ...reading(5, 1, 1, 2), endIo: 1, argument: 77 });
  const second = started(cpu, { ...reading(6, 2, 2, 2), endIo: 1, argument: 78 });
  for (const request of [claimRequest(server, DISK), claimRequest(server, DISK)]) completeRequest(server, DISK, request);
  assert.equal(seen, [
    [77, 0, fileToken(2 as MappingId, 5), 1],
    [78, EIO, 0, 1],
  ]);
  assert.throws(() => waitForRequest(cpu, DISK, first), /end_io/);
  assert.is(started(cpu, reading(0)), second, 'the last request to be put back is the first to be used');
});

for (const [what, bad, wanted] of [
  ['up to date and unlocked', 0, [PG_uptodate, PG_uptodate]],
  ['unlocked but not up to date, all of them, when one of their blocks is bad', 1, [0, 0]],
] as const) {
  test(`the pages of a read are ${what}`, () => {
    const { cpu, memory } = ioWorld({ contents: CONTENTS_FILES });
    setBadBlocks(memory, DISK, 3, 21, bad);
    const pages = [alloc_page(cpu), alloc_page(cpu)];
    for (const pfn of pages) {
      __folio_set_locked(cpu, pfn);
      folioLockToIo(cpu, pfn);
    }
    started(cpu, { ...reading(20, 1, 1, 3), pages, endIo: END_IO_READ_FOLIOS });
    assert.equal(
      pages.map((pfn) => folio_flags(cpu, pfn) & (PG_uptodate | PG_locked)),
      wanted,
    );
    const data = pages.map((pfn) => readStamp(cpu, pfn));
    assert.equal(data, bad === 0 ? [20, 21].map((block) => fileToken(3 as MappingId, block)) : [0, 0]);
  });
}

test('without a server the submitter serves its request, end_io and all, before the submission returns', () => {
  const ran: number[] = [];
  const { cpu, memory } = ioWorld({ endIo: [() => {}, (by) => ran.push(by.id)] });
  for (let i = 0; i < 50; i++) started(cpu, { ...reading(i), endIo: 1 });
  assert.equal([ran.length, requestsInUse(memory)], [50, 0]);
  assert.equal(readDeviceStats(memory, DISK), {
    reads: 50,
    writes: 0,
    pagesRead: 50,
    pagesWritten: 0,
    bytes: 50 * 4096,
    errors: 0,
    latencyUsTotal: 0,
    latencyUsMax: 0,
    outstanding: 0,
    outstandingMax: 1,
    activeMax: 1,
    full: 0,
  });
});

test('the same requests fail in every run of a seed, about as many as were asked for', () => {
  const failures = (seed: number): number[] => {
    const { cpu } = ioWorld();
    setErrorRate(cpu.memory, DISK, 0.1, seed);
    return Array.from({ length: 2000 }, (_, i) => i).filter(() => io(cpu, reading(0)) === EIO);
  };
  assert.equal(failures(3), failures(3));
  assert.not.equal(failures(3), failures(4));
  const count = failures(3).length;
  assert.ok(count > 140 && count < 260, `${count} of 2000 failed`);
});

test('bad blocks fail whatever touches them, and nothing is written then', () => {
  const { cpu, memory } = ioWorld();
  setBadBlocks(memory, DISK, 0, 10, 2);
  writeStamp(cpu, page(1), 4);
  const check = (first: number, count: number, wanted: number): void => assert.is(io(cpu, writing(first, 1, count)), wanted);
  check(8, 2, 0);
  check(8, 3, EIO);
  check(11, 1, EIO);
  check(12, 1, 0);
  assert.equal([blockStamp(cpu, DISK, 0, 8), blockStamp(cpu, DISK, 0, 11)], [4, 0]);
  setBadBlocks(memory, DISK, 0, 0, 0);
  check(11, 1, 0);
});

test('latency is counted from submission to service, also when the clock wraps around', () => {
  const { cpu, server, clock, memory } = ioWorld({ queueDepth: 1 });
  for (const ms of [1000, 2 ** 31 / 1000 - 1]) {
    clock.ms = ms;
    const request = started(cpu, reading(0));
    clock.ms += 3;
    completeRequest(server, DISK, claimRequest(server, DISK));
    assert.is(waitForRequest(cpu, DISK, request), 0);
  }
  const { latencyUsTotal, latencyUsMax } = readDeviceStats(memory, DISK);
  assert.equal([latencyUsTotal, latencyUsMax], [6000, 3000]);
});

test('outstanding requests are listed oldest first, with what they are for', () => {
  const { cpu, server, clock, memory } = ioWorld({ queueDepth: 1 });
  started(cpu, reading(5, 1, 2, 3));
  clock.ms += 40;
  started(cpu, writing(9));
  claimRequest(server, DISK);
  const common = { device: 0, cpu: 0 };
  const requests = outstandingRequests(memory, clock.ms + 2);
  assert.equal(
    requests.map(({ words: _, ...rest }) => rest),
    [
      { ...common, number: 1, op: 'read', state: 'in service', extent: 3, first: 5, pages: 2, sinceMs: 42 },
      { ...common, number: 2, op: 'write', state: 'queued', extent: 0, first: 9, pages: 1, sinceMs: 2 },
    ],
  );
  assert.equal(
    requests.map(({ words }) => words.length - COMPLETION_WORDS),
    [2, 1],
    'a word for each page, and those of the end',
  );
});

test('a misuse of the ring is an error', () => {
  const { cpu, server, memory } = ioWorld({ queueDepth: 1 });
  const request = started(cpu, reading(0));
  assert.throws(() => completeRequest(server, DISK, request), /not in service/);
  assert.throws(() => setupDevice(memory, 2 as DeviceId, { queueDepth: 1, contents: 0 }), /^Device 2 does not exist/);
  assert.throws(() => setupDevice(memory, DISK, { queueDepth: 0, contents: 0 }), /^The queue depth of device 0 is 0, but/);
  assert.throws(() => setErrorRate(memory, DISK, Number.NaN, 1), /error rate of device 0 is NaN/);
});

for (const count of [0, REQUEST_PAGES_MAX + 1]) {
  test(`a request of ${count} pages is refused`, () => {
    const { cpu } = ioWorld();
    assert.throws(() => submitRequest(cpu, DISK, reading(0, 1, count)), /no pages, or more/);
  });
}

test('a device falls silent with a request: that one and all later ones stay, and reports name them', () => {
  const { cpu, memory } = ioWorld();
  assert.is(io(cpu, reading(0)), 0);
  setSilentAfter(memory, DISK, 2);
  assert.is(io(cpu, reading(1)), 0);
  assert.is(io(cpu, reading(2)), 0);
  started(cpu, reading(3));
  started(cpu, reading(4));
  assert.equal(
    outstandingRequests(memory, cpu.now()).map(({ number, first }) => [number, first]),
    [
      [4, 3],
      [5, 4],
    ],
  );
  assert.is(readCounters(memory).injected_silent_device, 1);
});

test('a silent device that is served by the idle serves nothing', () => {
  const { cpu, memory } = ioWorld();
  setupDevice(memory, DISK, { queueDepth: 4, contents: CONTENTS_FILES, server: 'idle' });
  setSilentAfter(memory, DISK, 1);
  started(cpu, reading(0));
  assert.ok(serveQueued(cpu, DISK));
  started(cpu, reading(1));
  assert.not.ok(serveQueued(cpu, DISK));
});

test('errors by injection are counted, and taken back', () => {
  const { cpu, memory } = ioWorld();
  setErrorRate(memory, DISK, 1, 5);
  assert.is(io(cpu, reading(0)), EIO);
  assert.is(readCounters(memory).injected_io_error, 1);
  setErrorRate(memory, DISK, 0, 5);
  assert.is(io(cpu, reading(0)), 0);
});

test('some requests are slow, each as slow as in every run of the seed, and never slower than said', () => {
  const times = (): number[] => {
    const { cpu, memory } = ioWorld();
    setupDevice(memory, DISK, { queueDepth: 4, contents: CONTENTS_FILES, server: 'idle' });
    setErrorRate(memory, DISK, 0, 11);
    setSlowness(memory, DISK, 0.2, 500_000);
    return Array.from({ length: 300 }, () => {
      const request = started(cpu, reading(0));
      const us = injectedSlownessUs(memory, DISK, request);
      claimRequest(cpu, DISK);
      completeRequest(cpu, DISK, request);
      waitForRequest(cpu, DISK, request);
      return us;
    });
  };
  const one = times();
  const slow = one.filter((us) => us > 0);
  assert.equal(one, times());
  assert.ok(slow.length > 30 && slow.length < 90, `${slow.length} of 300 are slow`);
  assert.ok(slow.every((us) => us >= 100 && us <= 500_000));
  assert.ok(slow.some((us) => us < 5_000) && slow.some((us) => us > 100_000), 'most are short, some are long');
});

test.run();
