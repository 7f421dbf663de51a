/**
 * What a machine's devices owe: the requests that were submitted and are not served. Read from outside, for reports; a glance while CPUs run.
 * Next: io/device_record.ts
 */
import { COMPLETION_WORDS } from '../locking/completion.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { folioFlagsWord } from '../mm/folio.ts';
import {
  type DeviceId,
  REQ_OP_WRITE,
  REQUEST_ACTIVE,
  REQUEST_FREE,
  REQUEST_QUEUED,
  type RequestId,
  requestCompletion,
  requestCount,
  requestCpu,
  requestExtent,
  requestFirst,
  requestNumber,
  requestOp,
  requestPage,
  requestState,
  requestSubmitUs,
} from './device_record.ts';

export interface OutstandingRequest {
  readonly device: number;
  readonly number: number;
  readonly op: 'read' | 'write';
  readonly state: 'queued' | 'in service';
  readonly extent: number;
  readonly first: number;
  readonly pages: number;
  /** The CPU that submitted it. */
  readonly cpu: number;
  readonly sinceMs: number;
  /** Words on which somebody sleeps who waits for it: of its pages, and of its end. */
  readonly words: readonly number[];
}

const US_PER_MS = 1000;

/** @param nowMs on the clock of the CPUs. @returns oldest first */
export function outstandingRequests(m: SharedMemory, nowMs: number): OutstandingRequest[] {
  const found: OutstandingRequest[] = [];
  const nowUs = Math.round(nowMs * US_PER_MS);
  for (let id = 0; id < m.size.devices; id++) {
    const device = id as DeviceId;
    for (let slot = 0; slot < m.size.deviceRequests; slot++) {
      const request = slot as RequestId;
      const state = requestState(m, device, request);
      if (state !== REQUEST_QUEUED && state !== REQUEST_ACTIVE) continue;
      found.push({
        device: id,
        number: requestNumber(m, device, request),
        op: requestOp(m, device, request) === REQ_OP_WRITE ? 'write' : 'read',
        state: state === REQUEST_ACTIVE ? 'in service' : 'queued',
        extent: requestExtent(m, device, request),
        first: requestFirst(m, device, request),
        pages: requestCount(m, device, request),
        cpu: requestCpu(m, device, request),
        words: wordsOf(m, device, request),
        sinceMs: Math.max(0, Math.round(((nowUs - requestSubmitUs(m, device, request)) | 0) / US_PER_MS)),
      });
    }
  }
  return found.sort((a, b) => b.sinceMs - a.sinceMs || a.device - b.device || a.number - b.number);
}

function wordsOf(m: SharedMemory, device: DeviceId, request: RequestId): number[] {
  const words: number[] = Array.from({ length: COMPLETION_WORDS }, (_, at) => requestCompletion(m, device, request) + at);
  for (let page = 0; page < requestCount(m, device, request); page++) words.push(folioFlagsWord(m, requestPage(m, device, request, page)));
  return words;
}

/** Requests of all devices that somebody has and has not put back: 0 on a machine at rest. */
export function requestsInUse(m: SharedMemory): number {
  let used = 0;
  for (let id = 0; id < m.size.devices; id++) {
    for (let slot = 0; slot < m.size.deviceRequests; slot++) {
      if (requestState(m, id as DeviceId, slot as RequestId) !== REQUEST_FREE) used++;
    }
  }
  return used;
}
