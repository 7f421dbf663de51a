/**
 * A block device: CPUs submit requests, the device claims them in that order, serves several at a time, and completes each when it is due.
 * How long a request takes is the business of whoever serves the device (io/service_queue.ts); without a server the submitter serves its
 * own request before submitRequest() returns.
 *
 *   submitting CPU                            device
 *   1 fills a request, queues it, wakes
 *                                             2 claims it, lets its time pass
 *   3 sleeps (completion, folio lock, ...)
 *                                             4 moves the data
 *                                             5 then end_io: up to date, unlock, wake  <- decides: nobody sees the flag before the data
 *
 * @kernel block/blk-mq.c blk_mq_submit_bio(), blk_mq_start_request(), blk_mq_end_request()
 * @fidelity reduced: one queue, no plugging, no merging, no time-outs
 * Next: io/device_contents.ts moves the data
 */
import { assert } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import { EAGAIN } from '../base/errno.ts';
import { UsageError } from '../base/errors.ts';
import type { Cpu } from '../cpu.ts';
import { complete, wait_for_completion } from '../locking/completion.ts';
import { noteIoSleep } from '../locking/lock_waits.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { appendSelf, firstWaiter, isQueued, NO_WAITER, removeWaiter } from '../locking/wait_list.ts';
import { atomic_read, atomic_set } from '../memory/atomic.ts';
import { nap } from '../memory/park.ts';
import { WAIT_IO } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { schedule, set_current_state, TASK_UNINTERRUPTIBLE, wake_up_process } from '../sched/task.ts';
import { count_vm_event, INJECTED_IO_ERROR, INJECTED_SILENT_DEVICE, INJECTED_SLOW_IO } from '../trace/counters.ts';
import { TRACE_BLOCK_BIO_QUEUE } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';
import { transfer } from './device_contents.ts';
import {
  CONTENTS_BLANK,
  D_ACTIVE,
  D_CONTENTS,
  D_FREE,
  D_FULL_LIST,
  D_LOCK,
  D_NUMBER,
  D_QUEUE_DEPTH,
  D_QUEUE_HEAD,
  D_QUEUE_TAIL,
  D_SERVER,
  D_SILENT,
  type DeviceId,
  deviceField,
  deviceWord,
  END_IO_NONE,
  fillRequest,
  type IoRequest,
  NO_REQUEST,
  REQ_OP_WRITE,
  REQUEST_ACTIVE,
  REQUEST_DONE,
  REQUEST_FREE,
  REQUEST_PAGES_MAX,
  REQUEST_QUEUED,
  type RequestId,
  requestCompletion,
  requestCount,
  requestEndIo,
  requestError,
  requestNext,
  requestOp,
  requestState,
  requestSubmitUs,
  SERVED_WHEN_IDLE,
  setDeviceField,
  setRequestError,
  setRequestNext,
  setRequestNumber,
  setRequestState,
} from './device_record.ts';
import { countClaimed, countFull, countServed, countSubmitted } from './device_stats.ts';
import { fallsSilent, injectedError, injectedSlownessUs } from './error_injection.ts';

export interface DeviceSetup {
  /** Requests served at the same time. */
  readonly queueDepth: number;
  /** CONTENTS_BLANK or CONTENTS_FILES. */
  readonly contents: number;
  /** The CPU that serves the device; without one every submitter serves its own request at once; 'idle': serveQueued() does, when somebody would sleep. */
  readonly server?: CpuId | 'idle';
}

const NUMBER_MAX = 0x7fffffff;
const US_PER_MS = 1000;
const lockOf = (cpu: Cpu, device: DeviceId): Word => deviceWord(cpu.memory, device, D_LOCK);

/** Microseconds on this CPU's clock, 32 bits of them. */
export const nowUs = (cpu: Cpu): number => Math.round(cpu.now() * US_PER_MS) | 0;

/** Makes every device of a fresh memory usable: blank, without a server, all requests free. */
export function initDevices(m: SharedMemory): void {
  for (let id = 0; id < m.size.devices; id++) {
    const device = id as DeviceId;
    setupDevice(m, device, { queueDepth: Math.max(1, m.size.deviceRequests), contents: CONTENTS_BLANK });
    for (let slot = m.size.deviceRequests - 1; slot >= 0; slot--) {
      setRequestNext(m, device, slot as RequestId, deviceField(m, device, D_FREE));
      setDeviceField(m, device, D_FREE, slot + 1);
    }
  }
}

