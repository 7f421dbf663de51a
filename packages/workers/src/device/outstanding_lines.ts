/**
 * What the devices of a machine owe, one line for each request, for the report of a stall.
 * Next: core's io/outstanding.ts
 */

import type { CpuId } from '@faultlab/core/base/brand';
import { type OutstandingRequest, outstandingRequests } from '@faultlab/core/io/outstanding';
import { PC_WAIT_KIND, PC_WAIT_WORD, percpuBase, WAIT_COMPLETION, WAIT_FOLIO } from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';

const LINES_MAX = 16;
const WAITS: ReadonlySet<number> = new Set([WAIT_FOLIO, WAIT_COMPLETION]);

/** @param nowMs on the clock of the CPUs. @returns oldest first; nothing when no request is outstanding */
export function outstandingLines(memory: SharedMemory, nowMs: number): string[] {
  const requests = outstandingRequests(memory, nowMs);
  const lines = requests.slice(0, LINES_MAX).map((request) => {
    const pages = request.pages === 1 ? `page ${request.first}` : `pages ${request.first}-${request.first + request.pages - 1}`;
    const what = `${request.op} of ${pages} of extent ${request.extent}, from CPU ${request.cpu}`;
    const waiters = waitersOf(memory, request);
    const waits =
      waiters.length === 0 ? 'nobody waits for it' : `CPU ${waiters.join(', ')} ${waiters.length === 1 ? 'waits' : 'wait'} for it`;
    return `  I/O request ${request.number} of device ${request.device} since ${request.sinceMs} ms (${what}; ${request.state}; ${waits})`;
  });
  if (requests.length > LINES_MAX) lines.push(`  and ${requests.length - LINES_MAX} more`);
  return lines.length === 0 ? [] : ['Outstanding I/O:', ...lines];
}

/** CPUs that sleep until the request is over. */
function waitersOf({ words, percpuAt, size }: SharedMemory, request: OutstandingRequest): number[] {
  return Array.from({ length: size.cpus }, (_, cpu) => cpu).filter((cpu) => {
    const block = percpuBase(percpuAt, cpu as CpuId);
    return WAITS.has(words[block + PC_WAIT_KIND] as number) && request.words.includes(words[block + PC_WAIT_WORD] as number);
  });
}
