/**
 * What the devices of a machine owe, one line for each request, for the report of a stall.
 * Next: core's io/outstanding.ts
 */
import { outstandingRequests } from '@faultlab/core/io/outstanding';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';

const LINES_MAX = 16;

/** @param nowMs on the clock of the CPUs. @returns oldest first; nothing when no request is outstanding */
export function outstandingLines(memory: SharedMemory, nowMs: number): string[] {
  const requests = outstandingRequests(memory, nowMs);
  const lines = requests.slice(0, LINES_MAX).map((request) => {
    const pages = request.pages === 1 ? `page ${request.first}` : `pages ${request.first}-${request.first + request.pages - 1}`;
    const what = `${request.op} of ${pages} of extent ${request.extent}, from CPU ${request.cpu}`;
    return `  I/O request ${request.number} of device ${request.device} since ${request.sinceMs} ms (${what}; ${request.state})`;
  });
  if (requests.length > LINES_MAX) lines.push(`  and ${requests.length - LINES_MAX} more`);
  return lines.length === 0 ? [] : ['Outstanding I/O:', ...lines];
}
