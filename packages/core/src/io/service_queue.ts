/**
 * When the requests that a device serves are due: `depth` of them at a time, each for as long as it was drawn, and the earliest first.
 * A request starts when it was submitted, or when the place that it takes was left, whichever is later - not when the device happened to
 * look. So a late wake-up of the device does not add up.
 * @kernel none: the hardware
 * @fidelity reduced: service times do not depend on the place or on the other requests
 * Next: io/latency_model.ts draws the times
 */
import { assert } from '../base/assert.ts';
import { NO_REQUEST, type RequestId } from './device_record.ts';

interface InService {
  readonly request: RequestId;
  readonly dueMs: number;
}

/** Belongs to one thread: the server of the device. */
export class ServiceQueue {
  readonly #depth: number;
  /** Earliest first; requests of the same time in the order of their start. */
  readonly #running: InService[] = [];
  /** When each free place was left, the longest free one first. */
  readonly #free: number[];

  constructor(depth: number) {
    this.#depth = depth;
    this.#free = new Array<number>(depth).fill(Number.NEGATIVE_INFINITY);
  }

  /** Is every place taken? */
  get full(): boolean {
    return this.#running.length === this.#depth;
  }

  /** When the next request is due; Infinity when there is none. */
  get nextDueMs(): number {
    return this.#running[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Takes a place. @returns when the request is due */
  start(request: RequestId, submitMs: number, serviceMs: number): number {
    const leftMs = this.#free.shift();
    assert(leftMs !== undefined, 'ServiceQueue: more requests in service than places');
    const dueMs = Math.max(submitMs, leftMs) + serviceMs;
    let place = this.#running.length;
    while (place > 0 && (this.#running[place - 1] as InService).dueMs > dueMs) place--;
    this.#running.splice(place, 0, { request, dueMs });
    return dueMs;
  }

  /** The earliest request that is due by now, which leaves its place; or NO_REQUEST. */
  takeDue(nowMs: number): RequestId {
    const first = this.#running[0];
    if (first === undefined || first.dueMs > nowMs) return NO_REQUEST;
    this.#running.shift();
    this.#free.push(first.dueMs); // Due times leave in ascending order, so the list stays in order.
    return first.request;
  }
}