/** Gives a device its properties. Nobody may have a request outstanding. @throws UsageError for a device that does not exist */
export function setupDevice(m: SharedMemory, device: DeviceId, setup: DeviceSetup): void {
  if (!Number.isInteger(device) || device < 0 || device >= m.size.devices) {
    throw new UsageError(`Device ${device} does not exist in a memory made for ${m.size.devices} devices; raise size.devices.`);
  }
  if (!Number.isInteger(setup.queueDepth) || setup.queueDepth < 1) {
    throw new UsageError(`The queue depth of device ${device} is ${setup.queueDepth}, but it must be a whole number from 1.`);
  }
  setDeviceField(m, device, D_QUEUE_DEPTH, setup.queueDepth);
  setDeviceField(m, device, D_CONTENTS, setup.contents);
  const server = setup.server === 'idle' ? SERVED_WHEN_IDLE : setup.server === undefined ? 0 : setup.server + 1;
  setDeviceField(m, device, D_SERVER, server);
}

/**
 * Starts a request; with no server it is served, end_io and all, on return. Never sleeps.
 * @locks in: none that spins, none that the end_io function takes
 * @returns the request, or EAGAIN when all requests of the device are in use
 */
export function submitRequest(cpu: Cpu, device: DeviceId, wanted: IoRequest): RequestId | typeof EAGAIN {
  spin_lock(cpu, lockOf(cpu, device));
  const request = takeFreeLocked(cpu, device);
  if (request === NO_REQUEST) countFull(cpu.memory, device);
  else startLocked(cpu, device, request, wanted);
  spin_unlock(cpu, lockOf(cpu, device));
  if (request === NO_REQUEST) return EAGAIN;
  handOver(cpu, device, request);
  return request;
}

/**
 * As submitRequest(), but sleeps while all requests are in use. Who comes later may be served first: a freed request is anybody's.
 * The caller keeps no request that it has not waited for: CPUs that do could wait for each other's for ever.
 * @locks in: none that spins; not inside an RCU read section
 */
export function submitRequestWait(cpu: Cpu, device: DeviceId, wanted: IoRequest): RequestId {
  const list = deviceWord(cpu.memory, device, D_FULL_LIST);
  const me = cpu.id + 1;
  spin_lock(cpu, lockOf(cpu, device));
  let request = takeFreeLocked(cpu, device);
  const since = cpu.now();
  const full = request === NO_REQUEST;
  if (full) countFull(cpu.memory, device);
  while (request === NO_REQUEST) {
    if (!isQueued(cpu, list, me)) appendSelf(cpu, list);
    set_current_state(cpu, TASK_UNINTERRUPTIBLE); // Before the unlock: a waker needs the lock. Pairs with: putBack().
    spin_unlock(cpu, lockOf(cpu, device));
    schedule(cpu, WAIT_IO, deviceWord(cpu.memory, device, 0));
    spin_lock(cpu, lockOf(cpu, device));
    request = takeFreeLocked(cpu, device);
  }
  if (isQueued(cpu, list, me)) removeWaiter(cpu, list, me);
  startLocked(cpu, device, request, wanted);
  spin_unlock(cpu, lockOf(cpu, device));
  if (full) noteIoSleep(cpu, since);
  handOver(cpu, device, request);
  return request;
}

/** Sleeps until a request without end_io is served, and puts it back. Exactly once for each. @returns 0 or its errno */
export function waitForRequest(cpu: Cpu, device: DeviceId, request: RequestId): number {
  assert(requestEndIo(cpu.memory, device, request) === END_IO_NONE, 'waitForRequest: the request has an end_io function, which owns it');
  const since = cpu.now();
  wait_for_completion(cpu, requestCompletion(cpu.memory, device, request));
  noteIoSleep(cpu, since);
  const error = requestError(cpu.memory, device, request);
  putBack(cpu, device, request);
  return error;
}

