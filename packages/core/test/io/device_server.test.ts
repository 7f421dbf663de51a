/**
 * A device that serves by a clock which the test moves: when each request is due, how many are in service, and in what order they end.
 */
import { MachineStopped } from '@faultlab/core/base/errors';
import { claimRequest, setDeviceSilent, submitRequest } from '@faultlab/core/io/block_device';
import type { RequestId } from '@faultlab/core/io/device_record';
import { NO_REQUEST, REQUEST_DONE, requestState } from '@faultlab/core/io/device_record';
import { DeviceServer } from '@faultlab/core/io/device_server';
import { readDeviceStats } from '@faultlab/core/io/device_stats';
import type { LatencyModel } from '@faultlab/core/io/latency_model';
import { ServiceQueue } from '@faultlab/core/io/service_queue';
import { FROZEN_FROM_OUTSIDE, H_FREEZE } from '@faultlab/core/memory/header';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { DISK, type IoWorld, ioWorld, reading } from './fixtures.ts';

const test = suite('device server');
const list = (...ms: number[]): LatencyModel => ({ kind: 'list', us: ms.map((time) => time * 1000) });

/** Submits as many requests as there are times, all at once, and moves the clock. @returns when each was served, on a clock that starts at 0 */
function serveTimes(depth: number, times: readonly number[], stepMs = 1): number[] {
  const { cpu, server, clock, memory } = ioWorld({ queueDepth: depth });
  const device = new DeviceServer(server, DISK, list(...times), 1);
  const startMs = clock.ms;
  const requests = times.map((_, block) => submitRequest(cpu, DISK, reading(block)) as RequestId);
  const served = requests.map(() => -1);
  for (let left = requests.length; left > 0; clock.ms += stepMs) {
    while (device.pass());
    requests.forEach((request, i) => {
      if (served[i] !== -1 || requestState(memory, DISK, request) !== REQUEST_DONE) return;
      served[i] = clock.ms - startMs;
      left--;
    });
    assert.ok(clock.ms < startMs + 10_000, 'the device does not finish');
  }
  assert.ok(readDeviceStats(memory, DISK).activeMax <= depth);
  return served;
}

const check = (depth: number, times: readonly number[], wanted: readonly number[]): void =>
  test(`depth ${depth}: requests that take ${times.join(', ')} ms end after ${wanted.join(', ')} ms`, () => {
    assert.equal(serveTimes(depth, times), wanted);
  });
check(1, [5, 1, 2], [5, 6, 8]);
check(2, [5, 1, 2], [5, 1, 3]);
check(2, [5, 5, 5, 5], [5, 5, 10, 10]);
check(3, [9, 3, 6, 1, 1], [9, 3, 6, 4, 5]);
check(8, [4, 3, 2, 1], [4, 3, 2, 1]);
check(1, [0, 0, 0], [0, 0, 0]);

test('a device that looks late is not late for good: the next request started when its place was left', () => {
  assert.equal(serveTimes(1, [2, 2, 2, 2], 8), [8, 8, 8, 8]);
  assert.equal(serveTimes(1, [5, 5], 7), [7, 14]);
});

test('the service queue ends requests by due time, whatever the times and the depth', () => {
  const times = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 5 }), takes: fc.integer({ min: 0, max: 20 }) }), { maxLength: 30 });
  fc.assert(
    fc.property(times, fc.integer({ min: 1, max: 5 }), (requests, depth) => {
      const queue = new ServiceQueue(depth);
      const places = new Array<number>(depth).fill(0);
      const due: number[] = [];
      let last = 0;
      let submitMs = 0;
      const take = (): number => {
        const next = queue.nextDueMs;
        assert.is(queue.takeDue(next - 0.5), NO_REQUEST);
        const request = queue.takeDue(next);
        assert.is(due[request], next);
        assert.ok(next >= last, 'a request ended before one that was due earlier');
        last = next;
        return request;
      };
      requests.forEach(({ gap, takes }, i) => {
        submitMs += gap;
        if (queue.full) take();
        const wanted = Math.max(submitMs, Math.min(...places)) + takes;
        places[places.indexOf(Math.min(...places))] = wanted;
        due.push(queue.start(i as RequestId, submitMs, takes));
        assert.is(due[i], wanted);
      });
      while (queue.nextDueMs !== Number.POSITIVE_INFINITY) take();
    }),
  );
});

test('a silent device neither claims nor completes, and goes on where it was', () => {
  const { cpu, server, clock }: IoWorld = ioWorld({ queueDepth: 4 });
  const device = new DeviceServer(server, DISK, list(1), 1);
  submitRequest(cpu, DISK, reading(0));
  assert.not.ok(device.pass());
  setDeviceSilent(cpu, DISK, true);
  clock.ms += 50;
  submitRequest(cpu, DISK, reading(1));
  assert.not.ok(device.pass());
  setDeviceSilent(cpu, DISK, false);
  assert.ok(device.pass());
  assert.not.ok(device.pass());
  clock.ms += 1;
  assert.ok(device.pass());
  assert.is(claimRequest(server, DISK), NO_REQUEST);
});

test('a frozen machine ends its devices', () => {
  const { server, memory } = ioWorld({ queueDepth: 1 });
  memory.words[H_FREEZE] = FROZEN_FROM_OUTSIDE;
  assert.throws(
    () => new DeviceServer(server, DISK, list(1), 1).serve(),
    (error: Error) => error instanceof MachineStopped,
  );
});

test.run();