/** For the server: the oldest request that nobody serves, or NO_REQUEST when there is none or as many are in service as may be. */
export function claimRequest(cpu: Cpu, device: DeviceId): RequestId {
  const m = cpu.memory;
  spin_lock(cpu, lockOf(cpu, device));
  const active = deviceField(m, device, D_ACTIVE);
  const head = deviceField(m, device, D_QUEUE_HEAD);
  const request = (head - 1) as RequestId;
  if (head !== 0 && active < deviceField(m, device, D_QUEUE_DEPTH)) {
    const next = requestNext(m, device, request);
    setDeviceField(m, device, D_QUEUE_HEAD, next);
    if (next === 0) setDeviceField(m, device, D_QUEUE_TAIL, 0);
    activateLocked(cpu, device, request);
    spin_unlock(cpu, lockOf(cpu, device));
    return request;
  }
  spin_unlock(cpu, lockOf(cpu, device));
  return NO_REQUEST;
}

/** For the server, before it sleeps: is there something that claimRequest() would return? Pairs with: handOver(), which queues, then wakes. */
export function hasClaimable(cpu: Cpu, device: DeviceId): boolean {
  const m = cpu.memory;
  spin_lock(cpu, lockOf(cpu, device));
  const queued = deviceField(m, device, D_QUEUE_HEAD) !== 0;
  const room = deviceField(m, device, D_ACTIVE) < deviceField(m, device, D_QUEUE_DEPTH);
  spin_unlock(cpu, lockOf(cpu, device));
  return queued && room;
}

/**
 * Ends a claimed request: the data, the verdict, then the end_io function or the completion. The request may be somebody else's on return.
 * Never sleeps.
 */
export function completeRequest(cpu: Cpu, device: DeviceId, request: RequestId): void {
  const m = cpu.memory;
  assert(requestState(m, device, request) === REQUEST_ACTIVE, 'completeRequest: the request is not in service');
  const injected = injectedError(m, device, request);
  if (injected !== 0) count_vm_event(cpu, INJECTED_IO_ERROR);
  const error = injected === 0 ? transfer(cpu, device, request) : injected;
  const endIo = requestEndIo(m, device, request);
  spin_lock(cpu, lockOf(cpu, device));
  setRequestError(m, device, request, error);
  setRequestState(m, device, request, REQUEST_DONE);
  setDeviceField(m, device, D_ACTIVE, deviceField(m, device, D_ACTIVE) - 1);
  const tookUs = Math.max(0, (nowUs(cpu) - requestSubmitUs(m, device, request)) | 0);
  countServed(m, device, requestOp(m, device, request) === REQ_OP_WRITE, requestCount(m, device, request), error, tookUs);
  spin_unlock(cpu, lockOf(cpu, device));
  if (endIo === END_IO_NONE) {
    complete(cpu, requestCompletion(m, device, request));
    return;
  }
  const run = cpu.endIo[endIo];
  assert(run !== undefined, 'completeRequest: there is no end_io function of that number');
  run(cpu, device, request);
  putBack(cpu, device, request);
}

/** Serves everything that is queued, on this CPU: for a device that is served when somebody is idle. Never sleeps. @returns whether there was anything */
export function serveQueued(cpu: Cpu, device: DeviceId): boolean {
  if (isDeviceSilent(cpu, device)) return false;
  let served = false;
  for (let request = claimRequest(cpu, device); request !== NO_REQUEST; request = claimRequest(cpu, device)) {
    takeInjectedTime(cpu, device, request);
    completeRequest(cpu, device, request);
    served = true;
  }
  return served;
}

/** A request that is slow by injection, on a device without a CPU of its own: whoever serves it lets the time pass. */
function takeInjectedTime(cpu: Cpu, device: DeviceId, request: RequestId): void {
  const us = injectedSlownessUs(cpu.memory, device, request);
  if (us === 0) return;
  count_vm_event(cpu, INJECTED_SLOW_IO);
  nap(cpu, WAIT_IO, us / US_PER_MS);
}

/** Lets the device fall silent, or speak again: what is queued or in service stays there. For tests of what happens to those who wait. */
export function setDeviceSilent(cpu: Cpu, device: DeviceId, silent: boolean): void {
  atomic_set(cpu, deviceWord(cpu.memory, device, D_SILENT), silent ? 1 : 0); // Pairs with: isDeviceSilent().
}

/** For the server, before it claims or completes. Alone: a late answer lets one more request through. */
export function isDeviceSilent(cpu: Cpu, device: DeviceId): boolean {
  return atomic_read(cpu, deviceWord(cpu.memory, device, D_SILENT)) !== 0; // Pairs with: setDeviceSilent().
}

function takeFreeLocked(cpu: Cpu, device: DeviceId): RequestId {
  const head = deviceField(cpu.memory, device, D_FREE);
  if (head === 0) return NO_REQUEST;
  const request = (head - 1) as RequestId;
  setDeviceField(cpu.memory, device, D_FREE, requestNext(cpu.memory, device, request));
  return request;
}

function startLocked(cpu: Cpu, device: DeviceId, request: RequestId, wanted: IoRequest): void {
  const m = cpu.memory;
  assert(wanted.pages.length >= 1 && wanted.pages.length <= REQUEST_PAGES_MAX, 'submitRequest: no pages, or more than a request can move');
  const number = deviceField(m, device, D_NUMBER) === NUMBER_MAX ? 1 : deviceField(m, device, D_NUMBER) + 1;
  setDeviceField(m, device, D_NUMBER, number);
  fillRequest(m, device, request, wanted, cpu.id, nowUs(cpu));
  setRequestNumber(m, device, request, number);
  countSubmitted(m, device);
  if (fallsSilent(m, device, number)) {
    setDeviceSilent(cpu, device, true);
    count_vm_event(cpu, INJECTED_SILENT_DEVICE);
  }
  trace(cpu, TRACE_BLOCK_BIO_QUEUE, wanted.op, wanted.extent, wanted.pages.length);
  if (deviceField(m, device, D_SERVER) === 0) activateLocked(cpu, device, request);
  else enqueueLocked(m, device, request);
}

function enqueueLocked(m: SharedMemory, device: DeviceId, request: RequestId): void {
  setRequestState(m, device, request, REQUEST_QUEUED);
  setRequestNext(m, device, request, 0);
  const tail = deviceField(m, device, D_QUEUE_TAIL);
  if (tail === 0) setDeviceField(m, device, D_QUEUE_HEAD, request + 1);
  else setRequestNext(m, device, (tail - 1) as RequestId, request + 1);
  setDeviceField(m, device, D_QUEUE_TAIL, request + 1);
}

function activateLocked(cpu: Cpu, device: DeviceId, request: RequestId): void {
  const active = deviceField(cpu.memory, device, D_ACTIVE) + 1;
  setRequestState(cpu.memory, device, request, REQUEST_ACTIVE);
  setDeviceField(cpu.memory, device, D_ACTIVE, active);
  countClaimed(cpu.memory, device, active);
}

/** Wakes the server, or is the server. */
function handOver(cpu: Cpu, device: DeviceId, request: RequestId): void {
  const server = deviceField(cpu.memory, device, D_SERVER);
  if (server === 0) {
    if (isDeviceSilent(cpu, device)) return;
    takeInjectedTime(cpu, device, request);
    completeRequest(cpu, device, request);
  } else if (server !== SERVED_WHEN_IDLE) wake_up_process(cpu, (server - 1) as CpuId);
}

/** The request is free again, and somebody may wait for one. */
function putBack(cpu: Cpu, device: DeviceId, request: RequestId): void {
  spin_lock(cpu, lockOf(cpu, device));
  assert(requestState(cpu.memory, device, request) === REQUEST_DONE, 'putBack: the request is not served');
  setRequestState(cpu.memory, device, request, REQUEST_FREE);
  setRequestNext(cpu.memory, device, request, deviceField(cpu.memory, device, D_FREE));
  setDeviceField(cpu.memory, device, D_FREE, request + 1);
  const list = deviceWord(cpu.memory, device, D_FULL_LIST);
  const waiter = firstWaiter(cpu, list);
  if (waiter !== NO_WAITER) {
    removeWaiter(cpu, list, waiter);
    wake_up_process(cpu, (waiter - 1) as CpuId);
  }
  spin_unlock(cpu, lockOf(cpu, device));
}
